"""Activations with a wave in them: Nami, CosLU, SinLU."""

from keras import ops

from keras_yat._gradient import as_parameter, differentiable, split
from keras_yat._math import cos, product_error, sin, tanh
from keras_yat._register import register

# The slope in a frequency is the phase's slope x times that of the wave, so that at
# x = 50 the rounding of the phase counts 50 times: there the wave is corrected by
# its own slope times the phase's rounding error.


def _nami_gradient(upstream, x, w, a, height):
    # Where x is positive the sine's argument is 0 and its cosine 1; elsewhere tanh
    # is 0: both halves are there at once, and no branch is evaluated out of range.
    negative, positive = split(x)
    phase = w * negative
    t, s, c = tanh(a * positive), sin(phase), cos(phase)
    above = ops.sign(positive)
    by_phase = upstream * (height * c + above * (1.0 - t * t - height))
    by_height = upstream * s
    return (
        by_phase * (w + above * (a - w)),
        (by_phase - by_height * (height * product_error(w, negative, phase))) * negative,
        by_phase * positive,
        by_height,
    )


@differentiable(_nami_gradient, costly=True)
def _nami(x, w, a, height):
    negative, positive = split(x)
    return tanh(a * positive) + height * sin(w * negative)


@register("nami")
def nami(x, w=0.3, a=1.0, b=1.5):
    """Nami: `tanh(a·x)` for x > 0, `(a / b)·sin(w·x)` for x ≤ 0.

    Args:
        x: A tensor of any shape.
        w: The frequency of the wave below 0: a number, or a tensor that
            broadcasts with `x`.
        a: The slope at 0 from above, and a factor of the wave's height.
        b: The divisor of the wave's height; not 0.

    Returns:
        A tensor of the shape and dtype of `x`, in [-|a/b|, 1] or wider where
        |a/b| > 1.

    Example:

    >>> keras_yat.activations.nami([-1.0, 0.0, 1.0])

    Reference:
        K. Sarkar, Nami, an adaptive self-regulatory activation function
        (package nami-act). See `keras_yat.layers.Nami`.
    """
    a, b = as_parameter(a), as_parameter(b)
    return _nami(x, w, a, a / b)


def _coslu_gradient(upstream, x, alpha, beta):
    phase = beta * x
    return _gated_wave_gradient(upstream, x, alpha, beta, phase, cos(phase), sin(phase), -1.0)


def _sinlu_gradient(upstream, x, alpha, beta):
    phase = beta * x
    return _gated_wave_gradient(upstream, x, alpha, beta, phase, sin(phase), cos(phase), 1.0)


def _gated_wave_gradient(upstream, x, alpha, beta, phase, wave, slope, sign):
    """Of `(x + alpha·wave(phase))·sigmoid(x)`; the wave's slope is `sign·slope`."""
    gate = ops.sigmoid(x)
    outer = upstream * gate
    by_alpha = outer * wave
    by_gate = outer * (x + alpha * wave)
    bent = outer * slope
    height = sign * alpha
    return (
        outer + (by_gate - by_gate * gate) + (beta * height) * bent,
        by_alpha,
        height * (x * (bent - (sign * product_error(beta, x, phase)) * by_alpha)),
    )


@register("coslu")
@differentiable(_coslu_gradient, costly=True)
def coslu(x, alpha=1.0, beta=1.0):
    """CosLU: `(x + alpha·cos(beta·x))·sigmoid(x)`.

    Args:
        x: A tensor of any shape.
        alpha: The height of the wave: a number, or a tensor that broadcasts
            with `x`. 0 gives SiLU.
        beta: The frequency of the wave.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.coslu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.CosLU`.
    """
    return (x + alpha * cos(beta * x)) * ops.sigmoid(x)


@register("sinlu")
@differentiable(_sinlu_gradient, costly=True)
def sinlu(x, alpha=1.0, beta=1.0):
    """SinLU: `(x + alpha·sin(beta·x))·sigmoid(x)`.

    Args:
        x: A tensor of any shape.
        alpha: The height of the wave: a number, or a tensor that broadcasts
            with `x`. 0 gives SiLU.
        beta: The frequency of the wave.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.sinlu([-1.0, 0.0, 1.0])

    Reference:
        A. Paul et al., SinLU: Sinu-Sigmoidal Linear Unit, Mathematics 10(3):337,
        2022, doi:10.3390/math10030337. See `keras_yat.layers.SinLU`.
    """
    return (x + alpha * sin(beta * x)) * ops.sigmoid(x)
