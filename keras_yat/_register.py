"""`@register`, for serialization and tables of names; and marks on weights for callbacks."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from keras_yat import _validate
from keras_yat._backend import is_tracing
from keras_yat._keras_compat import Operation

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The pure functions, by name."""

LAYERS: dict[str, type[keras.layers.Layer]] = {}
"""The layers of the activations, by the names of their functions."""

T = TypeVar("T", bound=Callable[..., Any])


def register(name: str | None = None) -> Callable[[T], T]:
    """Registers a class or function with Keras, so that files load without `custom_objects`.

    A function with a `name` also accepts the symbolic tensors of a functional model. A layer with
    a `name` is an activation for `keras_yat.activations.get`.
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
    """`function`; with symbolic tensors it becomes an operation of the model."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if not is_tracing() and _has_symbolic((args, kwargs)):
            return FunctionCall(name)(*args, **kwargs)
        return function(*args, **kwargs)

    return wrapper


def _has_symbolic(arguments):
    return any(keras.utils.is_keras_tensor(a) for a in keras.tree.flatten(arguments))


@register()
class FunctionCall(Operation):
    """A call of a function of this package, as an operation of a functional model.

    A function that is called with symbolic tensors creates it.

    Args:
        function: The name of the function, such as `"mila"` or `"yat_product"`.
        **kwargs: `name` of `keras.Operation`.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras_yat.activations.mila(inputs, beta=0.5))

    Reference:
        This package.
    """

    def __init__(self, function: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function: str = _validate.one_of("function", function, FUNCTIONS)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return FUNCTIONS[self.function](*args, **kwargs)


def record(weight: Any) -> Any:
    """Marks a weight for the callbacks of `keras_yat.callbacks`, with its path as its name."""
    # The path may change: see `keep_apart`.
    weight.recorded_by_keras_yat = weight.path
    return weight


def recorded_name(weight: Any) -> str | None:
    """The name of a weight that was marked by `record`, or None for any other."""
    return getattr(weight, "recorded_by_keras_yat", None)
