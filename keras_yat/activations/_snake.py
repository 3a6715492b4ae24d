"""Snake: the identity plus a squared sine of a learned frequency (L. Ziyin et al., 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Unpack

import keras

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import cos, sin
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import Limits, TrainableActivation


def _derivatives(x, a):
    phase = a * x
    wave, slope = sin(phase), cos(phase)
    double = 2.0 * wave * slope
    return 1.0 + double, (x * double - wave * wave / a) / a


@register("snake")
@with_derivatives(_derivatives)
def snake(x: Tensor, a: float | Tensor = 1.0) -> Tensor:
    """Snake: `x + sin²(a·x) / a`.

    Args:
        x: A tensor of any shape.
        a: Frequency of the wave: a number, or a tensor that broadcasts with `x`; not 0.

    Returns:
        A tensor of the shape and dtype of `x`, in [x, x + 1/a] for a > 0.

    Example:

    >>> keras_yat.activations.snake([-1.0, 0.0, 1.0])

    Reference:
        L. Ziyin, T. Hartwig, M. Ueda, Neural Networks Fail to Learn Periodic Functions and How to
        Fix It, NeurIPS 2020, arXiv:2006.08195.
    """
    wave = sin(a * x)
    return x + wave * wave / a


@register("snake")
class Snake(TrainableActivation):
    """Snake: `x + sin²(a·x) / a`.

    The identity plus a wave of the period π/a and the height 1/a, for networks that continue a
    periodic signal beyond their data. It never falls: the slope 1 + sin(2·a·x) is in [0, 2]. At
    x = 0 it is 0, with the slope 1.

    The authors recommend a from 0.2 to 0.56 for usual data, and from 5 to 50 for data that are
    known to be periodic. Default bounds: a ≥ 1e-3, as the formula divides by a. There it is within
    1e-3·x² of the identity, its limit for a → 0.

    Differs from the paper in these bounds, and in the starting value, there 0.5.

    Args:
        a: Starting value of the frequency: a number, or a Keras initializer.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Snake())
    >>> per_channel = keras_yat.Snake(a=10.0, axis=-1)

    Reference:
        L. Ziyin, T. Hartwig, M. Ueda, Neural Networks Fail to Learn Periodic Functions and How to
        Fix It, NeurIPS 2020, arXiv:2006.08195.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(snake)
    default_bounds: ClassVar[Mapping[str, Limits]] = {"a": (1e-3, None)}
    search_space: ClassVar[Space] = {"a": Float(0.2, 5.0, log=True)}
    a: keras.Variable

    def __init__(
        self,
        a: StartingValue = 1.0,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"a": a}, axis=axis, bounds=bounds, **kwargs)
