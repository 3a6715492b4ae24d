"""Kinds of data sets, the arrays they load, and the places where their files are looked for.

Imports no Keras, which would choose a backend before `--backend` is read.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Loaded data.


@dataclass(frozen=True)
class Images:
    """Images in [0, 1] of shape (count, height, width, channels), and their classes."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    origin: str
    """Where the data were found, for the reader."""


@dataclass(frozen=True)
class Sequences:
    """Sequences with a root mean square of about 1, and their classes.

    `x_train` and `x_test` are the lists of a model's inputs: the sequences, of shape
    (count, steps, channels), and, if the lengths differ, a mask of shape (count, steps),
    True at the steps of the sequence and False at the padding after its end.
    """

    x_train: list[np.ndarray]
    y_train: np.ndarray
    x_test: list[np.ndarray]
    y_test: np.ndarray
    origin: str
    """Where the data were found, for the reader."""


@dataclass(frozen=True)
class Series:
    """A signal over time, in years since its start."""

    time: np.ndarray
    values: np.ndarray
    origin: str
    """Where the data were found, for the reader."""


@dataclass(frozen=True)
class Text:
    """The first nine tenths of a text for training, and the last tenth."""

    train: str
    test: str
    origin: str
    """Where the text was found, for the reader."""


@dataclass(frozen=True)
class Reviews:
    """Reviews as word indices, and their labels: 1 favourable, 0 not.

    Index 0 is padding after the end, index 1 a word outside the vocabulary.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    words_train: list[list[str]]
    words_test: list[list[str]]
    origin: str
    """Where the data were found, for the reader."""


@dataclass(frozen=True)
class LabelledWords:
    """The words of each review, and the labels, as a `ReviewSet` reads them."""

    train: list[list[str]]
    y_train: np.ndarray
    test: list[list[str]]
    y_test: np.ndarray
    origin: str


# Kinds of data sets.


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Abstract: a data set, declared by one module of `examples.data`."""

    name: str
    """What commands and configurations call it."""
    source: str
    """The publication or the place it comes from."""
    license: str | None
    """None: not stated by the source, or unknown."""


@dataclass(frozen=True, kw_only=True)
class SeriesSet(DataSet):
    """A signal over time."""

    unit: str
    load: Callable[[], Series]


@dataclass(frozen=True, kw_only=True)
class ClassificationSet(DataSet):
    """Abstract: images or sequences with classes, which recurrent models can read."""

    classes: int
    epochs: int
    """Default number of epochs of `examples.sequences`."""

    def load_sequences(self) -> Sequences:
        """The examples as sequences."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ImageSet(ClassificationSet):
    """Images with classes. As sequences they are read row by row, from top to bottom."""

    shape: tuple[int, int, int]
    """Height, width and channels."""
    load: Callable[[], Images]

    def load_sequences(self) -> Sequences:
        images = self.load()
        scale = rms(images.x_train)
        x_train, x_test = (
            x.reshape(*x.shape[:2], -1) / scale for x in (images.x_train, images.x_test)
        )
        return Sequences([x_train], images.y_train, [x_test], images.y_test, images.origin)


@dataclass(frozen=True, kw_only=True)
class SequenceSet(ClassificationSet):
    """Sequences with classes."""

    channels: int
    masked: bool = False
    """Whether the lengths differ, so that a model gets a mask as its second input."""
    load: Callable[[], Sequences]

    def load_sequences(self) -> Sequences:
        return self.load()


@dataclass(frozen=True, kw_only=True)
class TextSet(DataSet):
    """One long text."""

    find: Callable[[], Path]
    """Returns the path of the text, which is downloaded if necessary."""


@dataclass(frozen=True, kw_only=True)
class ReviewSet(DataSet):
    """Reviews with a label, 1 favourable or 0 not."""

    length: int
    """Default number of words of a review that `examples.text_classifier` reads."""
    read: Callable[[], LabelledWords]

    def load(self, length: int, vocabulary: int) -> Reviews:
        """The first `length` words of each review, as indices from 0 to `vocabulary - 1`."""
        words = self.read()
        counts = Counter(word for review in words.train for word in review)
        index = {word: i for i, (word, _) in enumerate(counts.most_common(vocabulary - 2), start=2)}
        x_train, x_test = (_indices(part, index, length) for part in (words.train, words.test))
        return Reviews(
            x_train, words.y_train, x_test, words.y_test, words.train, words.test, words.origin
        )


def _indices(reviews: list[list[str]], index: dict[str, int], length: int) -> np.ndarray:
    x = np.zeros((len(reviews), length), "int32")
    for row, review in zip(x, reviews, strict=True):
        known = [index.get(word, 1) for word in review[:length]]
        row[: len(known)] = known
    return x


# Files.


def data_file(name: str) -> Path | None:
    """The path of `name` in `$KERAS_YAT_DATA`, or None if that variable is not set."""
    folder = os.environ.get("KERAS_YAT_DATA")
    return Path(folder, name) if folder else None


def missing(file: Path | None) -> str:
    """Why `file`, as returned by `data_file`, was not used."""
    return f"there is no {file}" if file else "not set"


def unavailable(what: str, tried: dict[str, Any], advice: str) -> SystemExit:
    """The error for data that cannot be loaded: each place that was tried, and what to do."""
    lines = [f"  {place}: {reason}" for place, reason in tried.items()]
    return SystemExit("\n".join([f"The {what} is not available.", *lines, advice]))


def keras_cache() -> str:
    """The name of Keras's cache in errors."""
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "datasets")
    return f"Keras's cache ({folder})"


