"""Real data sets for the examples and studies: one module a data set, and this door.

To add a data set, add one module to this folder. Its variable `DATA_SET` is an `ImageSet`, a
`SequenceSet`, a `SeriesSet`, a `TextSet` or a `ReviewSet`, and declares all that the commands need:
the name, how it is loaded, its shape, default epochs, source and license. Nothing else has to be
edited: the choices of the commands, the names that configurations allow, and the tests are derived.

    # examples/data/kmnist.py
    DATA_SET = ImageSet(
        name="kmnist",
        shape=(28, 28, 1),
        classes=10,
        epochs=3,
        source="https://example.org/kmnist",
        license="CC BY-SA 4.0",
        load=load,  # a function that returns `Images`
    )

Imports no Keras, which would choose a backend before `--backend` is read: a module of this
folder imports Keras and scikit-learn inside its functions.
"""

import importlib
import pkgutil
from pathlib import Path
from typing import TypeVar

from examples.data._base import (
    ClassificationSet,
    DataSet,
    Images,
    ImageSet,
    Reviews,
    ReviewSet,
    Sequences,
    SequenceSet,
    Series,
    SeriesSet,
    Text,
    TextSet,
)

__all__ = [
    "ClassificationSet",
    "DataSet",
    "ImageSet",
    "Images",
    "ReviewSet",
    "Reviews",
    "SequenceSet",
    "Sequences",
    "Series",
    "SeriesSet",
    "Text",
    "TextSet",
    "discover",
    "find",
    "load",
    "load_reviews",
    "load_sequences",
    "load_series",
    "load_text",
    "names",
    "of_kind",
    "register",
]

T = TypeVar("T", bound=DataSet)

_registry: dict[str, DataSet] = {}


def register(data_set: DataSet) -> None:
    """Adds a data set to the choices of the commands and configurations.

    Raises:
        ValueError: if another data set has the same name.
    """
    if _registry.setdefault(data_set.name, data_set) is not data_set:
        raise ValueError(f"there are two data sets called {data_set.name!r}")


def discover() -> None:
    """Registers the `DATA_SET` of each module in this package, except private modules.

    Raises:
        TypeError: if a module has none.
    """
    for found in pkgutil.iter_modules(__path__):
        if found.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        data_set = getattr(module, "DATA_SET", None)
        if not isinstance(data_set, DataSet):
            raise TypeError(f"{module.__file__} must have a variable DATA_SET, a data set")
        register(data_set)


def of_kind(kind: type[T]) -> dict[str, T]:
    """The data sets of a kind, such as `ImageSet`, by name and in alphabetical order.

    `ClassificationSet` stands for images and sequences together.
    """
    found = {name: each for name, each in _registry.items() if isinstance(each, kind)}
    return dict(sorted(found.items()))


def names(kind: type[DataSet]) -> list[str]:
    """The names of the data sets of a kind, in alphabetical order."""
    return list(of_kind(kind))


def find(name: str, kind: type[T]) -> T:
    """The data set `name` of a kind.

    Raises:
        SystemExit: if there is none, with the allowed names.
    """
    found = of_kind(kind)
    if name not in found:
        raise SystemExit(f"There is no such data set: {name!r}; allowed: {', '.join(found)}.")
    return found[name]


def load(name: str) -> Images:
    """The images of the data set `name`.

    Raises:
        SystemExit: if the data are not available, with the places that were tried.
    """
    return find(name, ImageSet).load()


def load_sequences(name: str) -> Sequences:
    """The data set `name`, images or sequences, as sequences.

    Raises:
        SystemExit: if the data are not available, with the places that were tried.
    """
    return find(name, ClassificationSet).load_sequences()


def load_series(name: str) -> Series:
    """The signal `name`.

    Raises:
        SystemExit: if the data are not available, with what to install.
    """
    return find(name, SeriesSet).load()


def load_text(name: str) -> Text:
    """The text `name`: a data set, or else the path of a file in UTF-8.

    Raises:
        SystemExit: if the text is not available, with the places that were tried.
    """
    texts = of_kind(TextSet)
    path = texts[name].find() if name in texts else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SystemExit(
            f"The text {name!r} could not be read: {error}\n"
            f"--data takes the path of a text in UTF-8, or {', '.join(texts)}."
        ) from error
    border = len(text) * 9 // 10
    return Text(text[:border], text[border:], str(path))


def load_reviews(name: str, length: int, vocabulary: int) -> Reviews:
    """The first `length` words of each review, as indices from 0 to `vocabulary - 1`.

    Raises:
        SystemExit: if the data are not available, with the places that were tried.
    """
    return find(name, ReviewSet).load(length, vocabulary)


discover()
