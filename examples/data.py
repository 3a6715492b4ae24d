"""Real images for the examples, and where they come from."""

import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np


@dataclass(frozen=True)
class Images:
    """Images in [0, 1] of shape (count, height, width, channels), and their classes."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    origin: str
    """Where they were found, for a person to read."""


NAMES = ("digits", "mnist", "fashion_mnist")


def load(name: str) -> Images:
    """The data set `name`.

    `digits` comes with scikit-learn. The others are looked for as
    `$KERAS_YAT_DATA/<name>.npz`, if that variable is set, and then in Keras's
    cache, into which Keras downloads them once.

    Raises:
        SystemExit: if the data cannot be had, saying what was tried.
    """
    if name == "digits":
        return _digits()
    folder = os.environ.get("KERAS_YAT_DATA")
    file = Path(folder, f"{name}.npz") if folder else None
    if file and file.exists():
        with np.load(file) as arrays:
            train, test = ((arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
        return _images(train, test, str(file))
    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:
        cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "datasets")
        raise SystemExit(
            f"The data set {name!r} could not be had.\n"
            f"  KERAS_YAT_DATA: {f'there is no {file}' if file else 'not set'}\n"
            f"  Keras's cache ({cache}): {error}\n"
            "With a connection it is downloaded once. Without one, put the files there, or use "
            "--data digits, which needs none."
        ) from error
    return _images(train, test, f"keras.datasets.{name}")


def _digits() -> Images:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = digits.images.astype("float32")[..., None] / 16.0
    x_train, x_test, y_train, y_test = train_test_split(
        x, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    return Images(x_train, y_train, x_test, y_test, "scikit-learn's digits")


def _images(train, test, origin: str) -> Images:
    x_train, x_test = (x.astype("float32") / 255.0 for x, _ in (train, test))
    if x_train.ndim == 3:
        x_train, x_test = x_train[..., None], x_test[..., None]
    return Images(x_train, train[1].ravel(), x_test, test[1].ravel(), origin)
