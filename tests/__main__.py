"""`python -m tests [pytest arguments]`: the whole suite on each backend, on all cores."""

import os
import subprocess
import sys
from pathlib import Path

WORKERS = ("-n", "auto", "--maxprocesses", "4")
NO_TESTS = 5
"""What pytest ends with where the arguments leave none."""
# JAX would spend half of the time on optimizing what runs once.
RUNS = {
    "tensorflow": ("tensorflow", (), {}),
    "jax": ("jax", ("-m", "not unoptimized"), {}),
    "jax, unoptimized": (
        "jax",
        ("-m", "unoptimized"),
        {"XLA_FLAGS": "--xla_backend_optimization_level=0"},
    ),
    "torch": ("torch", (), {}),
}


def main() -> int:
    outcomes = {}
    for name, (backend, chosen, settings) in RUNS.items():
        print(f"\n=== KERAS_BACKEND={name} ===", flush=True)
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *WORKERS, *chosen, *sys.argv[1:]],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "KERAS_BACKEND": backend, **settings},
        ).returncode
        outcomes[name] = 0 if code == NO_TESTS and sys.argv[1:] else code
    print()
    for name, code in outcomes.items():
        print(f"{name}: {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return max(outcomes.values())


if __name__ == "__main__":
    sys.exit(main())
