"""The Yat product: the one formula of every Yat layer, and its numerics.

A layer says how its inputs meet its kernel (a `Correlation`); the formula itself,
its gradient and the floor of the distance are in `_formula`.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._formula import (
    HALF_MAX,
    UNITS,
    Response,
    largest,
    squared_distance,
    sum_of_squares,
    unit_norm,
    wide,
)
from keras_yat._gradient import as_tensor
from keras_yat._math import is_double
from keras_yat._register import register

NORMALIZATIONS = (None, "kernel", "sphere")
DISTANCES = ("expanded", "direct")


@dataclass(frozen=True)
class Correlation:
    """How an input meets a kernel: all of a Yat layer that is not the formula.

    Attributes:
        product: From an input and a kernel to inner products `(..., features)`.
        squares: From an input to the squared norm of what each product saw:
            `(..., 1)`, or `(..., features)`.
        pairs: From an input and a kernel to pairs `(..., entries)` and
            `(entries, features)`, one a group: what the products are of.
        axes: The axes of the kernel that a product sums over.
    """

    product: Callable[[Any, Any], Any]
    squares: Callable[[Any], Any]
    pairs: Callable[[Any, Any], Sequence[tuple[Any, Any]]]
    axes: tuple[int, ...]


@register("yat_product")
def yat_product(
    x: Any,
    kernel: Any,
    bias: Any = None,
    epsilon: Any = 1e-5,
    *,
    alpha: Any = None,
    normalize: str | None = None,
    distance: str = "expanded",
) -> Any:
    """The Yat product: `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)` for each column w of `kernel`.

    It is largest where x is both aligned with w and near to it, never negative
    (for alpha ≥ 0), and needs no activation behind it. For entries of any
    dtype it is computed as the module says, and given in the dtype of `x`.

    Args:
        x: Tensor of shape `(..., entries)`. Integers become `floatx`.
        kernel: Tensor of shape `(entries, features)`.
        bias: b, inside the square: None for 0, a number, or a tensor of shape
            `(features,)`.
        epsilon: Number or scalar tensor above 0, in squared units of `x`.
        alpha: Factor of the result: None for 1, a number, or a scalar tensor.
        normalize: None; `"kernel"` for columns divided by their norms; or
            `"sphere"` for `x` divided by its norm as well, the distance then
            being `2 - 2·cos`. What is 0 stays 0.
        distance: `"expanded"` for `‖w‖² + ‖x‖² - 2⟨w, x⟩`, one matrix product;
            or `"direct"` for the sum of `(w - x)²`, exact to the last bits where
            x ≈ w too, values and gradients, and many times slower. (In float16
            gradients that near to a prototype are cut off, as its range is.)

    Returns:
        A tensor of shape `(..., features)`. float16 is cut off at 65504.

    Raises:
        ValueError: for shapes that do not fit, an epsilon that is not above 0, or
            an unknown name.

    Example:

    >>> x = np.array([[1.0, 2.0], [3.0, 0.0]], dtype="float32")
    >>> kernel = np.array([[1.0, 0.0], [1.0, 2.0]], dtype="float32")
    >>> keras_yat.ops.yat_product(x, kernel, epsilon=1.0).shape == (2, 2)
    True

    Reference:
        The neuron of the Yat networks; the formula is theirs, with the bias
        inside the square. The floor of the distance and `distance="direct"`
        are this package's.
    """
    x, kernel = as_tensor(x), as_tensor(kernel)
    if len(kernel.shape) != 2 or x.shape[-1:] != kernel.shape[:1]:
        _validate.refuse(
            "kernel",
            "have the shape (entries, features) for an x of shape (..., entries)",
            tuple(kernel.shape),
            x=tuple(x.shape),
        )
    _validate.one_of("normalize", normalize, NORMALIZATIONS)
    _validate.one_of("distance", distance, DISTANCES)
    if isinstance(epsilon, numbers.Real) or not hasattr(epsilon, "shape"):
        epsilon = _validate.number("epsilon", epsilon, above=0.0)
    return correlate(
        DENSE,
        x,
        kernel,
        bias=bias,
        epsilon=epsilon,
        alpha=alpha,
        normalize=normalize,
        distance=distance,
    )


def correlate(correlation: Correlation, x: Any, kernel: Any, **settings: Any) -> Any:
    """The Yat product of `x` and `kernel` as `correlation` has them meet.

    `settings`: as of `Neurons`.
    """
    x = as_tensor(x)
    return Neurons(correlation, kernel, x.dtype, **settings)(x)


class Neurons:
    """A kernel made ready to meet inputs: what does not depend on those is computed once.

    Args:
        correlation: How an input meets the kernel.
        kernel: The weights of the neurons.
        dtype: That of the inputs.
        bias: b of each neuron, a number, or None for 0.
        epsilon: Number or scalar tensor above 0.
        alpha: Factor of the outputs: a number, a scalar tensor, or None for 1.
        normalize: One of `NORMALIZATIONS`.
        distance: One of `DISTANCES`.
    """

    def __init__(
        self,
        correlation: Correlation,
        kernel: Any,
        dtype: Any,
        *,
        bias: Any = None,
        epsilon: Any = 1e-5,
        alpha: Any = None,
        normalize: str | None = None,
        distance: str = "expanded",
    ):
        self._correlation = correlation
        self._dtype = keras.backend.standardize_dtype(dtype)
        self._sphere = normalize == "sphere"
        axes = correlation.axes
        kernel = ops.cast(kernel, "float64" if self._dtype == "float64" else "float32")
        if normalize is not None:
            # The result does not depend on the scale; the squares might over- or underflow.
            kernel = kernel / largest(kernel, axes)
        square = sum_of_squares(kernel, axes)
        self._norms = self._direct_kernel = None
        if normalize is not None:
            scale, square = unit_norm(square)
            self._norms = ops.squeeze(scale, axes)
        expanded = distance == "expanded"
        if not expanded:
            self._direct_kernel = kernel if normalize is None else kernel * scale
        self.response = Response(
            kernel_square=ops.squeeze(square, axes) if expanded else 0.0,
            bias=0.0 if bias is None else bias,
            alpha=1.0 if alpha is None else alpha,
            epsilon=epsilon,
            unit=UNITS[self._dtype] if expanded else None,
            limit=HALF_MAX if self._dtype == "float16" else None,
        )
        self._kernel, self._kernel_scale = self._in_range(kernel)

    def __call__(self, x: Any) -> Any:
        """The outputs `(..., features)` for an input of the dtype."""
        return ops.cast(self.response(*self.meet(x)), self._dtype)

    def meet(self, x: Any) -> tuple[Any, Any]:
        """The inner products with `x`, and what `response` takes for its squared norm."""
        if self._sphere:
            x = x / ops.cast(self._largest_of(x), self._dtype)
        product = self._product(x)
        x_square = self._correlation.squares(x)
        x_scale = None
        if self._norms is not None:
            product = ops.cast(product, self._norms.dtype) * self._norms
        if self._sphere:
            x_scale, x_square = unit_norm(x_square)
            product = product * x_scale
        if self._direct_kernel is not None:
            x_square = _direct(self._correlation, x, self._direct_kernel, x_scale)
        return product, x_square

    def matrix(self) -> Any | None:
        """The kernel whose product with x `meet` gives, if it is as simple as that, else None.

        Then what goes with the product is the squared norm of x.
        """
        if self._sphere or self._direct_kernel is not None or self._kernel_scale is not None:
            return None
        if self._norms is None:
            return self._kernel
        return self._kernel * ops.cast(self._norms, self._dtype)

    def _in_range(self, kernel):
        """`kernel` in the dtype of the inputs, and what it was divided by to fit."""
        if self._dtype != "float16":
            return ops.cast(kernel, self._dtype), None
        scale = ops.max(ops.maximum(largest(kernel, None) / self._largest_entry(kernel), 1.0))
        return ops.cast(kernel / scale, self._dtype), scale

    def _largest_entry(self, kernel):
        """What entries can be without a sum over the window leaving float16."""
        entries = math.prod(kernel.shape[axis] for axis in self._correlation.axes)
        return math.sqrt(HALF_MAX / 2.0 / entries)

    def _largest_of(self, x):
        """max |x| of what one product may see: of a row, or of an image and not of its batch."""
        return largest(x, -1 if self._correlation is DENSE else _behind_batch(x))

    def _product(self, x):
        """The inner products, computed in the dtype of `x`."""
        if self._kernel_scale is None:
            return self._correlation.product(x, self._kernel)
        most = ops.cast(self._largest_of(x), "float32")
        scale = ops.maximum(most / self._largest_entry(self._kernel), 1.0)
        x = ops.cast(ops.cast(x, "float32") / scale, self._dtype)
        product = self._correlation.product(x, self._kernel)
        return ops.cast(product, "float32") * (scale * self._kernel_scale)


def _matrix_product(x, kernel):
    if is_double(x):
        # On torch `ops.matmul` lowers it to float32.
        return ops.einsum("...i,iu->...u", x, kernel)
    return ops.matmul(x, kernel)


DENSE = Correlation(
    product=_matrix_product,
    squares=lambda x: sum_of_squares(x, axis=-1),
    pairs=lambda x, kernel: [(x, kernel)],
    axes=(0,),
)


def _behind_batch(x):
    rank = len(x.shape)
    return tuple(range(min(1, rank - 1), rank))


def _direct(correlation, x, kernel, x_scale):
    """The squared distances from differences, `(..., features)`."""
    found, start = [], 0
    for patches, columns in correlation.pairs(x, kernel):
        patches = ops.cast(patches, wide(x))
        if x_scale is not None:
            place = start if x_scale.shape[-1] > 1 else 0
            patches = patches * x_scale[..., place : place + 1]
        found.append(squared_distance(patches, columns))
        start += columns.shape[-1]
    return ops.concatenate(found, axis=-1)
