"""What the commands share: one process for each backend, and CSV that tables come from.

Imports no Keras, which reads the backend's name when it is imported.
"""

import argparse
import contextlib
import csv
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
Rows = Iterable[Mapping[str, object]]


def parser(
    description: str, name: str, backends: Sequence[str] = BACKENDS
) -> argparse.ArgumentParser:
    """A parser of the arguments that every command has; results go to `name`.csv.

    `also` and `to_each` are defaults that `parse` may replace: further result files, and arguments
    that the process of each backend gets.
    """
    found = argparse.ArgumentParser(description=description)
    add = found.add_argument
    named = os.environ.get("KERAS_BACKEND")
    default = named if named in backends else "all"
    add("--backend", choices=["all", *backends], default=default, help="default: %(default)s")
    add("--csv", type=Path, default=RESULTS / f"{name}.csv", help=f"default: results/{name}.csv")
    add("--append", action="store_true", help="to the CSV, not anew")
    add("--markdown", action="store_true", help="from the CSV, nothing is run")
    found.set_defaults(name=name, backends=backends, also=[], to_each=[])
    return found


def add_modes(
    parser: argparse.ArgumentParser, default: Sequence[str], policies: Sequence[str] = POLICIES
) -> None:
    """Adds the arguments `modes` and `policy`."""
    every = [mode for modes in MODES.values() for mode in modes]
    shown = f"default: {' '.join(default)}. torch takes minutes to compile"
    parser.add_argument("--modes", nargs="+", choices=every, default=default, help=shown)
    parser.add_argument("--policy", nargs="+", choices=policies, default=policies)


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
        also = [row for path in arguments.also if path.exists() for row in read(path)]
        print(markdown(read(arguments.csv) + also))
    elif arguments.backend == "all":
        if not arguments.append:
            for path in (arguments.csv, *arguments.also):
                path.unlink(missing_ok=True)
        own = [sys.executable, "-m", f"benchmarks.{arguments.name}", *sys.argv[1:]]
        own += arguments.to_each
        for backend in filter(importlib.util.find_spec, arguments.backends):
            status = subprocess.run([*own, "--backend", backend, "--append"]).returncode
            if status:
                return status
    else:
        write(measure(arguments), arguments.csv, arguments.append)
    return 0


def write(rows: Rows, path: Path, append: bool) -> None:
    """Rows of equal keys as CSV: four digits of floats, nothing for None.

    Rows of a generator are written as they come. Without a row the file is left as it is.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not (append and path.exists())
    with path.open("w" if new else "a", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        if new:
            writer.writeheader()
        for row in itertools.chain([first], rows):
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
            file.flush()
    print(f"Wrote {path.name}", flush=True)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class OutOfTime(BaseException):
    """No time is left. Not an `Exception`, which libraries catch and log at length."""


@dataclass(frozen=True)
class Budget:
    """The time that a part of a command may take."""

    end: float
    """In seconds since the epoch, the same for each process."""

    def left(self, seconds: float = 0.0) -> bool:
        """Whether more than `seconds` are left."""
        return time.time() + seconds < self.end

    @contextlib.contextmanager
    def limit(self) -> Iterator[None]:
        """Context in which Python code is stopped when no time is left.

        Raises:
            OutOfTime: then. Again every few seconds, as it is lost in a destructor.
        """
        if not hasattr(signal, "SIGALRM"):  # on Windows
            yield
            return

        def stop(*_):
            raise OutOfTime("no time was left")

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(self.end - time.time(), 1e-3), 5.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
