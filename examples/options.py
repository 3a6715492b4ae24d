"""Options shared by several commands. Imports no Keras, which would choose a backend."""

import argparse

BACKENDS = ("jax", "tensorflow", "torch")
MAX_SEED = 2**32 - 1


def add_common(parser: argparse.ArgumentParser, name: str) -> None:
    """Adds `--backend`, and `--out` with the default `runs/<name>`."""
    add_backend(parser)
    parser.add_argument("--out", default=f"runs/{name}", help="folder (default: %(default)s)")


def add_backend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="default: KERAS_BACKEND, or Keras's configured backend, or any installed one",
    )


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to {MAX_SEED}, not {text!r}"
        )
    return int(text)


def rate(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found < 1.0:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, not {text!r}")
    return found
