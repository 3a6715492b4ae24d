"""Activations by name."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import keras

from keras_yat import _validate
from keras_yat._register import LAYERS

KERAS_LAYERS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)
"""The layers of Keras that are activations."""


def names() -> list[str]:
    """Names of this package's activations, in alphabetical order.

    Returns:
        A list of names for `get`.

    Example:

    >>> "nami" in keras_yat.activations.names()
    True
    """
    return sorted(LAYERS)


def get(identifier: Any, argument: str = "identifier") -> Any:
    """Returns an activation by its identifier.

    Args:
        identifier: A name of `names()`, an argument of `keras.activations.get` (a name of Keras,
            a callable, a serialized layer or function), or None for the identity.
        argument: Name of the argument in an error message.

    Returns:
        For a name of this package a new layer with its starting values; else a callable.

    Raises:
        ValueError: If the name is unknown (the error suggests similar names), or `identifier` is
            a class instead of an instance.

    Example:

    >>> layer = keras_yat.activations.get("nami")
    >>> float(layer.b.numpy())
    1.5
    """
    if inspect.isclass(identifier):
        _validate.invalid_argument(
            argument,
            f"be an instance or a name: {identifier.__name__}(), not the class",
            identifier,
        )
    if isinstance(identifier, str) and identifier in LAYERS:
        return LAYERS[identifier]()
    try:
        return keras.activations.get(identifier)
    except (TypeError, ValueError):
        _validate.invalid_argument(argument, _suggestion(str(identifier)), identifier)


def _suggestion(name: str) -> str:
    every = {n.replace("_", ""): n for n in (*_keras_names(), *names())}
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    near = [every[n] for n in difflib.get_close_matches(plain, every, n=3, cutoff=0.5)]
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return f"name an activation of Keras or one of {', '.join(names())}{hint}"


def _keras_names() -> list[str]:
    """Names of the functions in `keras.activations`."""
    public = vars(keras.activations).items()
    return [n for n, f in public if inspect.isfunction(f) and n not in {"get", "serialize"}]
