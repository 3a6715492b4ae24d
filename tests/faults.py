"""`python -m tests.faults`: puts faults into a copy of the code, one at a time; tests must fail.

    python -m tests.faults                      every fault, on the backend of KERAS_BACKEND
    python -m tests.faults "floor" "resume"     those whose area has one of these words

For each fault the files of tests that it concerns run, without the nightly tier, until the first
failure. A fault that no test notices ends the command with the status 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fault import Fault
from tests.fault_cases import FAULTS

ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("areas", nargs="*", help="words of the areas (default: all)")
    words = parser.parse_args().areas
    chosen = [f for f in FAULTS if not words or any(word in f.area for word in words)]
    files = " ".join(sorted({file for fault in chosen for file in fault.tests.split()}))
    already = first_failure(Fault("no fault", "README.md", "", "", files))
    if already:
        print(f"Without a fault: {already}")
        return 1
    missed = []
    for fault in chosen:
        start = time.monotonic()
        told = first_failure(fault)
        print(
            f"{fault.area}: {told or 'NOT NOTICED'} ({time.monotonic() - start:.0f} s)", flush=True
        )
        missed += [] if told else [fault.area]
    print(f"\n{len(chosen) - len(missed)} of {len(chosen)} faults were noticed.")
    return 1 if missed else 0


def first_failure(fault: Fault) -> str | None:
    """The first test that fails with the fault in the code, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        left_out = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".pytest_cache", "runs")
        shutil.copytree(ROOT, copy, ignore=left_out)
        file = copy / fault.file
        text = file.read_text()
        assert fault.old in text, f"{fault.file} has no {fault.old!r}"
        file.write_text(text.replace(fault.old, fault.new) if fault.old else text)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "auto", "-m", "not nightly"]
        found = subprocess.run(
            [*command, *fault.tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
        )
    failed = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # With xdist's workers pytest ends with 2 where -x stopped it.
    assert bool(failed) == (found.returncode in (1, 2)), found.stdout + found.stderr
    assert found.returncode in (0, 1, 2), found.stdout + found.stderr
    return failed[0].split(" - ")[0] if failed else None


if __name__ == "__main__":
    sys.exit(main())
