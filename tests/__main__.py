"""`python -m tests`: runs the tests on each installed backend.

    python -m tests                        on each backend: required for every change. Cases of
                                           tests marked `spread` are divided among the backends
    python -m tests --fast                 the quick tests, on one backend: after each edit
    python -m tests --all                  on each backend, with the nightly tests
    python -m tests --backend jax -k nami  other arguments are passed to pytest

Tests that do not depend on the backend (marker `once`) run on one.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The last installed one runs the tests marked `once`, and those of `--fast`.
BACKENDS = ("tensorflow", "jax", "torch")
WORKERS = ("-n", "auto", "--maxprocesses", "4")
NO_TESTS = 5
"""pytest's exit status if no test is selected."""
# JAX would spend three quarters of the time on optimizing programs that run once.
UNOPTIMIZED = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1"
}


def main() -> int:
    arguments, of_pytest = parse()
    chosen = arguments.backend or [b for b in BACKENDS if importlib.util.find_spec(b)]
    if not chosen:
        sys.exit("No backend is installed: python -m pip install -e . --group dev")
    if arguments.fast and not arguments.backend:
        chosen = [os.environ.get("KERAS_BACKEND") or chosen[-1]]
    arguments.chosen = chosen
    outcomes = {}
    for backend in chosen:
        for name, marks, environment in runs(backend, arguments, once=backend == chosen[-1]):
            print(f"\n=== {name} ===", flush=True)
            start = time.monotonic()
            code = pytest(["-m", marks, *of_pytest], backend, environment)
            passed = code == 0 or (code == NO_TESTS and bool(of_pytest))
            took = f"{time.monotonic() - start:.0f} s"
            outcomes[name] = passed, f"{'passed' if passed else f'FAILED ({code})'}, {took}"
    print("\n" + "\n".join(f"{name}: {text}" for name, (_, text) in outcomes.items()))
    return 0 if all(passed for passed, _ in outcomes.values()) else 1


def parse() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m tests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # other options are passed to pytest
    )
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--fast", action="store_true", help="the quick tests, on one backend")
    tier.add_argument("--all", action="store_true", help="the nightly tier too")
    parser.add_argument(
        "--backend", action="append", choices=BACKENDS, help="may be given several times"
    )
    parser.add_argument("-m", dest="marks", metavar="MARKS", help="of these tests those so marked")
    return parser.parse_known_args()


def runs(backend: str, arguments: argparse.Namespace, once: bool):
    """The runs of pytest on a backend: name, expression of markers, environment."""
    marks = [] if arguments.all else ["not nightly"]
    marks += ["not slow"] if arguments.fast else []
    # With `--all` every backend runs every test.
    marks += [] if once or arguments.all else ["not once"]
    marks += [f"({arguments.marks})"] if arguments.marks else []
    profile = {"HYPOTHESIS_PROFILE": "nightly"} if arguments.all else {}
    if not arguments.all:
        # Their cases are divided among the backends: see `conftest.py`.
        profile["SPREAD_OVER"] = " ".join(arguments.chosen)
    if backend == "jax":
        yield "jax", " and ".join([*marks, "not optimized"]), profile | UNOPTIMIZED
        yield "jax, optimized", " and ".join([*marks, "optimized"]), profile
    else:
        yield backend, " and ".join(marks), profile


def pytest(options: list[str], backend: str, environment: dict[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", *WORKERS, *options]
    # A compilation cache of JAX for all processes of a run.
    with tempfile.TemporaryDirectory() as cache:
        settings = {
            "KERAS_BACKEND": backend,
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **settings, **environment}
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
