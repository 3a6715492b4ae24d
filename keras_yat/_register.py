"""`@register`: Keras serialization under "keras_yat", the tables of names, and marks on weights."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import keras

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The pure functions, by name."""

LAYERS: dict[str, type[keras.layers.Layer]] = {}
"""The layers of those that are activations, by the same names."""

T = TypeVar("T", bound=Callable[..., Any])


def register(name: str | None = None) -> Callable[[T], T]:
    """Lets Keras save and load the class or function without `custom_objects`.

    A function with a `name` works in a functional model too. A layer with a
    `name` is an activation that `keras_yat.activations.get` finds by it.
    """

    def decorate(item: T) -> T:
        decorated: Any = item
        if name is not None and isinstance(item, type):
            LAYERS[name] = item
        elif name is not None:
            decorated = FUNCTIONS[name] = _symbolic(item, name)
        return keras.saving.register_keras_serializable("keras_yat")(decorated)

    return decorate


def _symbolic(function, name):
    """`function`, which on symbolic tensors becomes one operation of the model."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if any(keras.utils.is_keras_tensor(a) for a in keras.tree.flatten((args, kwargs))):
            return FunctionCall(name)(*args, **kwargs)
        return function(*args, **kwargs)

    return wrapper


@register()
class FunctionCall(keras.Operation):
    """A call of a function of this package as a node of a functional model.

    Args:
        function: Its name in `FUNCTIONS`.
    """

    def __init__(self, function: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.function = function

    def call(self, *args, **kwargs):
        return FUNCTIONS[self.function](*args, **kwargs)


def record(weight: Any) -> Any:
    """Marks a weight as one of the few that `keras_yat.callbacks` keeps track of."""
    weight.recorded_by_keras_yat = True
    return weight


def is_recorded(weight: Any) -> bool:
    """Whether a weight was marked by `record`."""
    return getattr(weight, "recorded_by_keras_yat", False)
