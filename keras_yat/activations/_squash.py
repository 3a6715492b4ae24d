"""Activations with a bounded range: ScaledSoftSign and the Yat squashers.

With s = sigmoid(n·ln x), x^n / (1 + x^n) = s, and its slope is n·s·(1 - s) / x:
neither overflows. ln x is taken of x where that is positive and of 1 elsewhere.
For n = 1 the quotient is computed as it stands, which takes half the time: an
infinite x gives NaN there, as softsign does, and a softermax 0 where its sum
passes 8e37.
"""

import functools
from collections.abc import Callable

from keras import ops

from keras_yat import _validate
from keras_yat._gradient import differentiable, pointwise
from keras_yat._math import tanh, tiny
from keras_yat._register import register
from keras_yat.activations._curve import Curve


def _scaled_softsign_derivatives(x, alpha, beta):
    scale = 1.0 / (beta + ops.abs(x))
    unit = x * scale
    return (alpha * beta) * (scale * scale), unit, (-alpha * scale) * unit


@register("scaled_softsign")
@pointwise(_scaled_softsign_derivatives)
def scaled_softsign(x, alpha=1.0, beta=1.0):
    """ScaledSoftSign: `alpha·x / (beta + |x|)`.

    Args:
        x: A tensor of any shape.
        alpha: The limit of the output's size: a number, or a tensor that
            broadcasts with `x`.
        beta: |x| at which half the limit is reached. There is a pole at
            |x| = -beta if it is not positive.

    Returns:
        A tensor of the shape and dtype of `x`, in (-alpha, alpha).

    Example:

    >>> keras_yat.activations.scaled_softsign([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See
        `keras_yat.layers.ScaledSoftSign`.
    """
    return alpha * (x / (beta + ops.abs(x)))


def _logarithm(x):
    """(ln x, x, 1) where x is positive, (0, 1, 0) where x is 0; NaN stays NaN."""
    absent = ops.cast(x < tiny(x), x.dtype)
    safe = x + absent
    return ops.log(safe), safe, 1.0 - absent


def _power(x, power):
    """x^power for x ≥ 0."""
    log, _, present = _logarithm(x)
    return present * ops.exp(power * log)


def _gate(x, power):
    """x^n / (1 + x^n) for x ≥ 0."""
    if power == 1.0:
        return x / (1.0 + x)
    log, _, present = _logarithm(x)
    return present * ops.sigmoid(power * log)


def _gate_with_slope(x, power):
    """x^n / (1 + x^n) for x ≥ 0, and its slope, which is 0 at x = 0 unless n is 1."""
    if power == 1.0:
        scale = 1.0 / (1.0 + x)
        return x * scale, scale * scale
    log, safe, present = _logarithm(x)
    s = present * ops.sigmoid(power * log)
    return s, power * s * (1.0 - s) / safe


def _softer_sigmoid_value(x, *, power):
    return _gate(ops.relu(x), power)


def _softer_sigmoid_with_slope(x, *, power):
    score = ops.relu(x)
    value, slope = _gate_with_slope(score, power)
    return value, slope * ops.sign(score)


@register("softer_sigmoid")
def softer_sigmoid(x, power=1):
    """softer_sigmoid: `x^n / (1 + x^n)` with n = `power`; a negative `x` counts as 0.

    Args:
        x: A tensor of any shape, of scores that are not negative.
        power: A number greater than 0: how steep the step around x = 1 is.

    Returns:
        A tensor of the shape and dtype of `x`, in [0, 1). Its gradient is 0 for
        x ≤ 0.

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.softer_sigmoid([0.0, 1.0, 3.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn). See `keras_yat.layers.SofterSigmoid`.
    """
    return _evaluated("softer_sigmoid", x, power)


def _soft_tanh_value(x, *, power):
    if power == 1.0:
        return x / (1.0 + ops.abs(x))
    return ops.sign(x) * _gate(ops.abs(x), power)


def _soft_tanh_with_slope(x, *, power):
    size, slope = _gate_with_slope(ops.abs(x), power)
    return ops.sign(x) * size, slope


@register("soft_tanh")
def soft_tanh(x, power=1):
    """soft_tanh: `sign(x)·|x|^n / (1 + |x|^n)` with n = `power`.

    Args:
        x: A tensor of any shape.
        power: A number greater than 0: how steep the steps around |x| = 1 are.

    Returns:
        A tensor of the shape and dtype of `x`, in (-1, 1). Its gradient at
        x = 0 is 1 for n = 1 and 0 otherwise, also for n < 1, where the true
        slope is infinite.

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.soft_tanh([-3.0, 0.0, 1.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn). See `keras_yat.layers.SoftTanh`.
    """
    return _evaluated("soft_tanh", x, power)


