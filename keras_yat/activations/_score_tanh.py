"""score_tanh: a tanh for scores ≥ 0 (T. Bouhsine, 2024)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

from keras import ops

from keras_yat._numerics.math import tanh
from keras_yat._numerics.powers import gate_with_slope, logarithm
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._register import register
from keras_yat._types import LayerOptions, Tensor
from keras_yat.activations._squasher import Squasher, checked_power


def _value(x, *, power):
    x = ops.relu(x)
    if power == 1.0:
        return (x - 1.0) / (x + 1.0)
    log, _, present = logarithm(x)
    return present * tanh(0.5 * power * log) - (1.0 - present)


def _with_slope(x, *, power):
    score = ops.relu(x)
    _, slope = gate_with_slope(score, power)
    return _value(x, power=power), 2.0 * (slope * ops.sign(score))


SLOPES = ValueAndSlope(_value, _with_slope)
_evaluate = SLOPES.function(derived_on_torch=True)


@register("score_tanh")
def score_tanh(x: Tensor, power: float = 1) -> Tensor:
    """score_tanh: `(x^n - 1) / (x^n + 1)` with n = `power`. A negative `x` counts as 0.

    Args:
        x: A tensor of any shape, of scores ≥ 0.
        power: A number greater than 0: the steepness of the step around x = 1.

    Returns:
        A tensor of the shape and dtype of `x`, in [-1, 1). Its gradient is 0 for x ≤ 0.

    Raises:
        ValueError: If `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.score_tanh([0.0, 1.0, 3.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """
    return _evaluate(x, power=checked_power(power))


@register("score_tanh")
class ScoreTanh(Squasher):
    """score_tanh: `(x^n - 1) / (x^n + 1)` with n = `power`.

    A tanh for scores ≥ 0: -1 at 0, 0 at 1, 1 in the limit. It equals `2·softer_sigmoid - 1`, and
    is the activation of the published recurrent Yat cells. A negative score counts as 0.

    Differs from the authors' code: finite, with finite gradients, where x^n overflows, and for
    n < 1 at x = 0.

    Args:
        power: A number greater than 0: the steepness of the step around x = 1.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        Same as the input; entries in [-1, 1).

    Raises:
        ValueError: If `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.ScoreTanh()(keras.ops.array([0.0, 1.0, 3.0]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(score_tanh)
    slopes: ClassVar[ValueAndSlope | None] = SLOPES

    def __init__(self, power: float = 1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(power, **kwargs)
