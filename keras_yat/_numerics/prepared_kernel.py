"""A kernel that is applied to inputs: inner products and squared norms for the Yat formula.

A layer defines the linear map between input and kernel (a `LinearMap`). The formula, its gradient
and the floor of the distance are in `formula`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_yat._backend import without_autocast
from keras_yat._numerics.formula import (
    FLOAT16_MAX,
    YatFormula,
    max_abs,
    squared_distance,
    sum_of_squares,
    unit_norm,
)
from keras_yat._numerics.gradients import at_least_float32
from keras_yat._numerics.products import (
    half_floor,
    mantissa_bits,
    matrix_product,
    pieces,
    rounded,
    total_of,
)
from keras_yat._types import Tensor

NORMALIZATIONS = (None, "kernel", "sphere")
DISTANCES = ("expanded", "direct")


@dataclass(frozen=True)
class LinearMap:
    """The linear map between an input and a kernel, and the squared norms that belong to it.

    Attributes:
        product: Maps an input and a kernel to inner products `(..., features)`.
        squared_norms: Maps an input to the squared norm of each patch: `(..., 1)`, or
            `(..., features)` with groups.
        patches_and_columns: Maps an input and a kernel to the factors of the products: for each
            group the patches `(..., entries)` and the weights `(entries, features)`.
        axes: The axes of the kernel over which a product sums.
        operation: Argument of `products.mantissa_bits`.
        in_pieces: Whether long sums are taken in pieces.
    """

    product: Callable[[Tensor, Tensor], Tensor]
    squared_norms: Callable[[Tensor], Tensor]
    patches_and_columns: Callable[[Tensor, Tensor], Sequence[tuple[Tensor, Tensor]]]
    axes: tuple[int, ...]
    operation: str
    in_pieces: bool = False

    def half_floor(self, kernel: Tensor, dtype: str, bits: int) -> float:
        """Half the floor of the distance: see `products`."""
        entries = math.prod([kernel.shape[axis] for axis in self.axes])
        count = pieces(entries) if self.in_pieces else 1
        return half_floor(dtype, bits, entries / count**2)


class PreparedKernel:
    """A kernel with everything computed that does not depend on the input.

    Args:
        linear_map: The linear map between input and kernel.
        kernel: The weights of the neurons.
        dtype: The dtype of the inputs.
        bias: b of each neuron, a number, or None for 0.
        epsilon: Number or scalar tensor above 0.
        alpha: Factor of the outputs: a number, a scalar tensor, or None for 1.
        normalize: One of `NORMALIZATIONS`.
        distance: One of `DISTANCES`.
        multiplier: Factor of the kernel: the weights of the neurons are `multiplier·kernel`.
    """

    def __init__(
        self,
        linear_map: LinearMap,
        kernel: Any,
        dtype: Any,
        *,
        bias: Any = None,
        epsilon: Any = 1e-5,
        alpha: Any = None,
        normalize: str | None = None,
        distance: str = "expanded",
        multiplier: float = 1.0,
    ):
        self._linear_map = linear_map
        self._dtype = keras.backend.standardize_dtype(dtype)
        self._sphere = normalize == "sphere"
        axes = linear_map.axes
        wide = "float64" if self._dtype == "float64" else "float32"
        kernel = ops.cast(kernel, wide)
        bias, epsilon, alpha = (_cast(scale, wide) for scale in (bias, epsilon, alpha))
        if normalize is not None:
            # The result does not depend on the scale; the squares might over- or underflow.
            kernel = kernel / max_abs(kernel, axes)
            multiplier = 1.0
        self._bits = mantissa_bits(linear_map.operation, kernel, self._dtype)
        kernel = rounded(kernel, self._bits)
        square = _squared_norms(kernel, axes)
        self._norms = self._direct_kernel = None
        if normalize is not None:
            scale, square = unit_norm(square)
            self._norms = _without(scale, axes)
        expanded = distance == "expanded"
        if not expanded:
            self._direct_kernel = kernel * (multiplier if normalize is None else scale)
        self.formula: YatFormula = YatFormula(
            kernel_square=_without(square, axes) if expanded else 0.0,
            bias=0.0 if bias is None else bias,
            alpha=1.0 if alpha is None else alpha,
            epsilon=epsilon,
            floor=linear_map.half_floor(kernel, self._dtype, self._bits) if expanded else None,
            limit=FLOAT16_MAX if self._dtype == "float16" else None,
            multiplier=multiplier,
        )
        self._kernel, self._kernel_scale = self._in_range(kernel)

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs `(..., features)` for an input of the dtype."""
        return ops.cast(self.formula(*self.product_and_norm(x)), self._dtype)

    def product_and_norm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The arguments of `formula`: the inner products with `x`, and its squared norms.

        With `distance="direct"` the latter are the squared distances.
        """
        if self._sphere:
            x = x / ops.cast(self._max_abs(x), self._dtype)
        x = self.factor(x)
        with without_autocast(x):
            product = self._product(x)
            x_square = self._linear_map.squared_norms(x)
        x_scale = None
        if self._norms is not None:
            product = ops.cast(product, self._norms.dtype) * self._norms
        if self._sphere:
            x_scale, x_square = unit_norm(x_square)
            product = product * x_scale
        if self._direct_kernel is not None:
            x_square = _direct(self._linear_map, x, self._direct_kernel, x_scale)
        return product, x_square

    def matrix(self) -> Tensor | None:
        """The matrix whose product with x is the inner product, beside ‖x‖²; else None."""
        if self._sphere or self._direct_kernel is not None or self._kernel_scale is not None:
            return None
        if self._norms is None:
            return self._kernel
        kernel = self._kernel * ops.cast(self._norms, self._dtype)
        # Where products are rounded, the norm of the rounded kernel is no longer 1.
        return kernel if self.factor(kernel) is kernel else None

    def factor(self, x: Tensor) -> Tensor:
        """`x` as a factor of the product: rounded where products are."""
        return rounded(x, self._bits)

    def _in_range(self, kernel):
        """`kernel` in the dtype of the inputs, and the factor that was taken out for its range."""
        if self._dtype != "float16":
            return ops.cast(kernel, self._dtype), None
        scale = ops.max(ops.maximum(max_abs(kernel, None) / self._largest_entry(kernel), 1.0))
        return ops.cast(kernel / scale, self._dtype), scale

    def _largest_entry(self, kernel):
        """The largest |entry| for which no sum over the window overflows float16."""
        entries = math.prod([kernel.shape[axis] for axis in self._linear_map.axes])
        return math.sqrt(FLOAT16_MAX / 2.0 / entries)

    def _max_abs(self, x):
        """max |x| over what a product may contain: a row, or all of an image."""
        return max_abs(x, -1 if self._linear_map is DENSE else _behind_batch(x))

    def _product(self, x):
        """The inner products, computed in the dtype of `x`."""
        if self._kernel_scale is None:
            return self._linear_map.product(x, self._kernel)
        most = ops.cast(self._max_abs(x), "float32")
        scale = ops.maximum(most / self._largest_entry(self._kernel), 1.0)
        x = ops.cast(ops.cast(x, "float32") / scale, self._dtype)
        product = self._linear_map.product(x, self._kernel)
        return ops.cast(product, "float32") * (scale * self._kernel_scale)


def _cast(scale, dtype):
    """A tensor in `dtype`; numbers and None as they are."""
    return ops.cast(scale, dtype) if hasattr(scale, "shape") else scale


def _without(x, axes):
    """`x` without `axes` of size 1. `ops.squeeze` takes one axis where torch exports to ONNX."""
    return ops.reshape(x, [size for axis, size in enumerate(x.shape) if axis not in axes])


def _squared_norms(x, axes):
    if len(axes) > 1:
        return sum_of_squares(x, axes)
    return total_of(lambda part: sum_of_squares(part, axes[0]), x, axes[0])


DENSE = LinearMap(
    product=matrix_product,
    squared_norms=lambda x: sum_of_squares(x, axis=-1),
    patches_and_columns=lambda x, kernel: [(x, kernel)],
    axes=(0,),
    operation="matmul",
    in_pieces=True,
)


def _behind_batch(x):
    """All axes but the batch, or the only one."""
    rank = len(x.shape)
    return tuple(range(min(1, rank - 1), rank))


def _direct(linear_map, x, kernel, x_scale):
    """The squared distances, from differences, `(..., features)`."""
    found, start = [], 0
    for patches, columns in linear_map.patches_and_columns(x, kernel):
        patches = ops.cast(patches, at_least_float32(x))
        if x_scale is not None:
            place = start if x_scale.shape[-1] > 1 else 0
            patches = patches * x_scale[..., place : place + 1]
        found.append(squared_distance(patches, columns))
        start += columns.shape[-1]
    return ops.concatenate(found, axis=-1)
