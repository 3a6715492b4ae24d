"""The dense Yat layer."""

from typing import Any

import keras

from keras_yat import _validate
from keras_yat._register import register
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._kernel import KernelLayer
from keras_yat.ops import _product as yat_ops


@register()
@documented
class YatDense(KernelLayer):
    """Dense layer of Yat neurons: `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)`.

    In the place of `keras.layers.Dense` with an activation: it needs none. Outputs
    are never negative (for alpha ≥ 0). With the default starting values the rms
    of the signal stays near 1 in any number of layers, from a width of about 16.

    Args:
        units: Number of neurons, an int of at least 1.
        <kernel arguments>
        <yat arguments>

    Input shape:
        `(batch, …, input_dim)`, of rank 2 or more.

    Output shape:
        `(batch, …, units)`.

    Raises:
        ValueError: if an argument is out of range, or the last axis of the input
            has no known size.

    Example:

    >>> digits = np.random.default_rng(0).random((32, 64))
    >>> layer = keras_yat.YatDense(10)
    >>> layer(digits).shape == (32, 10)
    True
    >>> [w.path.split("/")[-1] for w in layer.weights]
    ['kernel', 'bias', 'alpha']

    Reference:
        The neuron of the Yat networks. Starting values and the floor of the
        distance are this package's: see `keras_yat.initializers` and `keras_yat.ops`.
    """

    def __init__(self, units: int, *args: Any, **kwargs: Any):
        self.units = _validate.count("units", units)
        super().__init__(self.units, *args, **kwargs)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def kernel_shape(self, input_shape):
        entries = input_shape[-1]
        if entries is None:
            _validate.refuse("input_shape", "have a last axis of known size", tuple(input_shape))
        return (entries, self.units)

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def correlation(self):
        return yat_ops.DENSE

    def from_columns(self, columns):
        return columns

    def get_config(self):
        return {**super().get_config(), "units": self.units}
