"""The precision of products, and what it means for the distance ‖w‖² + ‖x‖² - 2⟨w, x⟩.

Some hardware rounds the factors of a float32 product: to TF32 (10 bits behind the leading one) on
NVIDIA GPUs, to bfloat16 (7 bits) on TPUs. The distance would then be wrong by up to 4u·‖w‖‖x‖,
u = 2^-(bits + 1). Therefore x and w are rounded in the same way before the product *and* the norms:
the distance is exact for the rounded vectors, which differ from the given ones by at most 2u·‖w‖ in
total where x ≈ w.

`half_floor` is the bound below which the distance cannot be known:

- The rounded vectors. A distance of at least 80·u²·‖w‖² is right to a factor of 1.5: with
  ‖w - x‖ = δ·‖w‖ it may be found as (δ - 2u)², and δ / (δ - 2u) is at most √1.5 from δ = 10.9·u on,
  where (δ - 2u)² is 79·u². A kernel of two rounded factors has 3u for 2u, and 178·u² for 79·u².
- The sums. A sum of n terms one after the other has a relative error of about √n/2 roundings, for
  terms of one sign. Twice its double, for ‖w‖² + ‖x‖² and 2⟨w, x⟩, is 2^-20·√n/8 in float32; not
  less than 2^-20, for few terms. Long sums are taken in pieces, see `matrix_product`.
- In half precision the product itself is rounded, which outweighs both. In float16 the floor is
  higher than that, as gradients must stay in its range: they contain 2q² + 2q with
  q = ⟨w, x⟩ / distance.

The precision is measured: `mantissa_bits`.
"""

import functools
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import config
from keras_yat._backend import constant_while_compiling
from keras_yat._numerics.gradients import with_custom_gradient
from keras_yat._numerics.math import is_double
from keras_yat._precisions import PRECISIONS
from keras_yat._sizes import is_known
from keras_yat._types import Tensor

LONGEST = 1024
"""The largest number of terms that `matrix_product` sums in one piece."""

ALL_BITS = 23
"""The bits behind the leading one of a float32 number."""

_BITS = {"float32": ALL_BITS, "float64": 52}
_SMALL_SUMS = {"float32": 2.0**-21, "float64": 2.0**-50}
_HALF_PRECISION = {"bfloat16": 2.0**-8, "float16": 2.0**-7}


def half_floor(dtype: str, bits: int, summed: float, roundings: int = 2) -> float:
    """Half the floor of the distance, in multiples of ‖w‖².

    Args:
        dtype: The dtype in which products are computed.
        bits: `mantissa_bits`.
        summed: Number of terms of a product, over the square of the number of its pieces.
        roundings: Number of rounded tensors: x and the factors of w.
    """
    if dtype in _HALF_PRECISION:
        return _HALF_PRECISION[dtype]
    return _SMALL_SUMS[dtype] * max(1.0, math.sqrt(summed) / 8.0) + 2.5 * roundings**2 * 4.0**-bits


def pieces(entries: int) -> int:
    """The number of pieces in which `matrix_product` sums `entries` terms."""
    return -(-entries // LONGEST)


def matrix_product(x: Tensor, kernel: Tensor) -> Tensor:
    """x·kernel. Long sums are taken in pieces: their rounding errors are then much smaller."""

    def forward(x, kernel):
        pairs = zip(_in_pieces(x, -1), _in_pieces(kernel, 0), strict=True)
        return _total([_product(*pair) for pair in pairs]), None

    def backward(upstream, _, x, kernel):
        # The sums of the gradients are others. Derived, they would be concatenated from pieces.
        rows, slopes = (ops.reshape(t, (-1, t.shape[-1])) for t in (x, upstream))
        of_x = _product(upstream, ops.transpose(kernel))
        return of_x, _product(ops.transpose(rows), slopes)

    size = kernel.shape[0]
    if not is_known(size) or size <= LONGEST:
        return _product(x, kernel)
    return with_custom_gradient(forward, backward)(x, kernel)


def exact_product(x: Tensor, kernel: Tensor) -> Tensor:
    """x·kernel, exact to float32 where products are rounded, for a `kernel` that is `rounded`."""
    parts = exact_parts(x, mantissa_bits("matmul", x))
    return _total([matrix_product(part, kernel) for part in parts])


def total_of(function: Any, x: Tensor, axis: int) -> Tensor:
    """`function(x)`, a sum over `axis`, for long sums as a total of pieces."""
    return _total([function(part) for part in _in_pieces(x, axis)])


def _in_pieces(x, axis):
    size = x.shape[axis]
    places = list(range(LONGEST, size, LONGEST)) if is_known(size) else []
    return ops.split(x, places, axis=axis) if places else [x]


def _product(x, kernel):
    if is_double(x):
        # On torch `ops.matmul` reduces it to float32.
        return ops.einsum("...i,iu->...u", x, kernel)
    return ops.matmul(x, kernel)


def _total(parts):
    while len(parts) > 1:
        odd = parts[len(parts) // 2 * 2 :]
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)] + odd
    return parts[0]


