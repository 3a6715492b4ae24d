"""ScaledSoftSign: softsign with a learned height and width (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import Limits, SpecialCases, TrainableActivation


def _derivatives(x, alpha, beta):
    scale = 1.0 / (beta + ops.abs(x))
    unit = x * scale
    return (alpha * beta) * (scale * scale), unit, (-alpha * scale) * unit


@register("scaled_softsign")
@with_derivatives(_derivatives, derived_on_torch=True)
def scaled_softsign(x: Tensor, alpha: float | Tensor = 1.0, beta: float | Tensor = 1.0) -> Tensor:
    """ScaledSoftSign: `alpha·x / (beta + |x|)`.

    Args:
        x: A tensor of any shape.
        alpha: The limit of |output|: a number, or a tensor that broadcasts with `x`.
        beta: The |x| at which half of the limit is reached. For beta ≤ 0 there is a pole at
            |x| = -beta.

    Returns:
        A tensor of the shape and dtype of `x`, in (-alpha, alpha).

    Example:

    >>> keras_yat.activations.scaled_softsign([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    return alpha * (x / (beta + ops.abs(x)))


@register("scaled_softsign")
class ScaledSoftSign(TrainableActivation):
    """ScaledSoftSign: `alpha·x / (beta + |x|)`.

    A sigmoid in (-alpha, alpha) with a learned height and width, whose slope decays as 1/x²,
    slower than that of tanh. In the published study it trained deep ResNets poorly: use it as a
    gate or an output rather than as a rectifier. Default bounds: beta ≥ 1e-3, as there is a pole
    at |x| = -beta.

    Differs from the authors' code in these bounds.

    Args:
        alpha: Starting value of the limit: a number, or a Keras initializer.
        beta: Starting value of the |x| at which half of the limit is reached.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.ScaledSoftSign())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(scaled_softsign)
    default_bounds: ClassVar[Mapping[str, Limits]] = {"beta": (1e-3, None)}
    special_cases: ClassVar[SpecialCases] = {"softsign": {"alpha": 1.0, "beta": 1.0}}
    search_space: ClassVar[Space] = {
        "alpha": Float(0.25, 4.0, log=True),
        "beta": Float(0.1, 10.0, log=True),
    }
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
