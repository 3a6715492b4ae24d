"""The elementary functions against NumPy, in both precisions."""

import numpy as np
import pytest
from keras import ops

from keras_yat._numerics import math
from tests.helpers import double_precision, draw, to_numpy

pytestmark = pytest.mark.optimized

WIDE = np.concatenate([np.linspace(-60.0, 60.0, 4001), np.geomspace(1e-30, 6e4, 2001)])


@pytest.mark.parametrize("name", ["sin", "cos", "tanh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elementary_functions(name, dtype):
    x = np.concatenate([WIDE, -WIDE]).astype(dtype)
    with double_precision():
        value = to_numpy(getattr(math, name)(ops.convert_to_tensor(x, dtype)))
    expected = getattr(np, name)(x.astype("float64"))
    assert value.dtype == dtype
    np.testing.assert_allclose(value, expected, rtol=0, atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["sin", "cos", "tanh"])
def test_large_inputs(name):
    """Bounded where float32 does not resolve the phase, and where it has overflowed."""
    x = np.float32([1e6, 1e9, 1e20, 3e38, -3e38, np.inf, -np.inf])
    assert np.all(np.abs(to_numpy(getattr(math, name)(ops.convert_to_tensor(x)))) <= 1.0 + 1e-6)
    assert np.all(
        np.isnan(to_numpy(getattr(math, name)(ops.convert_to_tensor(np.float32([np.nan])))))
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_expm1_keeps_its_digits_near_zero(dtype):
    x = -np.concatenate([[0.0], np.geomspace(1e-30, 60.0, 2001)]).astype(dtype)
    with double_precision():
        value = to_numpy(math.expm1(ops.convert_to_tensor(x, dtype)))
    rounding = np.finfo(dtype).eps
    np.testing.assert_allclose(value, np.expm1(x.astype("float64")), rtol=12 * rounding)


@pytest.mark.backends("torch")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_functions_keep_their_digits(dtype):
    """torch's compiler takes e^x - 1 for expm1, which has none of them near 0."""
    import torch

    def functions(x):
        gate, slope = math.tanh_softplus(x)
        return math.expm1(-torch.abs(x)), math.tanh(x), gate, slope()

    x = np.concatenate([[0.0], WIDE, -WIDE, 3.0 * draw((4000,)), [1e4, -1e4]]).astype(dtype)
    found = map(to_numpy, torch.compile(functions, fullgraph=True)(torch.tensor(x)))
    x = x.astype("float64")
    e = np.exp(-np.abs(x))
    n, rest = np.where(x > 0, (1.0 + 2.0 * e, e * e), (e * e + 2.0 * e, 1.0 + 0.0 * e))
    slope = np.where(x > 0, 4.0 * (1.0 + e) * e * e, 4.0 * e * (e + 1.0)) / (n + 2.0 * rest) ** 2
    expected = [np.expm1(-np.abs(x)), np.tanh(x), n / (n + 2.0 * rest), slope]
    rounding = np.finfo(dtype).eps
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        # Far out both exponents leave the range of float32.
        np.testing.assert_allclose(one, other, rtol=12 * rounding, atol=np.finfo(dtype).tiny)


@pytest.mark.backends("torch")
def test_compiled_functions_of_extreme_numbers():
    import torch

    def functions(x):
        return math.expm1(-torch.relu(x)), math.tanh(x), math.tanh_softplus(x)[0]

    x = torch.tensor([np.inf, 3e38, -3e38, -np.inf, np.nan])
    found = map(to_numpy, torch.compile(functions, fullgraph=True)(x))
    expected = [-1, -1, 0, 0, np.nan], [1, 1, -1, -1, np.nan], [1, 1, 0, 0, np.nan]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
