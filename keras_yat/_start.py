"""Chooses an installed backend. Runs before Keras is imported, as Keras reads the choice then."""

import importlib.util
import itertools
import json
import os
import signal
import sys

BACKENDS = ("jax", "tensorflow", "torch")
"""The backends that can train, in order of preference, by the names of their packages."""


def installed() -> list[str]:
    """The installed backends that can train."""
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def select() -> None:
    """Sets `KERAS_BACKEND` if Keras would otherwise use a backend that is not installed.

    Keras uses the backend in `KERAS_BACKEND`, else in its file `keras.json`, else TensorFlow.
    This function has no effect after Keras is imported.

    Raises:
        ImportError: If `KERAS_BACKEND` is not an installed backend, or none is installed.
    """
    if "keras" in sys.modules:
        return
    found, name = installed(), os.environ.get("KERAS_BACKEND")
    if name:
        _check(name, found)
        return
    configured = _configured()
    if configured in found or configured not in BACKENDS:  # Keras handles other backends
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
            f"`KERAS_BACKEND` must be an installed backend ({', '.join(found) or 'none'}). "
            f"Received: {name!r}, which is installed by: "
            f'python -m pip install "keras-yat[{name}]"'
        )
    if importlib.util.find_spec(name) is None:
        allowed = ", ".join(BACKENDS)
        raise ImportError(f"`KERAS_BACKEND` must be one of {allowed}. Received: {name!r}")


def _configured() -> str:
    """The backend in `keras.json`, which Keras writes when it is first imported."""
    folder = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        with open(os.path.join(folder, "keras.json"), encoding="utf-8") as file:
            return str(json.load(file)["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def select_for_command() -> None:
    """`select` for `python -m keras_yat`: errors print one line, Ctrl-C exits silently."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # silences TensorFlow's log
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
    """Whether Python is about to run a module of this package with `python -m`."""
    # While Python locates the module, `sys.argv[0]` is "-m".
    if sys.argv[:1] != ["-m"]:
        return False
    words = sys.orig_argv[1:]
    modules = [after for word, after in itertools.pairwise(words) if word == "-m"]
    return bool(modules) and modules[0].split(".")[0] == __package__


if is_command():
    select_for_command()
else:
    select()
