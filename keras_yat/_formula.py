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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_yat._gradient import differentiable, own_gradient, sum_to
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

    def value(self, product: Any, x_square: Any) -> Any:
        """The same in the precision of what it is given, its gradient left to the backend."""
        return _value(product, x_square, *self._scales(), **self._constants())

    def gradient(self, upstream: Any, product: Any, x_square: Any) -> tuple[Any, Any, list[Any]]:
        """The gradients of Σ upstream·value in both arguments, and in each of `tensors`."""
        of_product, of_square, *of_scales = _gradient(
            upstream, product, x_square, *self._scales(), **self._constants()
        )
        return of_product, of_square, [g for g in of_scales if g is not None]

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


def _is_number(value, number):
    return isinstance(value, float) and value == number


def _parts(product, x_square, kernel_square, bias, epsilon, unit):
    """z = ⟨w, x⟩ + b; z over half of (distance + ε); half of the distance over its floor."""
    z = product if _is_number(bias, 0.0) else product + bias
    if unit is None:
        above = 0.5 * x_square
        return z, z / (above + 0.5 * epsilon), above
    floor = unit * ops.stop_gradient(kernel_square)
    above = 0.5 * x_square + (0.5 * kernel_square - floor)
    above = ops.relu(above - product)
    return z, z / (above + (floor + 0.5 * epsilon)), above


def _gradient(upstream, product, x_square, kernel_square, bias, alpha, epsilon, *, unit, limit):
    # With q = z / (distance + ε): ∂/∂z = 2αq and ∂/∂distance = -αq², and the distance has
    # the slope -2 in the product. On torch temporaries are given back once they are used.
    z, ratio, above = _parts(product, x_square, kernel_square, bias, epsilon, unit)
    if limit is not None:
        # Not the gradient itself: where the upstream one overflows, it has to be seen.
        largest = _HALF_RATIOS["direct" if unit is None else "expanded"]
        ratio = ops.clip(ratio, -largest, largest)
    of_z = upstream * ratio
    # In two steps: XLA makes a slow loop of a sum over everything.
    of_alpha = 0.5 * ops.sum(ops.sum(of_z * z, axis=-1)) if ops.is_tensor(alpha) else None
    del z
    if not _is_number(alpha, 1.0):
        of_z = of_z * alpha
    of_bias = sum_to(of_z, bias) if ops.is_tensor(bias) else None
    of_distance = ratio * of_z
    of_epsilon = None
    if ops.is_tensor(epsilon):
        of_epsilon = -0.25 * ops.sum(ops.sum(of_distance, axis=-1))
    if unit is not None:
        of_distance = of_distance * ops.sign(above)
    del ratio, above
    of_squares = [
        -0.25 * sum_to(of_distance, square) if ops.is_tensor(square) else None
        for square in (x_square, kernel_square)
    ]
    of_product = of_z if unit is None else of_z + 0.5 * of_distance
    return of_product, *of_squares, of_bias, of_alpha, of_epsilon


def _value(product, x_square, kernel_square, bias, alpha, epsilon, *, unit, limit):
    z, ratio, _ = _parts(product, x_square, kernel_square, bias, epsilon, unit)
    result = z * ratio * (0.5 * alpha)
    # What is cut off keeps its gradient.
    return result if limit is None else ops.clip(result, -limit, limit)


_yat = differentiable(_gradient, by_row=True, aligned=True)(_value)
