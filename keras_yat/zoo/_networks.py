"""The files of the trained networks and their cards."""

import json
from importlib import resources
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_yat import _validate

_FOLDER = resources.files("keras_yat.zoo")


def names() -> list[str]:
    """The names of the trained networks, in alphabetical order.

    Example:

    >>> keras_yat.zoo.names()
    ['cifar10', 'digits', 'fashion_mnist', 'mnist', 'tinyshakespeare']
    """
    files = [file.name for file in _FOLDER.iterdir()]
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))


def load(name: str) -> keras.Model:
    """Loads a trained network.

    Its input are the numbers of the data set as they are, with the scaling inside: bytes from 0 to
    255 of shape `(batch, height, width)` or `(batch, height, width, channels)` from
    `keras.datasets`, counts from 0 to 16 of shape `(batch, 8, 8)` from scikit-learn, or indices of
    characters of shape `(batch, length)` from `encode`. Its output are logits: apply a softmax for
    probabilities. Needs neither the data nor a connection.

    Args:
        name: One of `keras_yat.zoo.names()`.

    Returns:
        The model, not compiled. All weights are trainable, as before the training.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> from sklearn.datasets import load_digits
    >>> model = keras_yat.zoo.load("digits")
    >>> logits = model.predict(load_digits().images[:5], verbose=0)
    >>> logits.argmax(axis=-1).tolist()
    [0, 1, 2, 3, 4]

    Reference:
        This package; `card(name)` has the data and the command.
    """
    file = _FOLDER / f"{_validate.one_of('name', name, names())}.keras"
    with resources.as_file(file) as path:
        model: keras.Model = keras.saving.load_model(path, compile=False)
    return model


def card(name: str) -> dict[str, Any]:
    """What a trained network is and how it was made.

    Args:
        name: One of `keras_yat.zoo.names()`.

    Returns:
        A dict that JSON can hold: among others `"title"`, `"input"`, `"output"`, `"classes"` or
        `"vocabulary"`, `"parameters"`, `"test"` (the results of the file on the test data),
        `"command"`, `"seed"`, `"data"` (with source and license), `"versions"`, `"bytes"` and
        `"sha256"` of the file.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> keras_yat.zoo.card("mnist")["test"]["examples"]
    10000

    Reference:
        This package.
    """
    file = _FOLDER / f"{_validate.one_of('name', name, names())}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def encode(name: str, text: str) -> npt.NDArray[np.int32]:
    """The indices of characters, the input of a network of characters.

    Args:
        name: A network whose card has a `"vocabulary"`.
        text: The text.

    Returns:
        An int32 array of shape `(len(text),)`.

    Raises:
        ValueError: If the network reads no text, or the text has a character that is not in its
            vocabulary.

    Example:

    >>> keras_yat.zoo.encode("tinyshakespeare", "To be").tolist()
    [32, 53, 1, 40, 43]

    Reference:
        This package.
    """
    vocabulary = _vocabulary(name)
    unknown = sorted(set(text) - set(vocabulary))
    if unknown:
        _validate.invalid_argument(
            "text", f"have only characters of {vocabulary!r}", "".join(unknown)
        )
    return np.array([vocabulary.index(character) for character in text], "int32")


def decode(name: str, indices: npt.ArrayLike) -> str:
    """The text of indices: the inverse of `encode`.

    Args:
        name: A network whose card has a `"vocabulary"`.
        indices: Integers of shape `(length,)`, from 0 to the size of the vocabulary - 1.

    Returns:
        The text.

    Raises:
        ValueError: If the network reads no text, or an index is out of range.

    Example:

    >>> model = keras_yat.zoo.load("tinyshakespeare")
    >>> indices = keras_yat.zoo.encode("tinyshakespeare", "KING HENRY")
    >>> logits = model.predict(indices[None], verbose=0)
    >>> following = keras_yat.zoo.decode("tinyshakespeare", logits[0].argmax(axis=-1))
    >>> len(following)
    10

    Reference:
        This package.
    """
    vocabulary = _vocabulary(name)
    array = np.asarray(indices)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        _validate.invalid_argument("indices", "be integers in one dimension", indices)
    if array.size and not 0 <= array.min() <= array.max() < len(vocabulary):
        _validate.invalid_argument("indices", f"be from 0 to {len(vocabulary) - 1}", indices)
    return "".join(vocabulary[i] for i in array)


def _vocabulary(name: str) -> str:
    cards = {each: card(each) for each in names()}
    readers = [each for each, found in cards.items() if "vocabulary" in found]
    found: str = cards[_validate.one_of("name", name, readers)]["vocabulary"]
    return found
