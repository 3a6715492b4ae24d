"""Layers of a model, and its configuration."""

import contextlib
import itertools
from typing import Any

import keras


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer and all layers in it, each once."""
    return layer._flatten_layers()


def is_functional(model: Any) -> bool:
    """Whether a model is a graph of layers: functional, or of a class that builds such a graph."""
    return any(base.__name__ == "Functional" for base in type(model).__mro__)


def overrides_call(model: Any) -> bool:
    """Whether the class of a graph of layers has another `call`."""
    own = itertools.takewhile(lambda base: base.__name__ not in _GRAPHS, type(model).__mro__)
    return any("call" in vars(base) for base in own)


_GRAPHS = ("Functional", "Sequential")


def sharing() -> contextlib.AbstractContextManager[Any]:
    """A scope in which layers that occur twice are serialized, and deserialized, as one."""
    # As for `.keras` files. It has no public name.
    return keras.saving.serialize_keras_object.__globals__["ObjectSharingScope"]()
