"""Starts the commands of examples, studies and benchmarks.

Imports no Keras before the backend is chosen.
"""

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

WRONG_USE = 2


def prepare(package: str, extra: str, *needed: str) -> None:
    """Before a command of a package starts: handles Ctrl-C, and checks for missing packages.

    Does nothing if the package is imported as a library.

    Args:
        package: The file of the package.
        extra: The extras of this project that install the required packages.
        needed: The required packages.
    """
    first = sys.argv[0] if sys.argv else ""
    # While Python locates the module of `python -m`, the first argument is "-m".
    if first != "-m" and Path(first).resolve().parent != Path(package).resolve().parent:
        return
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        _end(
            f"Not installed: {', '.join(missing)}. Install the packages of this command with: "
            f'python -m pip install -e ".[{extra}]"'
        )


def start(
    parse: Callable[[], argparse.Namespace], main: Callable[[argparse.Namespace], int | None]
) -> NoReturn:
    """Parses the arguments, chooses the backend, runs `main`, and exits.

    The backend is `--backend`, else `KERAS_BACKEND`, else Keras's configured backend if it
    is installed, else any installed one. Errors and exit status: `keras_yat._command`.
    """
    arguments = parse()
    if getattr(arguments, "backend", None) not in (None, "all"):
        os.environ["KERAS_BACKEND"] = arguments.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from keras_yat import _command
    except ImportError as error:
        _end(str(error))
    _command.run(lambda: main(arguments))


def versions() -> str:
    """The version of Keras and the backend, for the reader."""
    import keras

    return f"Keras {keras.__version__} on {keras.backend.backend()}"


def torch_on_one_thread() -> None:
    """Uses one thread, which is faster for small networks, unless `OMP_NUM_THREADS` is set."""
    import keras

    if keras.backend.backend() == "torch" and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


def _end(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(WRONG_USE)