def rounded(x: Tensor, bits: int) -> Tensor:
    """`x` with a mantissa of `bits` bits, to nearest; the gradient is passed on unchanged."""
    if keras.backend.standardize_dtype(x.dtype) != "float32" or bits >= _BITS["float32"]:
        return x
    return x + ops.stop_gradient(_to_nearest(x, bits) - x)


def exact_parts(x: Tensor, bits: int) -> Iterator[Tensor]:
    """Tensors with mantissas of at most `bits` bits, whose sum is `x`."""
    count = -(-(1 + _BITS.get(keras.backend.standardize_dtype(x.dtype), bits)) // (1 + bits))
    for _ in range(count - 1):
        part = rounded(x, bits)
        yield part
        # The gradient belongs to the first part alone.
        x = ops.stop_gradient(x - part)
    yield x


def _to_nearest(x, bits):
    """A float32 `x` with a mantissa of `bits` bits, to nearest, ties to even.

    By its bits: compilers simplify conversions to a narrower dtype and back.
    """
    dropped = _BITS["float32"] - bits
    pattern = ops.view(x, "int32")
    one = ops.bitwise_and(ops.right_shift(pattern, dropped), 1)
    pattern = ops.bitwise_and(pattern + one + (2 ** (dropped - 1) - 1), -(2**dropped))
    return ops.view(pattern, "float32")


def mantissa_bits(operation: str, factor: Tensor, dtype: str | None = None) -> int:
    """The bits of the mantissa of a factor that the products of `keras.ops` keep.

    They are measured once for each operation, device and setting of the backend, in a thread of
    their own: a trace, and a scope of Keras, belong to a thread.

    Args:
        operation: `"matmul"`, `"conv"`, `"conv_transpose"` or `"depthwise_conv"`.
        factor: A factor of the product.
        dtype: That of the product; None: that of `factor`. All bits are kept in half precision
            and in float64.
    """
    dtype = keras.backend.standardize_dtype(factor.dtype) if dtype is None else dtype
    if dtype != "float32":
        return _BITS.get(dtype, ALL_BITS)
    known = config.product_precision()
    if known != "auto":
        return PRECISIONS[known]
    return _bits(operation, _device(factor))


@constant_while_compiling
def _bits(operation, device):
    # With the function: a replaced one is measured again.
    return _measured(getattr(ops, operation), operation, (device, *_settings()))


def _device(x):
    """The device of a tensor on torch. Elsewhere tensors in a trace have none."""
    if keras.backend.backend() != "torch" or x.device.type == "meta":
        return None
    return str(x.device)


@functools.lru_cache(maxsize=64)
def _measured(function, operation, settings):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_measure, function, operation, settings).result()


def _measure(function, operation, settings):
    size = 64
    # Sums with a single term each: 1 + 2^-j times 1.
    exponents = np.arange(size) % _BITS["float32"] + 1
    factors = (1.0 + 2.0**-exponents).astype("float32")
    with ExitStack() as stack:
        for scope in _scopes(settings):
            stack.enter_context(scope)
        exact = np.full(size, True)
        for x, w in ((np.diag(factors), np.eye(size)), (np.eye(size), np.diag(factors))):
            x, w = x.astype("float32"), w.astype("float32")
            if operation == "matmul":
                found = function(ops.convert_to_tensor(x), ops.convert_to_tensor(w))
            else:
                if operation == "depthwise_conv":
                    w = w.diagonal()[:, None]
                kernel = np.zeros((3, 3, *w.shape), "float32")
                kernel[1, 1] = w
                found = function(
                    ops.convert_to_tensor(x.reshape(1, 8, 8, size)),
                    ops.convert_to_tensor(kernel),
                    padding="same",
                    data_format="channels_last",
                )
            found = np.reshape(ops.convert_to_numpy(found), (size, size)).diagonal()
            exact &= found == factors
    wrong = exponents[~exact]
    return int(wrong.min()) - 1 if len(wrong) else _BITS["float32"]


def _settings():
    """The settings of the backend that products depend on."""
    backend = keras.backend.backend()
    if backend == "jax":
        jax = sys.modules["jax"]
        return jax.config.jax_default_matmul_precision, jax.config.jax_default_device
    if backend == "torch":
        torch = sys.modules["torch"]
        # Older versions have the first alone.
        names = ("cuda.matmul", "cudnn.conv", "mkldnn.matmul", "mkldnn.conv")
        each = (_attribute(torch.backends, f"{name}.fp32_precision") for name in names)
        return torch.get_float32_matmul_precision(), *each
    tf = sys.modules["tensorflow"]
    return (tf.config.experimental.tensor_float_32_execution_enabled(),)


def _attribute(found, path):
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _scopes(settings):
    """The settings that belong to a thread, as contexts."""
    device, *rest = settings
    if device is not None:
        yield keras.device(device)
    if keras.backend.backend() == "jax":
        jax: Any = sys.modules["jax"]
        precision, device = rest
        yield jax.default_matmul_precision(precision)
        yield jax.default_device(device)
