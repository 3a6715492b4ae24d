"""soft_tanh: an odd sigmoid without exponentials (T. Bouhsine, 2024)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Unpack

from keras import ops

from keras_yat._numerics.powers import gate, gate_with_slope
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._register import register
from keras_yat._types import LayerOptions, Tensor
from keras_yat.activations._squasher import Squasher, checked_power


def _value(x, *, power):
    if power == 1.0:
        return x / (1.0 + ops.abs(x))
    return ops.sign(x) * gate(ops.abs(x), power)


def _with_slope(x, *, power):
    size, slope = gate_with_slope(ops.abs(x), power)
    return ops.sign(x) * size, slope


SLOPES = ValueAndSlope(_value, _with_slope)
_evaluate = SLOPES.function()


@register("soft_tanh")
def soft_tanh(x: Tensor, power: float = 1) -> Tensor:
    """soft_tanh: `sign(x)·|x|^n / (1 + |x|^n)` with n = `power`.

    Args:
        x: A tensor of any shape.
        power: A number greater than 0: the steepness of the steps around |x| = 1.

    Returns:
        A tensor of the shape and dtype of `x`, in (-1, 1). Its gradient at x = 0 is 1
        for n = 1 and 0 otherwise, also for n < 1, where the true slope is infinite.

    Raises:
        ValueError: If `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.soft_tanh([-3.0, 0.0, 1.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """
    return _evaluate(x, power=checked_power(power))


@register("soft_tanh")
class SoftTanh(Squasher):
    """soft_tanh: `sign(x)·|x|^n / (1 + |x|^n)` with n = `power`.

    An odd sigmoid in (-1, 1): softsign for n = 1, flat around 0 for n > 1. For inputs of either
    sign, such as the cell state of a recurrent layer.

    Differs from the authors' code: finite, with finite gradients, where x^n overflows, and for
    n < 1 at x = 0, where the gradient counts as 0.

    Args:
        power: A number greater than 0: the steepness of the steps around |x| = 1.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        Same as the input; entries in (-1, 1).

    Raises:
        ValueError: If `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.SoftTanh()(keras.ops.array([-3.0, 0.0, 1.0]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(soft_tanh)
    slopes: ClassVar[ValueAndSlope | None] = SLOPES

    def __init__(self, power: float = 1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(power, **kwargs)
