"""Activations in the place of a rectifier: Mila, DELU, HELU, ReLUN, ShiLU."""

from keras import ops

from keras_yat._gradient import full_precision, pointwise, split
from keras_yat._math import expm1, tanh_softplus
from keras_yat._register import register


def _mila_derivatives(x, beta):
    gate, slope = tanh_softplus(x + beta)
    by_beta = x * slope()
    return gate + by_beta, by_beta


@register("mila")
@pointwise(_mila_derivatives)
def mila(x, beta=-0.25):
    """Mila: `x·tanh(softplus(x + beta))`.

    Args:
        x: A tensor of any shape.
        beta: How deep the minimum is: a number, or a tensor that broadcasts
            with `x`. 0 gives Mish.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.mila([-1.0, 0.0, 1.0])

    Reference:
        D. Misra, Mila: Controlling Minima Concavity in Activation Function,
        2019. See `keras_yat.layers.Mila`.
    """
    gate, _ = tanh_softplus(x + beta)
    return x * gate


def _delu_derivatives(x, n):
    negative, positive = split(x)
    e = ops.exp(-ops.abs(x))
    gate = e / (1.0 + e)
    above = ops.sign(positive)
    # Where x is positive the first summand is the gate, and the second takes it away.
    return (
        gate * (1.0 + negative * (1.0 - gate)) + above * (n + 0.5 + e - gate),
        ops.relu(x),
    )


@register("delu")
@pointwise(_delu_derivatives)
def delu(x, n=0.0):
    """DELU: `silu(x)` for x ≤ 0, `(n + 0.5)·x + |exp(-x) - 1|` for x > 0.

    Args:
        x: A tensor of any shape.
        n: The slope at +∞ is n + 0.5: a number, or a tensor that broadcasts
            with `x`.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.delu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.DELU`.
    """
    negative, positive = split(x)
    return ops.silu(negative) + ((n + 0.5) * ops.relu(x) - expm1(-positive))


@register("helu")
def helu(x):
    """HELU: `delu(x, n=0)`, which has no parameter.

    Args:
        x: A tensor of any shape.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.helu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.HELU`.
    """
    return delu(x, 0.0)


def _relun_derivatives(x, n):
    full = ops.relu(x) >= n
    rising = ops.logical_and(x > 0, ops.logical_not(full))
    return ops.cast(rising, x.dtype), ops.cast(full, x.dtype)


@register("relun")
@pointwise(_relun_derivatives)
def relun(x, n=1.0):
    """ReLUN: `min(max(0, x), n)`.

    Args:
        x: A tensor of any shape.
        n: The largest output: a number, or a tensor that broadcasts with `x`.
            6 gives ReLU6.

    Returns:
        A tensor of the shape and dtype of `x`, in [0, n].

    Example:

    >>> keras_yat.activations.relun([-1.0, 0.5, 2.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.ReLUN`.
    """
    r = ops.relu(x)
    # Not a minimum: at its tie the backends' gradients differ.
    return ops.where(r >= n, n, r)


@register("shilu")
@full_precision
def shilu(x, alpha=1.0, beta=1.0):
    """ShiLU: `alpha·relu(x) + beta`.

    Args:
        x: A tensor of any shape.
        alpha: The slope for x > 0: a number, or a tensor that broadcasts with
            `x`.
        beta: The shift of the output. `alpha=1, beta=0` gives ReLU.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.shilu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.ShiLU`.
    """
    # No gradient of its own: the backends keep relu(x) for it, and nothing else.
    return alpha * ops.relu(x) + beta
