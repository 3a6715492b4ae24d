"""Powers of scores, without overflow.

x^n / (1 + x^n) = s with s = sigmoid(n·ln x), and its slope is n·s·(1 - s) / x: neither overflows.
ln x is taken of x where x is positive, and of 1 elsewhere. For n = 1 the quotient is computed
directly, in half the time: an infinite x then gives NaN, as in softsign.
"""

from keras import ops

from keras_yat._numerics.math import tiny
from keras_yat._types import Tensor


def logarithm(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(ln x, x, 1) where x is positive, (0, 1, 0) where x is 0. NaN stays NaN."""
    absent = ops.cast(x < tiny(x), x.dtype)
    safe = x + absent
    return ops.log(safe), safe, 1.0 - absent


def power_of(x: Tensor, power: float) -> Tensor:
    """x^power for x ≥ 0."""
    log, _, present = logarithm(x)
    return present * ops.exp(power * log)


def gate(x: Tensor, power: float) -> Tensor:
    """x^n / (1 + x^n) for x ≥ 0."""
    if power == 1.0:
        return x / (1.0 + x)
    log, _, present = logarithm(x)
    return present * ops.sigmoid(power * log)


def gate_with_slope(x: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """x^n / (1 + x^n) for x ≥ 0, and its slope, which is 0 at x = 0 unless n is 1."""
    if power == 1.0:
        scale = 1.0 / (1.0 + x)
        return x * scale, scale * scale
    log, safe, present = logarithm(x)
    s = present * ops.sigmoid(power * log)
    return s, power * s * (1.0 - s) / safe
