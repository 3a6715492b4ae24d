"""ShiLU: ReLU with a learned slope and shift (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import full_precision
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import SpecialCases, TrainableActivation


@register("shilu")
@full_precision
def shilu(x: Tensor, alpha: float | Tensor = 1.0, beta: float | Tensor = 1.0) -> Tensor:
    """ShiLU: `alpha·relu(x) + beta`.

    Args:
        x: A tensor of any shape.
        alpha: The slope for x > 0: a number, or a tensor that broadcasts with `x`.
        beta: The shift of the output. `alpha=1, beta=0` gives ReLU.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.shilu([-1.0, 0.0, 1.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    # The backends keep relu(x) for the gradient, and nothing else.
    return alpha * ops.relu(x) + beta


@register("shilu")
class ShiLU(TrainableActivation):
    """ShiLU: `alpha·relu(x) + beta`.

    ReLU with a learned slope and shift, the cheapest of the trainable rectifiers. It is beta, not
    0, for every x ≤ 0.

    The values are those of the authors' code; here they are accurate in half precision too.

    Args:
        alpha: Starting value of the slope: a number, or a Keras initializer.
        beta: Starting value of the shift.
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

    >>> starts_as_relu = keras_yat.ShiLU(alpha=1.0, beta=0.0)

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(shilu)
    special_cases: ClassVar[SpecialCases] = {"relu": {"alpha": 1.0, "beta": 0.0}}
    search_space: ClassVar[Space] = {"alpha": Float(0.25, 2.0, log=True), "beta": Float(-1.0, 1.0)}
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
