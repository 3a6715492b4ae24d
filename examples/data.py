"""Real images, sequences and texts for the examples, and where they come from."""

import os
import re
from collections import Counter
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


@dataclass(frozen=True)
class Text:
    """The first nine tenths of a text, and the rest."""

    train: str
    test: str
    origin: str
    """Where it was found, for a person to read."""


@dataclass(frozen=True)
class Reviews:
    """Reviews of films as the numbers of their words, and whether they are favourable (1 or 0).

    0 is padding behind the end, 1 a word that is not among the most frequent ones.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    words_train: list[list[str]]
    words_test: list[list[str]]
    origin: str
    """Where they were found, for a person to read."""


NAMES = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
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
        raise SystemExit(
            f"The data set {name!r} could not be had.\n"
            f"  KERAS_YAT_DATA: {_missing(file)}\n"
            f"  Keras's cache ({_cache()}): {error}\n"
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


SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)


def load_text(name: str) -> Text:
    """The text `"tinyshakespeare"`, or that of the file of another name.

    The former is looked for as `$KERAS_YAT_DATA/tinyshakespeare.txt`, if that variable
    is set, and then in Keras's cache, into which it is downloaded once.

    Raises:
        SystemExit: if the text cannot be had, saying what was tried.
    """
    path = _shakespeare() if name == "tinyshakespeare" else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SystemExit(
            f"The text {name!r} could not be read: {error}\n"
            "--data takes the path of a text in UTF-8, or tinyshakespeare."
        ) from error
    border = len(text) * 9 // 10
    return Text(text[:border], text[border:], str(path))


def load_reviews(name: str, length: int, vocabulary: int) -> Reviews:
    """The first `length` words of each of the reviews `name`, numbered from 0 to `vocabulary - 1`.

    `"movie_snippets"` is looked for as `$KERAS_YAT_DATA/movie_snippets.tsv`: a line a
    review, of a mean rating, a tab and the text. Reviews with a rating of 0 are left out.
    `"imdb"` is downloaded once by Keras, into its cache.

    Raises:
        SystemExit: if the data cannot be had, saying what was tried.
    """
    words, y, origin = _snippets() if name == "movie_snippets" else _imdb()
    counts = Counter(word for review in words[0] for word in review)
    number = {word: i for i, (word, _) in enumerate(counts.most_common(vocabulary - 2), start=2)}
    x = [np.zeros((len(part), length), "int32") for part in words]
    for rows, part in zip(x, words, strict=True):
        for row, review in zip(rows, part, strict=True):
            found = [number.get(word, 1) for word in review[:length]]
            row[: len(found)] = found
    return Reviews(x[0], y[0], x[1], y[1], words[0], words[1], origin)


def _snippets():
    from sklearn.model_selection import train_test_split

    file = _file("movie_snippets", "tsv")
    if not (file and file.exists()):
        raise SystemExit(
            "The data set 'movie_snippets' could not be had.\n"
            f"  KERAS_YAT_DATA: {_missing(file)}\n"
            "Set that variable to a folder with movie_snippets.tsv, with a rating above or below "
            "0, a tab and a text on each line. Or use --data imdb, which Keras downloads."
        )
    lines = (line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines())
    rated = [(float(rating), re.findall(r"[\w']+", text.lower())) for rating, text in lines]
    rated = [(rating, words) for rating, words in rated if rating and words]
    y = np.array([rating > 0.0 for rating, _ in rated], "int32")
    *words, y_train, y_test = train_test_split(
        [words for _, words in rated], y, test_size=0.2, stratify=y, random_state=0
    )
    return words, (y_train, y_test), str(file)


def _imdb():
    try:
        parts = keras.datasets.imdb.load_data()
    except Exception as error:
        raise SystemExit(
            "The data set 'imdb' could not be had.\n"
            f"  Keras's cache ({_cache()}): {error}\n"
            "With a connection it is downloaded once. Without one, put the file there, or use "
            "--data movie_snippets."
        ) from error
    # Keras has numbers of its own in the place of words.
    words = [[list(map(str, review)) for review in x] for x, _ in parts]
    return words, [y.astype("int32") for _, y in parts], "keras.datasets.imdb"


def _shakespeare() -> Path:
    file = _file("tinyshakespeare", "txt")
    if file and file.exists():
        return file
    try:
        return Path(keras.utils.get_file("tinyshakespeare.txt", SHAKESPEARE))
    except Exception as error:
        raise SystemExit(
            "The text 'tinyshakespeare' could not be had.\n"
            f"  KERAS_YAT_DATA: {_missing(file)}\n"
            f"  Keras's cache ({_cache()}): {error}\n"
            "With a connection it is downloaded once. Without one, put it there, or give --data "
            "the path of another text."
        ) from error


def _file(name: str, kind: str = "npz") -> Path | None:
    folder = os.environ.get("KERAS_YAT_DATA")
    return Path(folder, f"{name}.{kind}") if folder else None


def _cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "datasets")


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
