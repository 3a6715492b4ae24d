"""ReLUN: ReLU6 with a learned maximum (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Unpack

import keras
from keras import ops

from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import is_positive, number_like
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import Limits, SpecialCases, TrainableActivation


def _derivatives(x, n):
    below = is_positive(n - ops.relu(x))
    return below * is_positive(x), 1.0 - below


@register("relun")
@with_derivatives(_derivatives, derived_on_torch=True)
def relun(x: Tensor, n: float | Tensor = 1.0) -> Tensor:
    """ReLUN: `min(max(0, x), n)`.

    Args:
        x: A tensor of any shape.
        n: The maximum: a number, or a tensor that broadcasts with `x`. 6 gives ReLU6.

    Returns:
        A tensor of the shape and dtype of `x`, in [0, n].

    Example:

    >>> keras_yat.activations.relun([-1.0, 0.5, 2.0])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    r = ops.relu(x)
    # Not a minimum: where both are equal the backends' gradients differ.
    return ops.where(r >= n, number_like(n, r), r)


@register("relun")
class ReLUN(TrainableActivation):
    """ReLUN: `min(max(0, x), n)`.

    ReLU6 with a learned maximum: a bounded range, as fixed-point arithmetic needs it, without
    choosing the bound by hand. Default bounds: n ≥ 1e-3, as the layer is constant for n ≤ 0.

    Differs from the authors' code in these bounds.

    Args:
        n: Starting value of the maximum: a number, or a Keras initializer.
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

    >>> starts_as_relu6 = keras_yat.ReLUN(n=6.0)

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(relun)
    default_bounds: ClassVar[Mapping[str, Limits]] = {"n": (1e-3, None)}
    special_cases: ClassVar[SpecialCases] = {"relu6": {"n": 6.0}}
    search_space: ClassVar[Space] = {"n": Float(0.5, 10.0, log=True)}
    n: keras.Variable

    def __init__(
        self,
        n: StartingValue = 1.0,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__({"n": n}, axis=axis, bounds=bounds, **kwargs)
