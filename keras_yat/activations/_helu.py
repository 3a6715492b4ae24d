"""HELU: DELU without a parameter, for comparison (E. Pishchik, 2023)."""

from __future__ import annotations

from typing import Unpack

from keras import ops

from keras_yat._register import register
from keras_yat._types import LayerOptions, Tensor
from keras_yat.activations._base import Activation
from keras_yat.activations._delu import delu


@register("helu")
def helu(x: Tensor) -> Tensor:
    """HELU: DELU with n = 0, `silu(x)` for x ≤ 0, `0.5·x + |exp(-x) - 1|` for x > 0.

    Args:
        x: A tensor of any shape.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.helu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    return delu(x, 0.0)


@register("helu")
class HELU(Activation):
    """HELU: DELU with n = 0, and no parameter.

    The constant baseline of DELU: the difference between the two is the gain of training `n`.

    Differs from the authors' code as DELU does: no NaN for large negative x.

    Args:
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        Same as the input.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.HELU())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(helu(inputs), self.compute_dtype)
