"""Shared gradient of CosLU and SinLU."""

from __future__ import annotations

from keras import ops

from keras_yat._types import Tensor


def gated_wave_gradient(
    upstream: Tensor, x: Tensor, alpha: Tensor, beta: Tensor, wave: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient of `(x + alpha·wave(beta·x))·sigmoid(x)` from the wave and its slope at beta·x."""
    gate = ops.sigmoid(x)
    outer = upstream * gate
    by_gate = outer * (x + alpha * wave)
    by_phase = alpha * (outer * slope)
    return outer + (by_gate - by_gate * gate) + beta * by_phase, outer * wave, x * by_phase
