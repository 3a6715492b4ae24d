"""Activations of a model, whatever their form: functions, layers, names of either."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_yat._register import FUNCTIONS, LAYERS, FunctionCall
from keras_yat.activations._base import Activation, TrainableActivation
from keras_yat.activations._lookup import KERAS_LAYERS

LAYER_CLASSES = (Activation, *KERAS_LAYERS)
"""The classes of layers that are activations."""

GATES = frozenset(
    ("sigmoid", "hard_sigmoid", "softer_sigmoid", "softmax", "log_softmax", "softermax")
)
"""Activations that are used as gates or distributions."""

_NAMES = {cls: name for name, cls in LAYERS.items()}


class Found(NamedTuple):
    """An activation of a model.

    Attributes:
        names: By which a rule may name it; the first is shown.
        function: Maps a tensor of any shape to its outputs, or None if its weights have shapes.
        layer: The layer, or None for a function.
    """

    names: tuple[str, ...]
    function: Callable[..., Any] | None
    layer: keras.layers.Layer | None = None

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def is_gate(self) -> bool:
        return not GATES.isdisjoint(self.names)


def found(activation: Any) -> Found:
    """What a function or layer is, by the identity of `keras.activations.get`."""
    if not isinstance(activation, keras.layers.Layer):
        return Found(function_names(activation), activation)
    if type(activation) is keras.layers.Activation:
        return found(activation.activation)._replace(layer=activation)
    if isinstance(activation, TrainableActivation):
        plain = activation.axis is None
    else:
        plain = activation.built and not activation.weights
    return Found((_layer_name(activation),), activation if plain else None, activation)


def found_operation(operation: keras.Operation) -> Found | None:
    """What an operation of a functional model is, such as that of `keras.ops.relu`, or None."""
    if isinstance(operation, FunctionCall):
        return Found((operation.function,), operation)
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(operation).__name__)
    name = known_name(words.lower())
    if name is None:
        return None
    plain = operation.get_config().keys() <= {"name"}
    return Found((name,), keras.activations.get(name) if plain else operation)


def function_names(function: Any) -> tuple[str, ...]:
    """The names of a function: with and without the package that registered it.

    Without it only where no activation of Keras or of this package has that name.
    """
    bare = getattr(function, "__name__", None)
    if bare is None:
        return (type(function).__name__,)
    if name_of(function) is not None or FUNCTIONS.get(bare) is function:
        return (bare,)
    registered = keras.saving.get_registered_name(function)
    if bare in LAYERS or hasattr(keras.activations, bare):
        return (f"{function.__module__}.{bare}",) if registered == bare else (registered,)
    return (bare,) if registered == bare else (registered, bare)


def _layer_name(layer):
    if isinstance(layer, keras.layers.ReLU):
        slope, top = float(layer.negative_slope), layer.max_value
        if layer.threshold or (slope and top is not None):
            return "ReLU"
        if top is None:
            return "leaky_relu" if slope else "relu"
        return "relu6" if float(top) == 6.0 else f"ReLU(max_value={float(top):g})"
    for cls, name in _OF_KERAS.items():
        if isinstance(layer, cls):
            return name
    return _NAMES.get(type(layer), type(layer).__name__)


_OF_KERAS = {
    keras.layers.LeakyReLU: "leaky_relu",
    keras.layers.ELU: "elu",
    keras.layers.PReLU: "prelu",
    keras.layers.Softmax: "softmax",
}


def is_custom(function: Any) -> bool:
    """Whether a function is neither Keras's nor registered with it."""
    if isinstance(function, keras.layers.Layer) or name_of(function) is not None:
        return False
    name = getattr(function, "__name__", None)
    return name is None or keras.saving.get_registered_name(function) == name


def name_of(function: Callable[..., Any]) -> str | None:
    """The name by which Keras knows a function, or None."""
    name = getattr(function, "__name__", "")
    try:
        return name if keras.activations.get(name) is function else None
    except ValueError:
        return None


def names_of_keras() -> set[str]:
    """The names of Keras's activations."""
    every = vars(keras.activations)
    return {name for name in every if name[0] != "_" and callable(every[name])}


def known_name(name: str) -> str | None:
    """The name of an activation of Keras or of this package: `"silu"` for `"swish"`."""
    if name in LAYERS or name in _OF_KERAS.values():
        return name
    try:
        return found(keras.activations.get(name)).name
    except ValueError:
        return None
