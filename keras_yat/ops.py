"""The Yat product: the one formula of every Yat layer, and its numerics.

A layer says how its inputs meet its kernel (a `Correlation`). The formula, its
gradient, the precision and the floor of the distance are here alone.

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

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import _validate, config
from keras_yat._gradient import as_tensor, differentiable, sum_to
from keras_yat._math import is_double
from keras_yat._register import register

__all__ = ["yat_product"]

NORMALIZATIONS = (None, "kernel", "sphere")
DISTANCES = ("expanded", "direct")

_HALF_MAX = float(np.finfo("float16").max)
_HALF_RATIOS = {"expanded": 2.0**7, "direct": 2.0**9}
"""Largest 2z / (distance + ε) in a gradient in float16, which has its square in it."""


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


def correlate(
    correlation: Correlation,
    x: Any,
    kernel: Any,
    *,
    bias: Any = None,
    epsilon: Any = 1e-5,
    alpha: Any = None,
    normalize: str | None = None,
    distance: str = "expanded",
) -> Any:
    """The Yat product of `x` and `kernel` as `correlation` has them meet."""
    x = as_tensor(x)
    dtype = keras.backend.standardize_dtype(x.dtype)
    kernel = ops.cast(kernel, _wide(x))
    if normalize is not None:
        # The result does not depend on the scale; the squares might over- or underflow.
        kernel = kernel / _largest(kernel, correlation.axes)
    if normalize == "sphere":
        x = x / ops.cast(_largest(x, _behind_batch(x)), dtype)
    product = _product(correlation, x, kernel)
    x_square = correlation.squares(x)
    kernel_square = sum_of_squares(kernel, correlation.axes)
    x_scale = kernel_scale = None
    if normalize is not None:
        kernel_scale, kernel_square = _unit_norm(kernel_square)
        product = ops.cast(product, kernel.dtype) * ops.squeeze(kernel_scale, correlation.axes)
    if normalize == "sphere":
        x_scale, x_square = _unit_norm(x_square)
        product = product * x_scale
    if distance == "expanded":
        kernel_square = ops.squeeze(kernel_square, correlation.axes)
        unit: float | None = _UNITS[dtype]
    else:
        if normalize is not None:
            kernel = kernel * kernel_scale
        x_square = _direct(correlation, x, kernel, x_scale)
        kernel_square, unit = 0.0, None
    result = _yat(
        product,
        x_square,
        kernel_square,
        0.0 if bias is None else bias,
        1.0 if alpha is None else alpha,
        epsilon,
        unit=unit,
        limit=_HALF_MAX if dtype == "float16" else None,
    )
    return ops.cast(result, dtype)


def sum_of_squares(x: Any, axis: int | tuple[int, ...]) -> Any:
    """Σ x² along `axis`, which stays with size 1, in float32 or wider. Keeps `x` alone."""
    wide = _wide(x)

    def plain(x):
        return ops.sum(ops.square(ops.cast(x, wide)), axis=axis, keepdims=True)

    def with_gradient(x):
        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,), args = args, (x,)
            return ops.cast(ops.cast(args[0], wide) * (2.0 * upstream), args[0].dtype)

        return plain(x), grad

    return (
        ops.custom_gradient(with_gradient)(x) if config.is_custom_gradient_enabled() else plain(x)
    )


def squared_distance(x: Any, kernel: Any) -> Any:
    """‖x - w‖² for each column w of `kernel`, from the differences: nothing cancels.

    One column after the other, so that the memory is a few times that of `x`; the
    gradient is summed from the same differences.
    """
    behind = tuple(range(len(x.shape) - 1))
    features = kernel.shape[-1]

    def plain(x, kernel):
        def distance(w):
            return ops.sum(ops.square(x - w), axis=-1)

        return ops.moveaxis(ops.map(distance, ops.transpose(kernel)), 0, -1)

    def with_gradient(x, kernel):
        def grad(*args, upstream=None):
            if upstream is None:
                (upstream,), args = args, (x, kernel)
            at, rows = args[0], ops.transpose(args[1])
            slopes = ops.moveaxis(2.0 * upstream, -1, 0)

            def of_row(pair):
                w, slope = pair
                return ops.sum(ops.expand_dims(slope, -1) * (w - at), axis=behind)

            def add(i, total):
                slope, w = ops.take(slopes, i, axis=0), ops.take(rows, i, axis=0)
                return total + ops.expand_dims(slope, -1) * (at - w)

            of_x = ops.fori_loop(0, features, add, ops.zeros_like(at))
            return of_x, ops.transpose(ops.map(of_row, (rows, slopes)))

        return plain(x, kernel), grad

    if not config.is_custom_gradient_enabled():
        return plain(x, kernel)
    return ops.custom_gradient(with_gradient)(x, kernel)


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

# What the floor of the distance is made of: see the top.
_UNITS = {"float64": 2.0**-50, "float32": 2.0**-21, "bfloat16": 2.0**-8, "float16": 2.0**-7}


def _wide(x):
    return "float64" if is_double(x) else "float32"


def _behind_batch(x):
    rank = len(x.shape)
    return tuple(range(min(1, rank - 1), rank))


def _largest(x, axis):
    """max |x| along `axis` as a constant, 1 where it is 0."""
    largest = ops.stop_gradient(ops.max(ops.abs(x), axis=axis, keepdims=True, initial=0.0))
    return ops.where(largest > 0, largest, ops.ones_like(largest))


def _unit_norm(square):
    """1 / norm, and the squared norm after division by it: both 0 for what is 0."""
    zero = square == 0
    inverse = ops.where(zero, 0.0, ops.rsqrt(ops.where(zero, 1.0, square)))
    return inverse, ops.cast(ops.logical_not(zero), square.dtype)


def _product(correlation, x, kernel):
    """The inner products, computed in the dtype of `x`."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype != "float16":
        return correlation.product(x, ops.cast(kernel, dtype))
    # Entries up to the limit cannot take a sum over the window out of range.
    entries = math.prod(kernel.shape[axis] for axis in correlation.axes)
    limit = math.sqrt(_HALF_MAX / 2.0 / entries)
    x_scale = ops.maximum(ops.cast(_largest(x, _behind_batch(x)), "float32") / limit, 1.0)
    kernel_scale = ops.max(ops.maximum(_largest(kernel, None) / limit, 1.0))
    x = ops.cast(ops.cast(x, "float32") / x_scale, dtype)
    product = correlation.product(x, ops.cast(kernel / kernel_scale, dtype))
    return ops.cast(product, "float32") * (x_scale * kernel_scale)


def _direct(correlation, x, kernel, x_scale):
    """The squared distances from differences, `(..., features)`."""
    found, start = [], 0
    for patches, columns in correlation.pairs(x, kernel):
        patches = ops.cast(patches, _wide(x))
        if x_scale is not None:
            place = start if x_scale.shape[-1] > 1 else 0
            patches = patches * x_scale[..., place : place + 1]
        found.append(squared_distance(patches, columns))
        start += columns.shape[-1]
    return ops.concatenate(found, axis=-1)


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


@differentiable(_gradient, by_row=True, aligned=True)
def _yat(product, x_square, kernel_square, bias, alpha, epsilon, *, unit, limit):
    z, ratio, _ = _parts(product, x_square, kernel_square, bias, epsilon, unit)
    result = z * ratio * (0.5 * alpha)
    # What is cut off keeps its gradient.
    return result if limit is None else ops.clip(result, -limit, limit)
