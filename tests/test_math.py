"""The elementary functions against NumPy, in both precisions."""

import numpy as np
import pytest
from keras import ops

from keras_yat._numerics import math
from tests.helpers import double_precision, to_numpy

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
