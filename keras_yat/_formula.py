"""The Yat formula, its gradient and its numerics: nowhere else.

Precision. The inner product runs in the dtype of the input, which may be half
precision; norms, distance and quotient run in float32 (float64 for float64).
The distance is ‖w‖² + ‖x‖² - 2⟨w, x⟩, which cancels where x ≈ w: it is never
taken below 2·u·‖w‖², which is what the rounding of ‖w‖² + ‖x‖² leaves of it
there: u is 2^-21 in float32 and 2^-50 in float64, eight times half the spacing
of the numbers around 1, as the sums round too; and in bfloat16 2^-8, half the
spacing, as only the product is rounded to it. In float16 it is 2^-7 and not its
own 2^-11: gradients have 2q² + 2q in them, and q = ⟨w, x⟩ / distance can reach
1 / (2u). Below the floor the distance counts as constant. `distance="direct"` sums
(w - x)² instead, entry by entry.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_yat._gradient import as_parameter, differentiable, own_gradient, sum_to
from keras_yat._math import is_double

HALF_MAX = float(np.finfo("float16").max)
_HALF_RATIOS = {"expanded": 2.0**7, "direct": 2.0**9}
"""Largest 2z / (distance + ε) in a gradient in float16, which has its square in it."""


# What the floor of the distance is made of: see the top.
UNITS = {"float64": 2.0**-50, "float32": 2.0**-21, "bfloat16": 2.0**-8, "float16": 2.0**-7}


@dataclass(frozen=True)
class Response:
    """The formula as a function of inner products and squared norms; all else is fixed.

    Attributes:
        kernel_square: ‖w‖² of each neuron; 0.0 where the squared norms are distances.
        bias: b of each neuron, or a number.
        alpha: Factor of the outputs, a scalar or a number.
        epsilon: A scalar or a number.
        unit: What the floor of the distance is made of; None for no floor.
        limit: Where outputs are cut off; None for nowhere.
    """

    kernel_square: Any
    bias: Any
    alpha: Any
    epsilon: Any
    unit: float | None
    limit: float | None

    def __call__(self, product: Any, x_square: Any) -> Any:
        return _yat(product, x_square, *self._scales(), **self._constants())

    def formula(self) -> "Formula":
        """For many inputs, in float32 or wider, its gradient left to who calls it."""
        return Formula(*map(as_parameter, self._scales()), **self._constants())

    @property
    def tensors(self) -> list[Any]:
        """Those of kernel_square, bias, alpha and epsilon that are not numbers."""
        return [scale for scale in self._scales() if not isinstance(scale, float)]

    def with_tensors(self, tensors: Any) -> "Response":
        """The same with other `tensors`."""
        tensors = iter(tensors)
        names = ("kernel_square", "bias", "alpha", "epsilon")
        scales = zip(names, self._scales(), strict=True)
        return replace(self, **{n: next(tensors) for n, s in scales if not isinstance(s, float)})

    def gradients(self, arrays: Any) -> list[Any]:
        """The gradients of `tensors`, from the array that `Formula.gradient` collects for each."""
        scales = zip(FACTORS, self._scales(), strict=True)
        chosen = [(factor, scale) for factor, scale in scales if not isinstance(scale, float)]
        return [f * summed(array, s) for array, (f, s) in zip(arrays, chosen, strict=True)]

    def _scales(self):
        return self.kernel_square, self.bias, self.alpha, self.epsilon

    def _constants(self):
        return {"unit": self.unit, "limit": self.limit}


def sum_of_squares(x: Any, axis: int | tuple[int, ...]) -> Any:
    """Σ x² along `axis`, which stays with size 1, in float32 or wider. Keeps `x` alone."""
    dtype = wide(x)

    def forward(x):
        return ops.sum(ops.square(ops.cast(x, dtype)), axis=axis, keepdims=True), None

    def back(upstream, _, x):
        return ops.cast(ops.cast(x, dtype) * (2.0 * upstream), x.dtype)

    return own_gradient(forward, back)(x)


def largest(x, axis):
    """max |x| along `axis` as a constant, 1 where it is 0."""
    most = ops.stop_gradient(ops.max(ops.abs(x), axis=axis, keepdims=True, initial=0.0))
    return ops.where(most > 0, most, ops.ones_like(most))


def unit_norm(square):
    """1 / norm, and the squared norm after division by it: both 0 for what is 0."""
    zero = square == 0
    inverse = ops.where(zero, 0.0, ops.rsqrt(ops.where(zero, 1.0, square)))
    return inverse, ops.cast(ops.logical_not(zero), square.dtype)


def squared_distance(x: Any, kernel: Any) -> Any:
    """‖x - w‖² for each column w of `kernel`, from the differences: nothing cancels.

    One column after the other, so that the memory is a few times that of `x`; the
    gradient is summed from the same differences.
    """
    behind = tuple(range(len(x.shape) - 1))
    features = kernel.shape[-1]

    def forward(x, kernel):
        def distance(w):
            return ops.sum(ops.square(x - w), axis=-1)

        return ops.moveaxis(ops.map(distance, ops.transpose(kernel)), 0, -1), None

    def back(upstream, _, x, kernel):
        rows = ops.transpose(kernel)
        slopes = ops.moveaxis(2.0 * upstream, -1, 0)

        def of_row(pair):
            w, slope = pair
            return ops.sum(ops.expand_dims(slope, -1) * (w - x), axis=behind)

        def add(i, total):
            slope, w = ops.take(slopes, i, axis=0), ops.take(rows, i, axis=0)
            return total + ops.expand_dims(slope, -1) * (x - w)

        of_x = ops.fori_loop(0, features, add, ops.zeros_like(x))
        return of_x, ops.transpose(ops.map(of_row, (rows, slopes)))

    return own_gradient(forward, back)(x, kernel)


def wide(x) -> str:
    """The dtype that `x` is computed with: float32, or float64 for float64."""
    return "float64" if is_double(x) else "float32"


class Formula:
    """The formula with its scales, and what depends on these alone computed once.

    In the precision of what it is given; gradients are the backend's, or `gradient`.
    """

    def __init__(self, kernel_square, bias, alpha, epsilon, *, unit, limit):
        self._scales = kernel_square, bias, alpha, epsilon
        self._unit, self._limit = unit, limit
        self._above_zero: Any = 0.0
        self._shift = 0.5 * epsilon
        if unit is not None:
            floor = unit * ops.stop_gradient(kernel_square)
            self._above_zero = 0.5 * kernel_square - floor
            self._shift = floor + self._shift

    def value(self, product: Any, x_square: Any) -> Any:
        z, ratio, _ = self._parts(product, x_square)
        result = z * ratio * (0.5 * self._scales[2])
        # What is cut off keeps its gradient.
        return result if self._limit is None else ops.clip(result, -self._limit, self._limit)

    def gradient(
        self, upstream: Any, product: Any, x_square: Any, collect: Callable[[Any, Any], Any]
    ) -> tuple[Any, Any, list[Any]]:
        """The gradients of Σ upstream·value in the product and the squared norm.

        And for each scale `collect(array, scale)`, where its gradient is the sum of
        `array` over what was broadcast, times one of `FACTORS`; None for a number.
        """
        # With q = z / (distance + ε): ∂/∂z = 2αq and ∂/∂distance = -αq², and the distance has
        # the slope -2 in the product. On torch temporaries are given back once they are used.
        kernel_square, bias, alpha, epsilon = self._scales
        z, ratio, above = self._parts(product, x_square)
        if self._limit is not None:
            # Not the gradient itself: where the upstream one overflows, it has to be seen.
            most = _HALF_RATIOS["direct" if self._unit is None else "expanded"]
            ratio = ops.clip(ratio, -most, most)
        of_z = upstream * ratio
        of_alpha = None if _is_number(alpha) else collect(of_z * z, alpha)
        del z
        if not _is_number(alpha, 1.0):
            of_z = of_z * alpha
        of_bias = None if _is_number(bias) else collect(of_z, bias)
        of_distance = ratio * of_z
        of_epsilon = None if _is_number(epsilon) else collect(of_distance, epsilon)
        if self._unit is not None:
            of_distance = of_distance * ops.sign(above)
        del ratio, above
        of_kernel = None if _is_number(kernel_square) else collect(of_distance, kernel_square)
        of_square = -0.25 * sum_to(of_distance, x_square)
        of_product = of_z if self._unit is None else of_z + 0.5 * of_distance
        return of_product, of_square, [of_kernel, of_bias, of_alpha, of_epsilon]

    def _parts(self, product, x_square):
        """z = ⟨w, x⟩ + b; z over half of (distance + ε); half of the distance over its floor."""
        bias = self._scales[1]
        z = product if _is_number(bias, 0.0) else product + bias
        above = 0.5 * x_square
        if self._unit is not None:
            # In this order each operation reads one whole array.
            above = ops.relu((self._above_zero - product) + above)
        return z, z / (above + self._shift), above


def _is_number(value, number=None):
    return isinstance(value, float) and number in (None, value)


FACTORS = (-0.25, 1.0, 0.5, -0.25)
"""Of the gradients of kernel_square, bias, alpha and epsilon."""


def summed(array: Any, like: Any) -> Any:
    """The sum of `array` over what was broadcast of `like`."""
    if len(like.shape) == 0 and len(array.shape) > 1:
        # In two steps: XLA makes a slow loop of a sum over everything.
        array = ops.sum(array, axis=-1)
    return sum_to(array, like)


def _gradient(upstream, product, x_square, *scales, **constants):
    formula = Formula(*scales, **constants)
    of_product, of_square, sums = formula.gradient(upstream, product, x_square, summed)
    of_scales = (None if s is None else f * s for f, s in zip(FACTORS, sums, strict=True))
    return of_product, of_square, *of_scales


def _value(product, x_square, kernel_square, bias, alpha, epsilon, *, unit, limit):
    formula = Formula(kernel_square, bias, alpha, epsilon, unit=unit, limit=limit)
    return formula.value(product, x_square)


_yat = differentiable(_gradient, by_row=True, aligned=True)(_value)