def load_keras_images(name: str) -> Images:
    """The images of `$KERAS_YAT_DATA/<name>.npz`, or else of `keras.datasets.<name>`.

    The file has the arrays x_train, y_train, x_test and y_test, as bytes from 0 to 255.
    Keras downloads its data sets once, into its cache.

    Raises:
        SystemExit: if neither is available, with the places that were tried.
    """
    file = data_file(f"{name}.npz")
    if file and file.exists():
        with np.load(file) as arrays:
            train, test = ((arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test"))
        return _images(train, test, str(file))
    import keras

    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise unavailable(
            f"data set {name!r}",
            {"KERAS_YAT_DATA": missing(file), keras_cache(): error},
            "With a connection it is downloaded once. Without one, put the files there, or use "
            "--data digits, which needs no download.",
        ) from error
    return _images(train, test, f"keras.datasets.{name}")


def _images(train: Any, test: Any, origin: str) -> Images:
    x_train, x_test = (x.astype("float32") / 255.0 for x, _ in (train, test))
    if x_train.ndim == 3:
        x_train, x_test = x_train[..., None], x_test[..., None]
    return Images(x_train, train[1].ravel(), x_test, test[1].ravel(), origin)


def load_sequence_file(name: str) -> Sequences:
    """The sequences of `$KERAS_YAT_DATA/<name>.npz`.

    Each channel is divided by its root mean square over the training data. There are masks
    if the lengths differ.

    Raises:
        SystemExit: if there is no such file, with its format.
    """
    file = data_file(f"{name}.npz")
    if not (file and file.exists()):
        raise unavailable(
            f"data set {name!r}",
            {"KERAS_YAT_DATA": missing(file)},
            f"Set that variable to a folder with {name}.npz: x_train of shape (count, steps, "
            "channels), with zeros after the end of shorter sequences, y_train, length_train, and "
            "the same for test. Or use --data digits, which needs no file.",
        )
    with np.load(file) as found:
        arrays = {key: found[key] for key in found.files}
    x, masks = {}, {}
    for part in ("train", "test"):
        x[part] = arrays[f"x_{part}"].astype("float32")
        masks[part] = np.arange(x[part].shape[1]) < arrays[f"length_{part}"][:, None]
    scale = rms(x["train"][masks["train"]], axis=0)  # without the padding
    inputs = {part: [x[part] / scale] for part in x}
    if not all(mask.all() for mask in masks.values()):
        inputs = {part: [*inputs[part], masks[part]] for part in x}
    return Sequences(
        inputs["train"], arrays["y_train"], inputs["test"], arrays["y_test"], str(file)
    )


def rms(x: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Root mean square."""
    return np.sqrt(np.mean(x**2, axis=axis))
