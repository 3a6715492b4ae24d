"""`@register`: Keras serialization under "keras_yat", and the tables of names."""

from collections.abc import Callable
from typing import Any, TypeVar

import keras

PACKAGE = "keras_yat"

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The activations as pure functions, by name."""

LAYERS: dict[str, type[keras.layers.Layer]] = {}
"""The layers of these activations, by the same names."""

T = TypeVar("T", bound=Callable[..., Any])


def register(name: str | None = None) -> Callable[[T], T]:
    """Lets Keras save and load the class or function without `custom_objects`.

    With a `name` it is also an activation that `keras_yat.activations.get`
    finds by that name.
    """

    def decorate(item: T) -> T:
        if name is not None:
            table: dict[str, Any] = LAYERS if isinstance(item, type) else FUNCTIONS
            table[name] = item
        return keras.saving.register_keras_serializable(PACKAGE)(item)

    return decorate
