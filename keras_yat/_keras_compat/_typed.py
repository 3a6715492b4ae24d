"""Classes of Keras as typed bases.

Keras ships no types. A type checker that does not read its source gets `Typed` as a base instead,
and one that does gets both; otherwise the type of every subclass would be unknown.
"""

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:

    class Typed:
        """A class of Keras."""

    assert issubclass(keras.layers.Layer, Typed)
    assert issubclass(keras.Model, Typed)
    assert issubclass(keras.Operation, Typed)
    assert issubclass(keras.initializers.RandomNormal, Typed)
    assert issubclass(keras.constraints.Constraint, Typed)
    assert issubclass(keras.callbacks.Callback, Typed)


class Operation(keras.Operation):
    """Abstract: `keras.Operation`, typed."""


class Layer(keras.layers.Layer):
    """Abstract: `keras.layers.Layer`, typed."""


class Model(keras.Model):
    """Abstract: `keras.Model`, typed."""


class RandomNormal(keras.initializers.RandomNormal):
    """Abstract: `keras.initializers.RandomNormal`, typed."""


class Constraint(keras.constraints.Constraint):
    """Abstract: `keras.constraints.Constraint`, typed."""


class Callback(keras.callbacks.Callback):
    """Abstract: `keras.callbacks.Callback`, typed."""
