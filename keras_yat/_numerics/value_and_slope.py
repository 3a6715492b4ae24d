"""Functions of a single number with their slopes, for hand-written backward passes."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import tanh
from keras_yat._types import Tensor


class ValueAndSlope(NamedTuple):
    """A function that works entry by entry, in the precision of its input.

    Attributes:
        value: Maps x to f(x).
        with_slope: Maps x to f(x) and f'(x).
    """

    value: Callable[..., Tensor]
    with_slope: Callable[..., tuple[Tensor, Tensor]]

    def bind(self, **constants: Any) -> "ValueAndSlope":
        """The function with values for its keyword arguments."""
        return ValueAndSlope(*(functools.partial(f, **constants) for f in self))

    def function(self, derived_on_torch: bool = False) -> Callable[..., Tensor]:
        """The function in float32 or wider, with its slope as the gradient.

        `derived_on_torch`: as for `with_derivatives`.
        """

        def derivatives(x, **constants):
            return self.with_slope(x, **constants)[1:]

        return with_derivatives(derivatives, derived_on_torch)(self.value)


def _linear(x):
    return x, ops.ones_like(x)


def _tanh(x):
    value = tanh(x)
    return value, 1.0 - value * value


def _sigmoid(x):
    value = ops.sigmoid(x)
    return value, value * (1.0 - value)


def _relu(x):
    value = ops.relu(x)
    return value, ops.sign(value)


_LINEAR = ValueAndSlope(lambda x: x, _linear)

OF_KERAS: dict[Any, ValueAndSlope] = {
    None: _LINEAR,
    keras.activations.linear: _LINEAR,
    keras.activations.tanh: ValueAndSlope(tanh, _tanh),
    keras.activations.sigmoid: ValueAndSlope(ops.sigmoid, _sigmoid),
    keras.activations.relu: ValueAndSlope(ops.relu, _relu),
}
"""The functions of Keras that recurrent layers usually have."""
