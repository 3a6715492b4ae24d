"""Functions of one number with their slopes, for gradients that are written out."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_yat._math import tanh


class Curve(NamedTuple):
    """A function that works entry by entry, in the precision of its input.

    Attributes:
        value: From x to f(x).
        with_slope: From x to f(x) and f'(x).
    """

    value: Callable[[Any], Any]
    with_slope: Callable[[Any], tuple[Any, Any]]


def _linear(x):
    return x, ops.ones_like(x)


def _tanh(x):
    value = tanh(x)
    return value, 1.0 - ops.square(value)


def _sigmoid(x):
    value = ops.sigmoid(x)
    return value, value * (1.0 - value)


def _relu(x):
    value = ops.relu(x)
    return value, ops.sign(value)


_LINEAR = Curve(lambda x: x, _linear)

OF_KERAS: dict[Any, Curve] = {
    None: _LINEAR,
    keras.activations.linear: _LINEAR,
    keras.activations.tanh: Curve(tanh, _tanh),
    keras.activations.sigmoid: Curve(ops.sigmoid, _sigmoid),
    keras.activations.relu: Curve(ops.relu, _relu),
}
"""Those of Keras's functions that recurrent layers have as a rule."""
