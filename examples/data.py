"""Real images and sequences for the examples, and where they come from."""

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


@dataclass(frozen=True)
class Sequences:
    """Sequences with a root mean square of about 1, and their classes.

    `x_train` and `x_test` are lists of what a model takes: the sequences, of shape
    (count, steps, channels), and where their lengths differ a mask (count, steps) too,
    True at each step that is there and False at the padding behind the last one.
    """

    x_train: list[np.ndarray]
    y_train: np.ndarray
    x_test: list[np.ndarray]
    y_test: np.ndarray
    origin: str
    """Where they were found, for a person to read."""


NAMES = ("digits", "mnist", "fashion_mnist")
SIGNALS = ("japanese_vowels", "osu_leaf", "basic_motions")


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
    file = _file(name)
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
            f"  KERAS_YAT_DATA: {_missing(file)}\n"
            f"  Keras's cache ({cache}): {error}\n"
            "With a connection it is downloaded once. Without one, put the files there, or use "
            "--data digits, which needs none."
        ) from error
    return _images(train, test, f"keras.datasets.{name}")


def load_sequences(name: str) -> Sequences:
    """The data set `name` as sequences.

    Those of `NAMES` are images read row by row, from top to bottom. Those of `SIGNALS`
    are looked for as `$KERAS_YAT_DATA/<name>.npz`, with each channel scaled by itself.

    Raises:
        SystemExit: if the data cannot be had, saying what was tried.
    """
    if name in NAMES:
        images = load(name)
        x_train, x_test = (
            x.reshape(*x.shape[:2], -1) / _rms(images.x_train)
            for x in (images.x_train, images.x_test)
        )
        return Sequences([x_train], images.y_train, [x_test], images.y_test, images.origin)
    file = _file(name)
    if not (file and file.exists()):
        raise SystemExit(
            f"The data set {name!r} could not be had.\n"
            f"  KERAS_YAT_DATA: {_missing(file)}\n"
            f"Set that variable to a folder with {name}.npz: x_train of shape (count, steps, "
            "channels), with zeros behind the end of the shorter sequences, y_train, "
            "length_train, and the same for test. Or use --data digits, which needs no file."
        )
    with np.load(file) as arrays:
        return _signals({key: arrays[key] for key in arrays.files}, str(file))


def _file(name: str) -> Path | None:
    folder = os.environ.get("KERAS_YAT_DATA")
    return Path(folder, f"{name}.npz") if folder else None


def _missing(file: Path | None) -> str:
    return f"there is no {file}" if file else "not set"


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


def _signals(arrays: dict[str, np.ndarray], origin: str) -> Sequences:
    x, masks = {}, {}
    for part in ("train", "test"):
        x[part] = arrays[f"x_{part}"].astype("float32")
        masks[part] = np.arange(x[part].shape[1]) < arrays[f"length_{part}"][:, None]
    scale = _rms(x["train"][masks["train"]], axis=0)  # the padding does not count
    inputs = {part: [x[part] / scale] for part in x}
    if not all(mask.all() for mask in masks.values()):
        inputs = {part: [*inputs[part], masks[part]] for part in x}
    return Sequences(inputs["train"], arrays["y_train"], inputs["test"], arrays["y_test"], origin)


def _rms(x: np.ndarray, axis: int | None = None) -> np.ndarray:
    return np.sqrt(np.mean(x**2, axis=axis))
