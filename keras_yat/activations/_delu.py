"""DELU: SiLU below 0, a learned slope above (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import expm1, negative_and_positive
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import TrainableActivation


def _derivatives(x, n):
    negative, positive = negative_and_positive(x)
    e = ops.exp(-ops.abs(x))
    gate = e / (1.0 + e)
    above = ops.sign(positive)
    # Where x is positive, the first summand is the gate, which the second subtracts again.
    return (
        gate * (1.0 + negative * (1.0 - gate)) + above * (n + 0.5 + e - gate),
        ops.relu(x),
    )


@register("delu")
@with_derivatives(_derivatives)
def delu(x: Tensor, n: float | Tensor = 0.0) -> Tensor:
    """DELU: `silu(x)` for x ≤ 0, `(n + 0.5)·x + |exp(-x) - 1|` for x > 0.

    Args:
        x: A tensor of any shape.
        n: The slope at +∞ minus 0.5: a number, or a tensor that broadcasts with `x`.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.delu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    negative, positive = negative_and_positive(x)
    return ops.silu(negative) + ((n + 0.5) * ops.relu(x) - expm1(-positive))


@register("delu")
class DELU(TrainableActivation):
    """DELU: `silu(x)` for x ≤ 0, `(n + 0.5)·x + |exp(-x) - 1|` for x > 0.

    A rectifier with the minimum of SiLU below 0 and a learned slope above: n + 1.5 at 0 from
    above, n + 0.5 at +∞.

    Differs from the authors' code, which multiplies each branch by a mask and gives NaN for
    x < -88.7 in float32 and x < -11.1 in float16. Here each branch gets its own inputs only.

    Args:
        n: Starting value of the slope at +∞ minus 0.5: a number, or a Keras initializer.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.DELU())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(delu)
    search_space: ClassVar[Space] = {"n": Float(-0.5, 1.0)}
    n: keras.Variable

    def __init__(
        self,
        n: StartingValue = 0.0,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"n": n}, axis=axis, bounds=bounds, **kwargs)
