"""The Yat formula, its gradient and its numerics.

Precision. The inner product is computed in the dtype of the input, which may be half precision;
norms, distance and quotient are computed in float32 (float64 for float64). The distance is
‖w‖² + ‖x‖² - 2⟨w, x⟩, which cancels where x ≈ w. It is never taken below a floor, a multiple of
‖w‖² that follows from the rounding of products: see `products`. Below it the distance counts as
constant. `distance="direct"` sums (w - x)² entry by entry instead.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_yat._numerics.gradients import (
    as_parameter,
    at_least_float32,
    ranks_known,
    with_custom_gradient,
)
from keras_yat._numerics.math import largest
from keras_yat._numerics.products import total_of
from keras_yat._numerics.row_blocks import RowBlocks
from keras_yat._numerics.sums import sum_to
from keras_yat._types import Tensor

FLOAT16_MAX = float(np.finfo("float16").max)

# Largest 2z / (distance + ε) in a float16 gradient, which contains its square: with a floor of
# the distance, and without.
_FLOAT16_RATIO, _FLOAT16_RATIO_DIRECT = 2.0**7, 2.0**9


Parts = tuple[Tensor, Tensor, Tensor]


class YatFormula:
    """The formula as a function of inner products and squared norms: `formula(product, x_square)`.

    `value` and `gradient` belong to what `with_tensors` returns.

    Args:
        kernel_square: ‖w‖² of each neuron; 0.0 where the squared norms are distances.
        bias: b of each neuron, or a number.
        alpha: Factor of the outputs, a scalar or a number.
        epsilon: A scalar or a number.
        floor: `products.half_floor`, or None.
        limit: Outputs are clipped to [-limit, limit]. None: no limit.
        multiplier: s of a kernel w = s·v. The products and `kernel_square` are then those of v.

    Numerator and denominator are divided by s, so that s only appears in small tensors:
    with p = ⟨v, x⟩ the output is α·s·(p + b/s)² / (s·‖v‖² + ‖x‖²/s - 2p + ε/s).
    """

    def __init__(
        self,
        kernel_square: Any,
        bias: Any,
        alpha: Any,
        epsilon: Any,
        *,
        floor: float | None,
        limit: float | None,
        multiplier: float = 1.0,
    ):
        self._scales = tuple(map(as_parameter, (kernel_square, bias, alpha, epsilon)))
        self._floor, self._limit, self.multiplier = floor, limit, multiplier
        self._constants: Any = None

    def __call__(self, product: Tensor, x_square: Tensor) -> Tensor:
        """The outputs, in the dtype of `product`. The backward pass keeps the arguments alone."""
        dtype, wide = product.dtype, at_least_float32(product)
        tensors = [product, x_square, *(ops.cast(scale, wide) for scale in self.tensors)]

        def forward(product, x_square, *scales):
            value = self.with_tensors(scales).value(ops.cast(product, wide), x_square)
            return ops.cast(value, dtype)

        def backward(upstream, product, x_square, *scales):
            formula = self.with_tensors(scales)
            of_product, of_square, sums = formula.gradient(
                ops.cast(upstream, wide), ops.cast(product, wide), x_square, summed
            )
            sums = [s for s in sums if s is not None]
            return ops.cast(of_product, dtype), of_square, *formula.scaled(sums)

        if not ranks_known(tensors):
            return forward(*tensors)
        blocks = RowBlocks(tensors)
        return with_custom_gradient(
            lambda *tensors: (blocks.evaluate(forward, *tensors), None),
            lambda upstream, _, *tensors: blocks.evaluate(backward, upstream, *tensors),
        )(*tensors)

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among kernel_square, bias, alpha and epsilon."""
        return [scale for scale in self._scales if not isinstance(scale, float)]

    def with_tensors(self, tensors: Iterable[Tensor]) -> "YatFormula":
        """The same formula with other `tensors`."""
        tensors = iter(tensors)
        scales = (s if isinstance(s, float) else next(tensors) for s in self._scales)
        formula = YatFormula(
            *scales, floor=self._floor, limit=self._limit, multiplier=self.multiplier
        )
        # Computed here: a value computed within a traced loop does not exist outside of it.
        formula._constants = formula._computed_constants()
        return formula

    def _computed_constants(self) -> tuple[Any, Any, Any, Any]:
        """Half of s·‖v‖² above the floor; floor + ε/2s; b/s; α·s."""
        kernel_square, bias, alpha, epsilon = self._scales
        s = self.multiplier
        above, floor = 0.0, 0.0
        if self._floor is not None:
            floor = self._floor * s * ops.stop_gradient(kernel_square)
            above = 0.5 * s * kernel_square - floor
        return above, floor + 0.5 / s * epsilon, bias / s, alpha * s

    def value(self, product: Tensor, x_square: Tensor) -> Tensor:
        """The outputs, in the precision of the arguments; the backend derives a gradient."""
        return self.value_of(self.parts(product, x_square))

    def value_of(self, parts: Parts) -> Tensor:
        """`value`, from `parts`."""
        z, ratio, _ = parts
        result = z * ratio * (0.5 * self._constants[3])
        # Clipped outputs keep their gradient.
        return result if self._limit is None else ops.clip(result, -self._limit, self._limit)

    def gradient(
        self,
        upstream: Tensor,
        product: Tensor,
        x_square: Tensor,
        collect: Callable[[Tensor, Tensor], Any],
        parts: Parts | None = None,
    ) -> tuple[Tensor, Tensor, list[Any]]:
        """The gradients of Σ upstream·value in the product, in the squared norm and in the scales.

        For each scale it returns `collect(array, scale)`, None for a number. The gradient of the
        scale is the sum of `array` over broadcast axes, times a factor: see `scaled`. `parts`:
        those of the product and the squared norm, if they are known.
        """
        # With q = z / (distance + ε), A = α·s: ∂/∂z = 2Aq and ∂/∂distance = -Aq², and the slope of
        # the distance in the product is -2. torch frees each temporary after its last use.
        kernel_square, bias, alpha, epsilon = self._scales
        factor = self._constants[3]
        z, ratio, above = self.parts(product, x_square) if parts is None else parts
        if self._limit is not None:
            # Clips the ratio, not the gradient: an upstream gradient that overflows stays visible.
            most = _FLOAT16_RATIO_DIRECT if self._floor is None else _FLOAT16_RATIO
            ratio = ops.clip(ratio, -most, most)
        of_z = upstream * ratio
        of_alpha = None if _is_number(alpha) else collect(of_z * z, alpha)
        del z
        if not _is_number(factor, 1.0):
            of_z = of_z * factor
        of_bias = None if _is_number(bias) else collect(of_z, bias)
        of_distance = ratio * of_z
        of_epsilon = None if _is_number(epsilon) else collect(of_distance, epsilon)
        if self._floor is not None:
            of_distance = of_distance * ops.sign(above)
        del ratio, above
        of_kernel = None if _is_number(kernel_square) else collect(of_distance, kernel_square)
        of_square = -0.25 / self.multiplier * sum_to(of_distance, x_square)
        of_product = of_z if self._floor is None else of_z + 0.5 * of_distance
        return of_product, of_square, [of_kernel, of_bias, of_alpha, of_epsilon]

    def scaled(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        """The gradients of `tensors`, from the array that `gradient` collected for each."""
        s = self.multiplier
        factors = (-0.25 * s, 1.0 / s, 0.5 * s, -0.25 / s)
        pairs = zip(factors, self._scales, strict=True)
        chosen = [(factor, scale) for factor, scale in pairs if not isinstance(scale, float)]
        return [f * summed(array, scale) for array, (f, scale) in zip(arrays, chosen, strict=True)]

    def parts(self, product: Tensor, x_square: Tensor) -> Parts:
        """z = ⟨w, x⟩ + b; z over half of (distance + ε); half of the distance above its floor.

        z and the distance are divided by the multiplier.
        """
        above_zero, shift, bias, _ = self._constants
        z = product if _is_number(bias, 0.0) else product + bias
        above = 0.5 / self.multiplier * x_square
        if self._floor is not None:
            # In this order each operation reads a single large array.
            above = ops.relu((above_zero - product) + above)
        return z, z / (above + shift), above


def _is_number(value, number=None):
    return isinstance(value, float) and number in (None, value)


def summed(array: Tensor, like: Tensor) -> Tensor:
    """The sum of `array` over the axes along which `like` was broadcast."""
    if len(like.shape) == 0 and len(array.shape) > 1:
        # In two steps: XLA makes a slow loop of a sum over everything.
        array = ops.sum(array, axis=-1)
    return sum_to(array, like)


def sum_of_squares(x: Tensor, axis: int | tuple[int, ...], in_pieces: bool = False) -> Tensor:
    """Σ x² along `axis`, which stays with size 1, in float32 or wider. Keeps `x` alone.

    `in_pieces`: long sums along a single axis are totals of pieces, as in `matrix_product`.
    """
    dtype = at_least_float32(x)

    def sum_of(x):
        # Not `ops.square`, which the export from torch to LiteRT makes a slow power of.
        return ops.sum(x * x, axis=axis, keepdims=True)

    def forward(x):
        x = ops.cast(x, dtype)
        if in_pieces and isinstance(axis, int):
            return total_of(sum_of, x, axis), None
        return sum_of(x), None

    def backward(upstream, _, x):
        return ops.cast(ops.cast(x, dtype) * (2.0 * upstream), x.dtype)

    return with_custom_gradient(forward, backward)(x)


def max_abs(x: Tensor, axis: Any) -> Tensor:
    """max |x| along `axis` as a constant, 1 where it is 0."""
    most = ops.stop_gradient(largest(ops.abs(x), axis))
    return ops.where(most > 0, most, ops.ones_like(most))


def unit_norm(square: Tensor) -> tuple[Tensor, Tensor]:
    """1 / norm, and the squared norm after division by it; both 0 for a norm of 0."""
    zero = square == 0
    inverse = ops.where(zero, 0.0, ops.rsqrt(ops.where(zero, 1.0, square)))
    return inverse, ops.cast(ops.logical_not(zero), square.dtype)


def on_sphere(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """`x` divided by its norm along `axis`; vectors of zeros stay zero."""
    # The squares of very large or small entries might over- or underflow.
    x = x / max_abs(x, axis)
    return x * unit_norm(sum_of_squares(x, axis))[0]


def squared_distance(x: Tensor, kernel: Tensor) -> Tensor:
    """‖x - w‖² for each column w of `kernel`, from the differences: nothing cancels.

    With an axis of groups before both `(entries,)` and `(entries, features)` each group has its own
    columns. One column after the other: the memory is a few times that of `x`. The gradient is
    summed from the same differences.
    """
    behind = tuple(range(len(x.shape) - len(kernel.shape) + 1))
    features = kernel.shape[-1]

    def forward(x, kernel):
        def distance(w):
            difference = x - w
            return ops.sum(difference * difference, axis=-1)

        return ops.moveaxis(ops.map(distance, ops.moveaxis(kernel, -1, 0)), 0, -1), None

    def backward(upstream, _, x, kernel):
        rows = ops.moveaxis(kernel, -1, 0)
        slopes = ops.moveaxis(2.0 * upstream, -1, 0)

        def of_row(pair):
            w, slope = pair
            return ops.sum(ops.expand_dims(slope, -1) * (w - x), axis=behind)

        def add(i, total):
            slope, w = ops.take(slopes, i, axis=0), ops.take(rows, i, axis=0)
            return total + ops.expand_dims(slope, -1) * (x - w)

        of_x = ops.fori_loop(0, features, add, ops.zeros_like(x))
        return of_x, ops.moveaxis(ops.map(of_row, (rows, slopes)), 0, -1)

    return with_custom_gradient(forward, backward)(x, kernel)
