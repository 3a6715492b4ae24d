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
    ALL_BITS,
    half_floor,
    mantissa_bits,
    matrix_product,
    pieces,
    rounded,
)
from keras_yat._types import Tensor

NORMALIZATIONS = (None, "kernel", "sphere")
DISTANCES = ("expanded", "direct")


@dataclass(frozen=True)
class LinearMap:
    """The linear map between an input and a kernel, and the squared norms that belong to it.

    Attributes:
        product: Maps an input and the factors of a kernel to inner products `(..., features)`.
        squared_norms: Maps an input to the squared norm of each patch: `(..., 1)`, or
            `(..., features)` with groups.
        patches_and_columns: Maps an input and a kernel to the factors of the products: the patches
            `(..., entries)` and the weights `(entries, features)`, or with groups
            `(..., groups, entries)` and `(groups, entries, features / groups)`.
        axes: The axes of the kernel over which a product sums.
        operations: For each factor of the kernel the argument of `products.mantissa_bits`.
        compose: Maps the factors to the kernel. There is a single factor, the kernel, by default.
        terms: The number of products of factors whose sum is an entry of the kernel.
        in_pieces: Whether long sums are taken in pieces.
    """

    product: Callable[..., Tensor]
    squared_norms: Callable[[Tensor], Tensor]
    patches_and_columns: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    axes: tuple[int, ...]
    operations: tuple[str, ...]
    compose: Callable[..., Tensor] = lambda kernel: kernel
    terms: int = 1
    in_pieces: bool = False

    def entries(self, shape: Sequence[int]) -> int:
        """The number of weights of a neuron, for the shape of a kernel."""
        return math.prod([shape[axis] for axis in self.axes])

    def neurons(self, shape: Sequence[int]) -> int:
        """The number of neurons, for the shape of a kernel."""
        return math.prod(shape) // self.entries(shape)

    def half_floor(self, kernel: Tensor, dtype: str, bits: int) -> float:
        """Half the floor of the distance: see `products`."""
        entries = self.entries(kernel.shape)
        count = pieces(entries) if self.in_pieces else 1
        return half_floor(dtype, bits, self.terms * entries / count**2, 1 + len(self.operations))


