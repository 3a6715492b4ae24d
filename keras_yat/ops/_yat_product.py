"""The Yat product as a pure function."""

from __future__ import annotations

import numbers

from keras_yat import _validate
from keras_yat._numerics.gradients import as_tensor
from keras_yat._numerics.prepared_kernel import DENSE, DISTANCES, NORMALIZATIONS, PreparedKernel
from keras_yat._register import register
from keras_yat._sizes import fits
from keras_yat._types import Tensor


@register("yat_product")
def yat_product(
    x: Tensor,
    kernel: Tensor,
    bias: float | Tensor | None = None,
    epsilon: float | Tensor = 1e-5,
    *,
    alpha: float | Tensor | None = None,
    normalize: str | None = None,
    distance: str = "expanded",
) -> Tensor:
    """The Yat product: `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)` for each column w of `kernel`.

    The output is large when x points along w and lies close to it. It is never negative (for
    alpha ≥ 0) and needs no activation. The inner product is computed in the dtype of `x`, all else
    in float32 or wider.

    Args:
        x: Tensor of shape `(..., entries)`. Integers become `floatx`.
        kernel: Tensor of shape `(entries, features)`.
        bias: b: None for 0, a number, or a tensor of shape `(features,)`.
        epsilon: Number or scalar tensor above 0, in squared units of `x`.
        alpha: Factor of the output: None for 1, a number, or a scalar tensor.
        normalize: None; `"kernel"` to divide each column by its norm; or `"sphere"` to divide `x`
            by its norm as well, so that the distance is `2 - 2·cos`. Vectors of zeros stay zero.
        distance: `"expanded"`: `‖w‖² + ‖x‖² - 2⟨w, x⟩`, a single matrix product. `"direct"`: the
            sum of `(w - x)²`, many times slower, with exact values and gradients even where
            x ≈ w. In float16 such gradients are clipped to its range.

    Returns:
        A tensor of shape `(..., features)` in the dtype of `x`. float16 is clipped to ±65504.

    Raises:
        ValueError: If shapes do not match, `epsilon` is not above 0, or a name is unknown.

    Example:

    >>> x = np.array([[1.0, 2.0], [3.0, 0.0]], dtype="float32")
    >>> kernel = np.array([[1.0, 0.0], [1.0, 2.0]], dtype="float32")
    >>> keras_yat.ops.yat_product(x, kernel, epsilon=1.0).shape == (2, 2)
    True

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024; arXiv:2605.03262 and
        arXiv:2603.12276. The floor of the distance and `distance="direct"` are this package's.
    """
    x, kernel = as_tensor(x), as_tensor(kernel)
    if len(kernel.shape) != 2 or not fits(x.shape[-1], kernel.shape[0]):
        _validate.invalid_argument(
            "kernel",
            "have the shape (entries, features) for an x of shape (..., entries)",
            tuple(kernel.shape),
            x=tuple(x.shape),
        )
    _validate.one_of("normalize", normalize, NORMALIZATIONS)
    _validate.one_of("distance", distance, DISTANCES)
    if isinstance(epsilon, numbers.Real) or not hasattr(epsilon, "shape"):
        epsilon = _validate.number("epsilon", epsilon, above=0.0)
    prepared = PreparedKernel(
        DENSE,
        kernel,
        x.dtype,
        bias=bias,
        epsilon=epsilon,
        alpha=alpha,
        normalize=normalize,
        distance=distance,
    )
    return prepared(x)
