"""Elementary functions, where `keras.ops` alone is inaccurate or slow.

On JAX `ops.sin`, `ops.cos` and `ops.tanh` reduce float64 to float32, and XLA's float32 sine and
`expm1` on a CPU take several times as long as an exponential.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_yat._backend import is_compiling, is_tracing

# pi/2 in three parts, for float64 or not. The first two have few enough bits for their products
# with the number of quarter turns to be exact up to |x| of about 1e5.
_QUARTER = {
    False: (1.5703125, 4.837512969970703e-4, 7.549789954891882e-8),
    True: (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
}

# Terms of the Taylor series that reach the last bit on [-pi/4, pi/4].
_TERMS = {False: 5, True: 9}


def is_double(x) -> bool:
    return keras.backend.standardize_dtype(x.dtype) == "float64"


def tiny(x) -> float:
    """The smallest normal number of float64 for float64, else of float32."""
    return float(np.finfo("float64" if is_double(x) else "float32").tiny)


def number_like(number, x):
    """`number` in the dtype of `x`: on torch `keras.ops` would round a Python number to float32."""
    return ops.convert_to_tensor(number, dtype=x.dtype) if isinstance(number, float) else number


def sin(x):
    """The sine. An `x` that has overflowed counts as the largest number, NaN stays."""
    x = finite(x)
    if keras.backend.backend() != "jax":
        return ops.sin(x)
    return _sine(x, quarters=0)


def cos(x):
    """The cosine, as `sin`."""
    x = finite(x)
    if keras.backend.backend() != "jax":
        return ops.cos(x)
    return _sine(x, quarters=1)


def finite(x):
    most = float(np.finfo(keras.backend.standardize_dtype(x.dtype)).max)
    return ops.clip(x, -most, most)


def tanh(x):
    if is_compiling() and not is_double(x):
        # Half of the time of torch's. Near 0 the series has the digits that 1 takes.
        near = ops.abs(x) < 0.5
        y = ops.where(near, x, ops.zeros_like(x))
        return ops.where(near, y * _horner(_TANH, y * y), 2.0 * ops.sigmoid(2.0 * x) - 1.0)
    if keras.backend.backend() != "jax" or not is_double(x):
        return ops.tanh(x)
    # Beyond 20 the result is 1 to the last bit of a double.
    e = ops.expm1(2.0 * ops.clip(x, -20.0, 20.0))
    return e / (e + 2.0)


def expm1(x):
    """e^x - 1 for x ≤ 0."""
    if is_compiling() and not is_double(x):
        # torch's compiler takes e^x - 1 everywhere.
        return ops.where(x > -0.1, _near_expm1(x * is_positive(x + 0.1)), ops.exp(x) - 1.0)
    if is_tracing():
        # ONNX has no expm1.
        half = ops.tanh(0.5 * x)
        return 2.0 * half / (1.0 - half)
    if keras.backend.backend() != "jax" or is_double(x):
        return ops.expm1(x)
    # XLA evaluates a tanh for it. Far from 0 the series is not used, but its derivative must be
    # finite.
    return ops.where(x > -0.1, _near_expm1(ops.maximum(x, -1.0)), ops.exp(x) - 1.0)


def _near_expm1(x):
    """e^x - 1 near 0, with the digits that 1 takes from e^x."""
    return x * _horner(_EXPM1, x)


def _horner(coefficients, x):
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = coefficient + x * total
    return total


# Coefficients of the series of e^x - 1 and of tanh, divided by x.
_EXPM1 = (1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120)
_TANH = (
    *(1.0, -1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925, 21844 / 6081075),
    *(-929569 / 638512875, 6404582 / 10854718875),
)


def largest(x, axis):
    """The largest of entries ≥ 0 along `axis`, which stays with size 1; of none it is 0."""
    if is_tracing():
        # Keras's `max` asks for types that torch cannot trace.
        return ops.amax(x, axis=axis, keepdims=True)
    return ops.max(x, axis=axis, keepdims=True, initial=0.0)


def tanh_softplus(x):
    """tanh(softplus(x)), and a function that returns its slope."""
    # With e = e^x and n = e(e + 2) it is n / (n + 2).
    if is_compiling():
        # Without a selection: as e = u / v neither u nor v overflows.
        negative, positive = negative_and_positive(x)
        u, v = ops.exp(negative), ops.exp(-positive)
        n, square = u * (u + 2.0 * v), v * v
        scale = 1.0 / (n + 2.0 * square)
        return n * scale, lambda: 4.0 * (u * scale) * ((u + v) * scale) * square
    if keras.backend.backend() != "jax":
        gate = ops.tanh(ops.softplus(x))
        return gate, lambda: (1.0 - gate * gate) * ops.sigmoid(x)
    # One exponential. Past 20 the result is 1 to the last bit of a double, and e² would overflow.
    # The slope is 0 there: its factor may be large.
    e = ops.exp(ops.clip(x, -1e5, 20.0))
    n = e * (e + 2.0)
    scale = 1.0 / (n + 2.0)
    near = x < 20.0
    gate = ops.where(near, n * scale, ops.ones_like(x))
    return gate, lambda: ops.cast(near, x.dtype) * (4.0 * (e * scale) * ((e + 1.0) * scale))


def is_positive(x):
    """1 where `x` is above 0, else 0, in its dtype."""
    return ops.sign(ops.relu(x))


def negative_and_positive(x):
    """The parts of `x` below 0 and above it, each 0 where the other is not.

    Both are finite where `x` is infinite. At x = 0 the first has the slope 1, the second 0.
    NaN is in the first.
    """
    x = ops.clip(x, -_LARGEST, _LARGEST)
    if keras.backend.backend() == "torch":
        # Its `where` costs as much as ten products on a CPU.
        positive = ops.relu(x)
        return x - positive, positive
    zero = ops.zeros_like(x)
    return ops.where(x > 0, zero, x), ops.where(x > 0, x, zero)


_LARGEST = float(np.finfo("float32").max)


def _sine(x, quarters):
    """sin(x + quarters·pi/2): Cody-Waite reduction, then Taylor series.

    The error is at most 4 units in the last place of 1 up to |x| of about 1e5. Far beyond, the
    reduction loses digits; the result stays in [-1, 1].
    """
    double = is_double(x)
    turns = ops.round(x * (2.0 / math.pi))
    rest = x
    for part in _QUARTER[double]:
        rest = rest - turns * part
    rest = ops.clip(rest, -0.8, 0.8)
    square = rest * rest
    sine = rest * _series(square, first=1, terms=_TERMS[double])
    cosine = _series(square, first=0, terms=_TERMS[double] + 1)
    turns = turns + float(quarters)
    half_turns = ops.floor(0.5 * turns)
    odd = turns - 2.0 * half_turns
    sign = 1.0 - 2.0 * (half_turns - 2.0 * ops.floor(0.5 * half_turns))
    return sign * ops.where(odd > 0.5, cosine, sine)


def _series(square, first, terms):
    """Σ (-square)^i / (first + 2i)!."""
    return _horner([1 / math.factorial(first + 2 * i) for i in range(terms)], -square)
