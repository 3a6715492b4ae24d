"""Runs first: chooses a backend that is installed. Imports no Keras, which reads that choice."""

import importlib.util
import itertools
import json
import os
import signal
import sys

BACKENDS = ("jax", "tensorflow", "torch")
"""The backends that train, in order of choice; each is the name of its package."""


def installed() -> list[str]:
    """The backends that train and are installed."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def select() -> None:
    """Sets `KERAS_BACKEND` where Keras by itself would take a backend that is not installed.

    Keras takes the one in `KERAS_BACKEND`, else that of its file `keras.json`, else
    TensorFlow. Without effect once Keras is imported.

    Raises:
        ImportError: if `KERAS_BACKEND` names no backend that is installed, or none is.
    """
    if "keras" in sys.modules:
        return
    found, name = installed(), os.environ.get("KERAS_BACKEND")
    if name:
        _check(name, found)
        return
    of_keras = _of_keras()
    if of_keras in found or of_keras not in BACKENDS:  # others than these are Keras's concern
        return
    if not found:
        raise ImportError(
            "No backend is installed. Install one, for example: "
            'python -m pip install "keras-yat[jax]"'
        )
    os.environ["KERAS_BACKEND"] = found[0]


def _check(name, found):
    if name in BACKENDS and name not in found:
        raise ImportError(
            f"`KERAS_BACKEND` must be a backend that is installed ({', '.join(found) or 'none'}). "
            f"Received: {name!r}, which is installed by: "
            f'python -m pip install "keras-yat[{name}]"'
        )
    if importlib.util.find_spec(name) is None:
        allowed = ", ".join(BACKENDS)
        raise ImportError(f"`KERAS_BACKEND` must be one of {allowed}. Received: {name!r}")


def _of_keras() -> str:
    """The backend of Keras's own file, which Keras writes when it is first imported."""
    folder = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        with open(os.path.join(folder, "keras.json"), encoding="utf-8") as file:
            return str(json.load(file)["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def select_for_command() -> None:
    """As `select`, in `python -m keras_yat`: errors take one line, Ctrl-C none."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log is of no use to a command
    if importlib.util.find_spec("keras") is None:
        _end("Keras is not installed. Install it: python -m pip install keras")
    try:
        select()
    except ImportError as error:
        _end(str(error))


def _end(line):
    print(line, file=sys.stderr)
    raise SystemExit(2)


def is_command() -> bool:
    """Whether Python is about to run a module of this package, by `python -m`."""
    # While Python locates the module, this is the first argument.
    if sys.argv[:1] != ["-m"]:
        return False
    words = sys.orig_argv[1:]
    modules = [after for word, after in itertools.pairwise(words) if word == "-m"]
    return bool(modules) and modules[0].split(".")[0] == __package__


if is_command():
    select_for_command()
else:
    select()