def _score_tanh_value(x, *, power):
    x = ops.relu(x)
    if power == 1.0:
        return (x - 1.0) / (x + 1.0)
    log, _, present = _logarithm(x)
    return present * tanh(0.5 * power * log) - (1.0 - present)


def _score_tanh_with_slope(x, *, power):
    _, slope = _softer_sigmoid_with_slope(x, power=power)
    return _score_tanh_value(x, power=power), 2.0 * slope


@register("score_tanh")
def score_tanh(x, power=1):
    """score_tanh: `(x^n - 1) / (x^n + 1)` with n = `power`; a negative `x` counts as 0.

    Args:
        x: A tensor of any shape, of scores that are not negative.
        power: A number greater than 0: how steep the step around x = 1 is.

    Returns:
        A tensor of the shape and dtype of `x`, in [-1, 1). Its gradient is 0
        for x ≤ 0.

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.score_tanh([0.0, 1.0, 3.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn). See `keras_yat.layers.ScoreTanh`.
    """
    return _evaluated("score_tanh", x, power)


# The value, and the value with the slope, of each squasher that works by entries.
_BY_ENTRIES: dict[str, tuple[Callable, Callable]] = {
    "softer_sigmoid": (_softer_sigmoid_value, _softer_sigmoid_with_slope),
    "soft_tanh": (_soft_tanh_value, _soft_tanh_with_slope),
    "score_tanh": (_score_tanh_value, _score_tanh_with_slope),
}


def _function(value, with_slope):
    return pointwise(lambda x, power: with_slope(x, power=power)[1:])(value)


_FUNCTIONS = {name: _function(*pair) for name, pair in _BY_ENTRIES.items()}


def _evaluated(name, x, power):
    return _FUNCTIONS[name](x, power=_validate.number("power", power, above=0))


def curve(name: str, power: float) -> Curve | None:
    """The squasher `name` with its slope; None for the one that does not work by entries."""
    if name not in _BY_ENTRIES:
        return None
    return Curve(*(functools.partial(f, power=power) for f in _BY_ENTRIES[name]))


def _softermax_parts(x, power, axis, epsilon):
    """x^n and ε + Σ x^n along `axis`, both over `unit`^n; x / unit; unit.

    The unit is the largest x, so that no power overflows. For n = 1 it is 1.
    """
    if power == 1.0:
        return x, epsilon + ops.sum(x, axis=axis, keepdims=True), x, 1.0
    # Far below the end of float32, where a reciprocal would be flushed to 0.
    x = ops.clip(x, 0.0, 1e30)
    largest = ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    log, unit, _ = _logarithm(largest)
    ratio = x / unit
    terms = _power(ratio, power)
    total = epsilon * ops.exp(-power * log) + ops.sum(terms, axis=axis, keepdims=True)
    return terms, total, ratio, unit


def softermax_with_gradient(x, power, axis, epsilon):
    """The softermax of `x`, and the function from its upstream gradient to that of `x`."""
    score = ops.relu(x)
    terms, total, ratio, unit = _softermax_parts(score, power, axis, epsilon)

    def gradient(upstream):
        scale = 1.0 / (total * unit)
        mean = ops.sum(upstream * terms, axis=axis, keepdims=True) / total
        slope = ops.sign(score) * (power * scale)
        if power != 1.0:
            _, safe, present = _logarithm(ratio)
            slope = slope * (present * (terms / safe))
        return (upstream - mean) * slope

    return terms / total, gradient


def _softermax_gradient(upstream, x, **constants):
    return (softermax_with_gradient(x, **constants)[1](upstream),)


@differentiable(_softermax_gradient)
def _softermax(x, **constants):
    return softermax_with_gradient(x, **constants)[0]


@register("softermax")
def softermax(x, power=1, axis=-1, epsilon=1e-12):
    """softermax: `x^n / (ε + Σ x_i^n)` along `axis`, with n = `power`.

    A negative `x` counts as 0.

    Args:
        x: A tensor of rank 1 or more, of scores that are not negative.
        power: A number greater than 0; the larger, the nearer to one-hot.
        axis: The axis, or a tuple of axes, along which the output sums to
            about 1 (to 0 where all of `x` is 0).
        epsilon: A number greater than 0, in the unit of x^n.

    Returns:
        A tensor of the shape and dtype of `x`, in [0, 1). Its gradient is 0 for
        x ≤ 0.

    Raises:
        ValueError: if `power` or `epsilon` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.softermax([1.0, 3.0, 0.0, -1.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn). See `keras_yat.layers.Softermax`.
    """
    return _softermax(
        x,
        power=_validate.number("power", power, above=0),
        axis=axis,
        # Not less than float32 holds, or a sum of zeros would divide by zero.
        epsilon=max(_validate.number("epsilon", epsilon, above=0), 1.2e-38),
    )
