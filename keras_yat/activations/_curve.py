"""Functions of one number with their slopes, for gradients that are written out."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops


class Curve(NamedTuple):
    """A function that works entry by entry, and its slope, in the precision of the input."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]


OF_KERAS: dict[Any, Curve] = {
    None: Curve(lambda x: x, ops.ones_like),
    keras.activations.linear: Curve(lambda x: x, ops.ones_like),
    keras.activations.tanh: Curve(ops.tanh, lambda x: 1.0 - ops.square(ops.tanh(x))),
    keras.activations.sigmoid: Curve(
        ops.sigmoid, lambda x: ops.sigmoid(x) * (1.0 - ops.sigmoid(x))
    ),
    keras.activations.relu: Curve(ops.relu, lambda x: ops.sign(ops.relu(x))),
}
"""Those of Keras's functions that recurrent layers have as a rule."""
