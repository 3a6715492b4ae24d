"""SinLU: SiLU plus a sine with a learned amplitude and frequency (A. Paul et al., 2022)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import with_gradient
from keras_yat._numerics.math import cos, sin
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import SpecialCases, TrainableActivation
from keras_yat.activations._gated_wave import gated_wave_gradient


def _gradient(upstream, x, alpha, beta):
    phase = beta * x
    return gated_wave_gradient(upstream, x, alpha, beta, sin(phase), cos(phase))


@register("sinlu")
@with_gradient(_gradient, derived_on_torch=True)
def sinlu(x: Tensor, alpha: float | Tensor = 1.0, beta: float | Tensor = 1.0) -> Tensor:
    """SinLU: `(x + alpha·sin(beta·x))·sigmoid(x)`.

    Args:
        x: A tensor of any shape.
        alpha: Amplitude of the wave: a number, or a tensor that broadcasts with `x`. 0 gives SiLU.
        beta: Frequency of the wave.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.sinlu([-1.0, 0.0, 1.0])

    Reference:
        A. Paul et al., SinLU: Sinu-Sigmoidal Linear Unit, Mathematics 10(3):337, 2022,
        doi:10.3390/math10030337.
    """
    return (x + alpha * sin(beta * x)) * ops.sigmoid(x)


@register("sinlu")
class SinLU(TrainableActivation):
    """SinLU: `(x + alpha·sin(beta·x))·sigmoid(x)`.

    SiLU plus a sine with a learned amplitude and frequency. It is 0 at x = 0, with the slope
    (1 + alpha·beta) / 2.

    The values are those of the authors' code; here they are accurate in half precision too.

    Args:
        alpha: Starting value of the amplitude: a number, or a Keras initializer. 0 gives SiLU.
        beta: Starting value of the frequency.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.SinLU())
    >>> starts_as_silu = keras_yat.SinLU(alpha=0.0)

    Reference:
        A. Paul et al., SinLU: Sinu-Sigmoidal Linear Unit, Mathematics 10(3):337, 2022,
        doi:10.3390/math10030337.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(sinlu)
    special_cases: ClassVar[SpecialCases] = {"silu": {"alpha": 0.0}}
    search_space: ClassVar[Space] = {"alpha": Float(0.0, 2.0), "beta": Float(0.0, 4.0)}
    alpha: keras.Variable
    beta: keras.Variable

    def __init__(
        self,
        alpha: StartingValue = 1.0,
        beta: StartingValue = 1.0,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"alpha": alpha, "beta": beta}, axis=axis, bounds=bounds, **kwargs)
