"""Rotary position embedding as a pure function."""

from __future__ import annotations

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.attention_masks import position
from keras_yat._numerics.gradients import as_tensor, at_least_float32
from keras_yat._numerics.math import cos, sin
from keras_yat._register import register
from keras_yat._sizes import positions
from keras_yat._types import Tensor


@register("rotary_embedding")
def rotary_embedding(
    x: Tensor, start_index: int | Tensor = 0, max_wavelength: float = 10_000.0
) -> Tensor:
    """Rotates pairs of entries by angles that grow with the position.

    Entries m and m + size/2 are a pair, rotated by `position·max_wavelength^(-2m/size)`:
    `(x₁·cos - x₂·sin, x₂·cos + x₁·sin)`. Norms do not change. Inner products and distances of a
    rotated query and a rotated key depend on their relative position alone. Angles are computed
    in float32 or wider.

    Args:
        x: Queries or keys, a tensor of shape `(batch, length, heads, size)` with an even size.
        start_index: Position of the first entry along `length`, an int or a scalar tensor.
        max_wavelength: Number above 0: the slowest pair has a period of about 2π times this
            number of positions.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If `x` has another number of axes or an odd size, `max_wavelength` is not
            above 0, or `start_index` is not an int.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2, 8)).astype("float32")
    >>> keras_yat.ops.rotary_embedding(x).shape == (1, 5, 2, 8)
    True

    Reference:
        J. Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding,
        2021. Pairs are formed from the halves of a head, as in Llama and KerasHub.
    """
    x = as_tensor(x)
    if len(x.shape) != 4 or x.shape[-1] is None or x.shape[-1] % 2:
        allowed = "have four axes, batch, length, heads and an even size"
        _validate.invalid_argument("x", allowed, tuple(x.shape))
    max_wavelength = _validate.number("max_wavelength", max_wavelength, above=0.0)
    start_index = position("start_index", start_index)
    dtype, half = at_least_float32(x), x.shape[-1] // 2
    speeds = [max_wavelength ** (-i / half) for i in range(half)]
    places = ops.cast(positions(ops.shape(x)[1]) + start_index, dtype)
    angles = ops.reshape(places, (1, -1, 1, 1)) * ops.convert_to_tensor(speeds, dtype=dtype)
    first, second = ops.split(ops.cast(x, dtype), 2, axis=-1)
    across, along = sin(angles), cos(angles)
    turned = [first * along - second * across, second * along + first * across]
    return ops.cast(ops.concatenate(turned, axis=-1), keras.backend.standardize_dtype(x.dtype))