class PreparedKernel:
    """A kernel with everything computed that does not depend on the input.

    Args:
        linear_map: The linear map between input and kernel.
        kernel: The weights of the neurons, or a tuple of the factors of the linear map.
        dtype: The dtype of the inputs.
        bias: b of each neuron, a number, or None for 0.
        epsilon: Number or scalar tensor above 0.
        alpha: Factor of the outputs: a number, a scalar tensor, or None for 1.
        normalize: One of `NORMALIZATIONS`.
        distance: One of `DISTANCES`.
        multiplier: Factor of the kernel: the weights of the neurons are `multiplier·kernel`.

    With several factors the norms are those of the composed kernel, in float32, while the product
    applies one factor after the other: products are rounded between them, not the composed kernel.
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
        factors = [ops.cast(f, wide) for f in (kernel if isinstance(kernel, tuple) else (kernel,))]
        bias, epsilon, alpha = (_cast(scale, wide) for scale in (bias, epsilon, alpha))
        if normalize is not None:
            # The result does not depend on the scale; the squares might over- or underflow.
            factors[-1] = factors[-1] / max_abs(linear_map.compose(*factors), axes)
            multiplier = 1.0
        pairs = list(zip(linear_map.operations, factors, strict=True))
        expanded = distance == "expanded"
        # Differences are those of the given numbers, whatever the product does.
        each = [
            mantissa_bits(operation, factor, self._dtype) if expanded else ALL_BITS
            for operation, factor in pairs
        ]
        self._bits, least = each[0], min(each)
        factors = [rounded(factor, bits) for factor, bits in zip(factors, each, strict=True)]
        kernel = linear_map.compose(*factors)
        square = _squared_norms(kernel, axes)
        self._norms = self._direct_kernel = None
        if normalize is not None:
            scale, square = unit_norm(square)
            self._norms = _flat(scale)
        if not expanded:
            self._direct_kernel = kernel * (multiplier if normalize is None else scale)
        self.formula: YatFormula = YatFormula(
            kernel_square=_flat(square) if expanded else 0.0,
            bias=0.0 if bias is None else bias,
            alpha=1.0 if alpha is None else alpha,
            epsilon=epsilon,
            floor=linear_map.half_floor(kernel, self._dtype, least) if expanded else None,
            limit=FLOAT16_MAX if self._dtype == "float16" else None,
            multiplier=multiplier,
        )
        self._largest_entry = math.sqrt(FLOAT16_MAX / 2.0 / linear_map.entries(kernel.shape))
        self._factors, self._kernel_scale = self._in_range(factors)

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
            return self._factors[0]
        kernel = self._factors[0] * ops.cast(self._norms, self._dtype)
        # Where products are rounded, the norm of the rounded kernel is no longer 1.
        return kernel if self.factor(kernel) is kernel else None

    def factor(self, x: Tensor) -> Tensor:
        """`x` as a factor of the product: rounded where products are."""
        return rounded(x, self._bits)

    def _in_range(self, factors):
        """`factors` in the dtype of the inputs, and the number that was taken out for the range.

        No sum overflows float16 if the entries of the input and of the first factor are at most
        `_largest_entry`, and those of a further factor at most 1 / `terms`.
        """
        if self._dtype != "float16":
            return [ops.cast(factor, self._dtype) for factor in factors], None
        found, total = [], 1.0
        for i, factor in enumerate(factors):
            most = 1.0 / self._linear_map.terms if i else self._largest_entry
            scale = ops.max(ops.maximum(max_abs(factor, None) / most, 1.0))
            found.append(ops.cast(factor / scale, self._dtype))
            total = total * scale
        return found, total

    def _max_abs(self, x):
        """max |x| over what a product may contain: a row, or all of an image."""
        return max_abs(x, -1 if self._linear_map is DENSE else _behind_batch(x))

    def _product(self, x):
        """The inner products, computed in the dtype of `x`."""
        if self._kernel_scale is None:
            return self._linear_map.product(x, *self._factors)
        most = ops.cast(self._max_abs(x), "float32")
        scale = ops.maximum(most / self._largest_entry, 1.0)
        x = ops.cast(ops.cast(x, "float32") / scale, self._dtype)
        product = self._linear_map.product(x, *self._factors)
        return ops.cast(product, "float32") * (scale * self._kernel_scale)


def _cast(scale, dtype):
    """A tensor in `dtype`; numbers and None as they are."""
    return ops.cast(scale, dtype) if hasattr(scale, "shape") else scale


def _flat(x):
    """`x`, with a value for each neuron, as a vector."""
    return ops.reshape(x, (math.prod(x.shape),))


def _squared_norms(x, axes):
    return sum_of_squares(x, axes if len(axes) > 1 else axes[0], in_pieces=True)


DENSE = LinearMap(
    product=matrix_product,
    squared_norms=lambda x: sum_of_squares(x, axis=-1),
    patches_and_columns=lambda x, kernel: (x, kernel),
    axes=(0,),
    operations=("matmul",),
    in_pieces=True,
)


def _behind_batch(x):
    """All axes but the batch, or the only one."""
    rank = len(x.shape)
    return tuple(range(min(1, rank - 1), rank))


def _direct(linear_map, x, kernel, x_scale):
    """The squared distances, from differences, `(..., features)`."""
    patches, columns = linear_map.patches_and_columns(x, kernel)
    patches = ops.cast(patches, at_least_float32(x))
    grouped = len(columns.shape) > 2
    if x_scale is not None:
        if grouped:
            step = columns.shape[-1] if x_scale.shape[-1] > 1 else 1
            x_scale = ops.expand_dims(x_scale[..., ::step], -1)
        patches = patches * x_scale
    found = squared_distance(patches, columns)
    if grouped:
        found = ops.reshape(found, (*ops.shape(found)[:-2], columns.shape[0] * columns.shape[-1]))
    return found
