"""Nami: tanh above 0, a sine below (K. Sarkar, package nami-act)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import as_parameter, with_gradient
from keras_yat._numerics.math import cos, negative_and_positive, sin, tanh
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import Limits, TrainableActivation


def _gradient(upstream, x, w, a, height):
    # Where x is positive, the argument of the sine is 0 and its cosine 1; elsewhere tanh is 0. So
    # both halves are evaluated at once, each within its range.
    negative, positive = negative_and_positive(x)
    phase = w * negative
    t, s, c = tanh(a * positive), sin(phase), cos(phase)
    above = ops.sign(positive)
    by_phase = upstream * (height * c + above * (1.0 - t * t - height))
    return (
        by_phase * (w + above * (a - w)),
        by_phase * negative,
        by_phase * positive,
        upstream * s,
    )


@with_gradient(_gradient, derived_on_torch=True)
def _nami(x, w, a, height):
    negative, positive = negative_and_positive(x)
    return tanh(a * positive) + height * sin(w * negative)


@register("nami")
def nami(
    x: Tensor,
    w: float | Tensor = 0.3,
    a: float | Tensor = 1.0,
    b: float | Tensor = 1.5,
) -> Tensor:
    """Nami: `tanh(a·x)` for x > 0, `(a / b)·sin(w·x)` for x ≤ 0.

    Args:
        x: A tensor of any shape.
        w: Frequency of the sine below 0: a number, or a tensor that broadcasts with `x`.
        a: Slope at 0 from above, and a factor of the amplitude below 0.
        b: Divisor of the amplitude; not 0.

    Returns:
        A tensor of the shape and dtype of `x`, in [-|a/b|, 1], or in [-|a/b|, |a/b|] where
        |a/b| > 1.

    Example:

    >>> keras_yat.activations.nami([-1.0, 0.0, 1.0])

    Reference:
        K. Sarkar, Nami, an adaptive self-regulatory activation function (package nami-act).
    """
    a, b = as_parameter(a), as_parameter(b)
    return _nami(x, w, a, a / b)


_BOUNDS = {"w": (0.1, 0.5), "a": (0.5, 3.0), "b": (0.5, 3.0)}


@register("nami")
class Nami(TrainableActivation):
    """Nami: `tanh(a·x)` for x > 0, `(a / b)·sin(w·x)` for x ≤ 0.

    Saturates above 0 and oscillates below: bounded on both sides, with gradients of either sign.
    The range is [-a/b, 1] for a ≤ b. Default bounds: w in [0.1, 0.5], a and b in [0.5, 3].

    Differs from the authors' code, which clips `w`, `a` and `b` in the forward pass: there a
    parameter out of its range never gets a gradient again. Here it is projected back onto its
    bounds after each update.

    Args:
        w: Starting value of the frequency: a number, or a Keras initializer.
        a: Starting value of the slope at 0 from above.
        b: Starting value of the divisor of the amplitude.
        axis: None for a single set of parameters, or the axis of the channels (int, not 0) for a
            set per channel.
        bounds: Limits of the parameters: a dict from a parameter's name to (low, high), or to None
            for no limits. Either of low and high may be None. Parameters left out keep their
            default bounds.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If a starting value is out of its bounds, or an argument has another type
            than described.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Nami())
    >>> per_channel = keras_yat.Nami(axis=-1, bounds={"w": (0.1, 2.0)})

    Reference:
        K. Sarkar, Nami, an adaptive self-regulatory activation function (package nami-act).
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(nami)
    default_bounds: ClassVar[Mapping[str, Limits]] = _BOUNDS
    search_space: ClassVar[Space] = {name: Float(*limits) for name, limits in _BOUNDS.items()}
    w: keras.Variable
    a: keras.Variable
    b: keras.Variable

    def __init__(
        self,
        w: StartingValue = 0.3,
        a: StartingValue = 1.0,
        b: StartingValue = 1.5,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"w": w, "a": a, "b": b}, axis=axis, bounds=bounds, **kwargs)
