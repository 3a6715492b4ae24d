"""softermax: a softmax without exponentials, for scores ≥ 0 (T. Bouhsine, 2024)."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.gradients import with_gradient
from keras_yat._numerics.math import largest
from keras_yat._numerics.powers import logarithm, power_of
from keras_yat._register import register
from keras_yat._types import LayerOptions, Size, Tensor
from keras_yat.activations._squasher import Squasher, checked_power


def _parts(x, power, axis, epsilon):
    """x^n and ε + Σ x^n along `axis`, both over `unit`^n; x / unit; unit.

    The unit is the largest x, so that no power overflows. For n = 1 it is 1: the output is then 0
    where the sum is above 8e37.
    """
    if power == 1.0:
        return x, epsilon + ops.sum(x, axis=axis, keepdims=True), x, 1.0
    # Far below the largest float32, where a reciprocal would be flushed to 0.
    x = ops.clip(x, 0.0, 1e30)
    log, unit, _ = logarithm(ops.stop_gradient(largest(x, axis)))
    ratio = x / unit
    terms = power_of(ratio, power)
    total = epsilon * ops.exp(-power * log) + ops.sum(terms, axis=axis, keepdims=True)
    return terms, total, ratio, unit


def softermax_with_gradient(
    x: Tensor, power: float, axis: Size, epsilon: float
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The softermax of `x`, and the function that maps its upstream gradient to that of `x`."""
    score = ops.relu(x)
    terms, total, ratio, unit = _parts(score, power, axis, epsilon)

    def gradient(upstream):
        scale = 1.0 / (total * unit)
        mean = ops.sum(upstream * terms, axis=axis, keepdims=True) / total
        slope = ops.sign(score) * (power * scale)
        if power != 1.0:
            _, safe, present = logarithm(ratio)
            slope = slope * (present * (terms / safe))
        return (upstream - mean) * slope

    return terms / total, gradient


def _gradient(upstream, x, **constants):
    return (softermax_with_gradient(x, **constants)[1](upstream),)


@with_gradient(_gradient, derived_on_torch=True)
def _softermax(x, **constants):
    return softermax_with_gradient(x, **constants)[0]


@register("softermax")
def softermax(x: Tensor, power: float = 1, axis: Size = -1, epsilon: float = 1e-12) -> Tensor:
    """softermax: `x^n / (ε + Σ x_i^n)` along `axis` with n = `power`. A negative `x` counts as 0.

    Args:
        x: A tensor of rank 1 or more, of scores ≥ 0.
        power: A number greater than 0. The larger it is, the closer is the output to one-hot.
        axis: The axis, or a tuple of axes, along which the output sums to about 1, or to 0 where
            every score is 0.
        epsilon: A number greater than 0, in the unit of x^n.

    Returns:
        A tensor of the shape and dtype of `x`, in [0, 1). Its gradient is 0 for x ≤ 0.

    Raises:
        ValueError: If `power` or `epsilon` is not a finite number greater than 0.

    Example:

    >>> keras_yat.activations.softermax([1.0, 3.0, 0.0, -1.0])

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """
    return _softermax(
        x,
        power=checked_power(power),
        axis=axis,
        epsilon=_validate.number("epsilon", epsilon, above=0),
    )


@register("softermax")
class Softermax(Squasher):
    """softermax: `x^n / (ε + Σ x_i^n)` along `axis` with n = `power`.

    Normalizes scores ≥ 0, such as the outputs of Yat neurons, without exponentials. A score of 0
    stays 0, and a negative score counts as 0. To mask a position, set its score to 0.

    Differs from the authors' code: finite, with finite gradients, where x^n overflows, and for
    n < 1 at x = 0.

    Args:
        power: A number greater than 0. The larger it is, the closer is the output to one-hot.
        axis: The axis (int), or a tuple of axes, along which the output sums to about 1, or to 0
            where every score is 0.
        epsilon: A number greater than 0, in the unit of x^n.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any, of rank 1 or more.

    Output shape:
        Same as the input; entries in [0, 1).

    Raises:
        ValueError: If `power` or `epsilon` is not a finite number greater than 0, or `axis` is
            neither an int nor a tuple of ints.

    Example:

    >>> keras_yat.Softermax()(keras.ops.array([[1.0, 3.0, 0.0]]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn);
        arXiv:2605.03262 and arXiv:2603.12276.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(softermax)

    def __init__(
        self,
        power: float = 1,
        axis: Size = -1,
        epsilon: float = 1e-12,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(power, **kwargs)
        self.axis: int | tuple[int, ...] = _checked_axis(axis)
        self.epsilon: float = _validate.number("epsilon", epsilon, above=0)

    def _settings(self):
        return {**super()._settings(), "axis": self.axis, "epsilon": self.epsilon}


def _checked_axis(axis: Any) -> int | tuple[int, ...]:
    several = isinstance(axis, Sequence) and not isinstance(axis, str)
    every = tuple(axis) if several else (axis,)
    for one in every:
        if isinstance(one, bool) or not isinstance(one, numbers.Integral):
            _validate.invalid_argument("axis", "be an int or a tuple of ints", axis)
    if not every:
        _validate.invalid_argument("axis", "contain at least one axis", axis)
    return tuple(map(int, every)) if several else int(axis)
