"""What the commands share: one process for each backend, and CSV that tables come from.

Imports no Keras, which reads the backend's name when it is imported.
"""

import argparse
import csv
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from examples import command

BACKENDS = ("tensorflow", "jax", "torch")
MODES = {
    "tensorflow": {"graph": False, "XLA": True},
    "jax": {"jit": True},
    "torch": {"eager": False, "compile": True},
}
"""By backend how a function is run, and whether it is compiled: `jit` of `benchmarks.harness`."""
UNCOMPILED = ("graph", "jit", "eager")
POLICIES = ("float32", "mixed_bfloat16")
RESULTS = Path(__file__).parent / "results"
Rows = Sequence[Mapping[str, object]]


def parser(description: str, name: str) -> argparse.ArgumentParser:
    """A parser of the arguments that every command has; results go to `name`.csv."""
    found = argparse.ArgumentParser(description=description)
    add = found.add_argument
    default = os.environ.get("KERAS_BACKEND", "all")
    add("--backend", choices=["all", *BACKENDS], default=default, help="default: %(default)s")
    add("--csv", type=Path, default=RESULTS / f"{name}.csv", help=f"default: results/{name}.csv")
    add("--append", action="store_true", help="to the CSV, not anew")
    add("--markdown", action="store_true", help="from the CSV, nothing is run")
    found.set_defaults(name=name)
    return found


def add_modes(parser: argparse.ArgumentParser, default: Sequence[str]) -> None:
    """Adds the arguments `modes` and `policy`."""
    every = [mode for modes in MODES.values() for mode in modes]
    shown = f"default: {' '.join(default)}. torch takes minutes to compile"
    parser.add_argument("--modes", nargs="+", choices=every, default=default, help=shown)
    parser.add_argument("--policy", nargs="+", choices=POLICIES, default=POLICIES)


def chosen_modes(arguments: argparse.Namespace) -> dict[str, bool]:
    """Those of MODES for the backend."""
    of_backend = MODES[arguments.backend].items()
    return {mode: jit for mode, jit in of_backend if mode in arguments.modes}


def run(
    parse: Callable[[], argparse.Namespace],
    measure: Callable[[argparse.Namespace], Rows],
    markdown: Callable[[list[dict[str, str]]], str],
    threads: int,
) -> NoReturn:
    """Does what the arguments say: prints tables, or measures on one backend or on each."""
    # Of torch and of TensorFlow; JAX takes every core that it may run on.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, str(threads))
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # of torch's profiler
    command.start(parse, lambda arguments: _run(arguments, measure, markdown))


def _run(arguments, measure, markdown):
    if arguments.markdown:
        print(markdown(read(arguments.csv)))
    elif arguments.backend == "all":
        if not arguments.append:
            arguments.csv.unlink(missing_ok=True)
        own = [sys.executable, "-m", f"benchmarks.{arguments.name}", *sys.argv[1:]]
        for backend in filter(importlib.util.find_spec, BACKENDS):
            status = subprocess.run([*own, "--backend", backend, "--append"]).returncode
            if status:
                return status
    else:
        write(measure(arguments), arguments.csv, arguments.append)
    return 0


def write(rows: Rows, path: Path, append: bool) -> None:
    """Rows of equal keys as CSV: four digits of floats, nothing for None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not (append and path.exists())
    with path.open("w" if new else "a", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        if new:
            writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
    print(f"Wrote {path.name}", flush=True)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
