"""Rotary positions as a pure function."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._formula import wide
from keras_yat._gradient import as_tensor
from keras_yat._math import cos, sin
from keras_yat._register import register
from keras_yat.ops._masks import position


@register("rotary_embedding")
def rotary_embedding(x: Any, start_index: Any = 0, max_wavelength: float = 10_000.0) -> Any:
    """Turns pairs of entries by angles that grow with the position.

    Entry m and entry m + size/2 are a pair, turned by `position·max_wavelength^(-2m/size)`:
    `(x₁·cos - x₂·sin, x₂·cos + x₁·sin)`. Norms stay as they are; inner products and
    distances of a query and a key so turned depend on how far apart they are, and not
    on where. Angles are computed in float32 or wider.

    Args:
        x: Tensor of shape `(batch, length, heads, size)`, of an even size: queries or
            keys.
        start_index: The position of the first entry along `length`: an int or a scalar
            tensor.
        max_wavelength: Number above 0: the slowest pair turns once in about 2π times as
            many positions.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: if `x` has another number of axes or an odd size, the wavelength
            is not above 0, or `start_index` is no int.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2, 8)).astype("float32")
    >>> keras_yat.ops.rotary_embedding(x).shape == (1, 5, 2, 8)
    True

    Reference:
        J. Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding,
        2021, with the halves of a head as pairs, as Llama and KerasHub have them.
    """
    x = as_tensor(x)
    if len(x.shape) != 4 or x.shape[-1] is None or x.shape[-1] % 2:
        allowed = "have four axes, batch, length, heads and an even size"
        _validate.refuse("x", allowed, tuple(x.shape))
    max_wavelength = _validate.number("max_wavelength", max_wavelength, above=0.0)
    start_index = position("start_index", start_index)
    dtype, half = wide(x), x.shape[-1] // 2
    speeds = np.exp(-math.log(max_wavelength) * np.arange(half) / max(half, 1))
    positions = ops.cast(ops.arange(ops.shape(x)[1]) + start_index, dtype)
    angles = ops.reshape(positions, (1, -1, 1, 1)) * ops.convert_to_tensor(speeds, dtype=dtype)
    first, second = ops.split(ops.cast(x, dtype), 2, axis=-1)
    across, along = sin(angles), cos(angles)
    turned = [first * along - second * across, second * along + first * across]
    return ops.cast(ops.concatenate(turned, axis=-1), keras.backend.standardize_dtype(x.dtype))
