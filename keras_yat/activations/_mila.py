"""Mila: Mish with a learned depth of its minimum (D. Misra, 2019)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

import keras

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import tanh_softplus
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import SpecialCases, TrainableActivation


def _derivatives(x, beta):
    gate, slope = tanh_softplus(x + beta)
    by_beta = x * slope()
    return gate + by_beta, by_beta


@register("mila")
@with_derivatives(_derivatives, derived_on_torch=True)
def mila(x: Tensor, beta: float | Tensor = -0.25) -> Tensor:
    """Mila: `x·tanh(softplus(x + beta))`.

    Args:
        x: A tensor of any shape.
        beta: Shift that sets the depth of the minimum: a number, or a tensor that broadcasts with
            `x`. 0 gives Mish.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.mila([-1.0, 0.0, 1.0])

    Reference:
        D. Misra, Mila: Controlling Minima Concavity in Activation Function, 2019.
    """
    gate, _ = tanh_softplus(x + beta)
    return x * gate


@register("mila")
class Mila(TrainableActivation):
    """Mila: `x·tanh(softplus(x + beta))`.

    Smooth, and unbounded above. The minimum is -0.66 at beta = 1, -0.309 at 0 (Mish), -0.2495 at
    -0.25 and -0.127 at -1: a negative `beta` brings the function closer to ReLU.

    Differs from the authors' code, in which `beta` is a constant: here it is trained, unless
    `trainable=False`. The values are the same, computed with a single exponential.

    Args:
        beta: Starting value of the shift: a number, or a Keras initializer.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Mila())
    >>> starts_as_mish = keras_yat.Mila(beta=0.0)

    Reference:
        D. Misra, Mila: Controlling Minima Concavity in Activation Function, 2019.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(mila)
    special_cases: ClassVar[SpecialCases] = {"mish": {"beta": 0.0}}
    search_space: ClassVar[Space] = {"beta": Float(-2.0, 1.0)}
    beta: keras.Variable

    def __init__(
        self,
        beta: StartingValue = -0.25,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"beta": beta}, axis=axis, bounds=bounds, **kwargs)
