"""`python -m tests [pytest arguments]`: the whole suite on each backend, on all cores."""

import os
import subprocess
import sys
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
WORKERS = ("-n", "auto", "--maxprocesses", "4")


def main() -> int:
    outcomes = {}
    for backend in BACKENDS:
        print(f"\n=== KERAS_BACKEND={backend} ===", flush=True)
        outcomes[backend] = subprocess.run(
            [sys.executable, "-m", "pytest", *WORKERS, *sys.argv[1:]],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "KERAS_BACKEND": backend},
        ).returncode
    print()
    for backend, code in outcomes.items():
        print(f"{backend}: {'passed' if code == 0 else f'FAILED (exit code {code})'}")
    return max(outcomes.values())


if __name__ == "__main__":
    sys.exit(main())
