"""Rotary positions: pairs of entries turned by angles that grow with the position."""

from typing import Any

import numpy as np
from keras import ops

from keras_yat._formula import wide
from keras_yat._math import cos, sin


def rotated(x: Any, start: Any, max_wavelength: float) -> Any:
    """`x`, of shape `(batch, length, heads, size)`, whose first position is `start`.

    Entry m and entry m + size/2 are a pair, turned by `position·max_wavelength^(-2m/size)`.
    Norms stay, and so do inner products and distances under a shift of all positions.
    """
    dtype, half = wide(x), x.shape[-1] // 2
    speeds = ops.convert_to_tensor(max_wavelength ** (-np.arange(half) / half), dtype=dtype)
    positions = ops.cast(ops.arange(ops.shape(x)[1]) + start, dtype)
    angles = ops.reshape(positions, (1, -1, 1, 1)) * speeds
    first, second = ops.split(ops.cast(x, dtype), 2, axis=-1)
    across, along = sin(angles), cos(angles)
    turned = [first * along - second * across, second * along + first * across]
    return ops.cast(ops.concatenate(turned, axis=-1), x.dtype)
