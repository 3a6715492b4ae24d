"""Inputs at which a straightforward implementation fails."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import reference
from tests.activations.test_values import (
    CASE,
    POINTWISE,
    definition_of,
    float32_parameters,
    function_of,
)
from tests.helpers import double_precision, to_numpy, value_and_gradients
from tests.reference import CASES

pytestmark = pytest.mark.usefixtures("form")
HALVES = ("float16", "bfloat16")


def evaluate(case, x, dtype="float32"):
    parameters = [np.float32(p) for p in case.parameters.values()]
    value, gradients = value_and_gradients(
        function_of(case), ops.cast(np.float32(x), dtype), *parameters
    )
    assert keras.backend.standardize_dtype(value.dtype) == dtype
    return to_numpy(value), [to_numpy(g) for g in gradients]


@POINTWISE
def test_to_the_end_of_float32(case):
    """Waves may have any phase there. Slopes do not grow: a factor of an underflow is 0."""
    x = np.float32([1e3, 1e6, 1e10, 1e17, 1e30, 3e38])
    x = np.concatenate([x, -x])
    value, (of_x, *_) = evaluate(case, x)
    truth = definition_of(case)(x.astype("float64"), *float32_parameters(case).values())
    fits = np.abs(truth) < np.finfo("float32").max
    np.testing.assert_allclose(value[fits], truth[fits], rtol=1e-5, atol=10.0)
    assert not np.any(np.isnan(value))
    assert case.grows or np.all(np.abs(of_x) < 20.0)


def test_mila_far_above_zero():
    """A slope of 1, in float32 and float64."""
    x = [45.0, 1e3, 1e10, 1e17]
    _, (of_x, of_beta) = value_and_gradients(
        keras_yat.activations.mila, np.float32(x), np.full(4, 0.5, "float32")
    )
    np.testing.assert_array_equal(to_numpy(of_x), 1.0)
    np.testing.assert_allclose(to_numpy(of_beta), 0.0, atol=1e-30)


@pytest.mark.parametrize("n", [0.1, 1 / 3])
def test_numbers_keep_float64(n):
    """On torch `keras.ops` rounds Python numbers to float32."""
    with double_precision():
        value = keras_yat.activations.relun(np.ones(2), n)
        assert keras.backend.standardize_dtype(value.dtype) == "float64"
        np.testing.assert_array_equal(to_numpy(value), n)
        layer = keras_yat.ReLUN(0.5, bounds={"n": (n, None)}, dtype="float64")
        layer(np.ones(2))
        layer.n.assign(0.0)
        np.testing.assert_array_equal(to_numpy(layer(np.ones(2))), n)


@CASE
@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_finite_up_to_6e4(case, dtype):
    x = np.concatenate([[0.0, 1e-45, 1e-38, 1e-30, 6e-8], np.geomspace(1e-6, 6e4, 60)])
    x = np.concatenate([x, -x])[None]
    value, gradients = evaluate(case, x, dtype)
    # 6e4 is near the largest float16: a value may exceed it.
    past = 65504.0 if dtype == "float16" else np.inf
    truth = definition_of(case)(x, *case.parameters.values())
    assert np.all(np.isfinite(value) | (np.abs(truth) > past))
    # For n < 1 the slope of a squasher near 0 exceeds the range of float16.
    steep = case.settings.get("power") == 0.5 and dtype == "float16"
    steep = steep or (case.grows and dtype == "float16")
    assert all(np.all(np.isfinite(g)) for g in gradients) or steep


@CASE
def test_nan_in_nan_out(case):
    value, _ = evaluate(case, [[np.nan, 1.0]])
    assert np.isnan(value[0, 0])
    assert np.isnan(value[0, 1]) == (case.name == "softermax")


@CASE
def test_integers_become_floats(case):
    parameters = [np.float32(p) for p in case.parameters.values()]
    whole = function_of(case)(np.array([[-2, 0, 3]], "int32"), *parameters)
    assert keras.backend.standardize_dtype(whole.dtype) == "float32"
    value, _ = evaluate(case, [[-2.0, 0.0, 3.0]])
    np.testing.assert_allclose(to_numpy(whole), value, rtol=1e-6)


# A softermax needs at least one entry along its axis.
SHAPES = [
    (case, shape)
    for case in CASES
    for shape in ((), (0,), (1,), (0, 4), (2, 1, 3, 1, 2))
    if case.name != "softermax" or (shape and 0 not in shape)
]


@pytest.mark.parametrize(("case", "shape"), SHAPES, ids=lambda v: getattr(v, "id", str(v)))
def test_any_shape(case, shape):
    value, gradients = evaluate(case, np.full(shape, 0.5))
    assert value.shape == gradients[0].shape == shape


@pytest.mark.parametrize("name", ["delu", "helu"])
@pytest.mark.parametrize(("dtype", "x"), [("float32", -100.0), ("float16", -12.0)])
def test_delu_far_below_zero(name, dtype, x):
    """A mask times a branch would be NaN; a single `where` would have a NaN gradient."""
    value, (gradient,) = value_and_gradients(
        getattr(keras_yat.activations, name), ops.cast(np.float32([x, -x]), dtype)
    )
    expected = [x / (1 + np.exp(-x)), 0.5 * -x + 1 - np.exp(x)]
    np.testing.assert_allclose(to_numpy(value), expected, rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(to_numpy(gradient)[1], 0.5, rtol=1e-3)
    assert abs(to_numpy(gradient)[0]) < 1e-3


def test_nami_at_infinity():
    """The unused sine branch must not make the gradient NaN."""
    value, gradients = value_and_gradients(
        keras_yat.activations.nami, np.float32([np.inf]), *np.float32([[0.3], [1.0], [1.5]])
    )
    assert to_numpy(value)[0] == 1.0
    assert all(np.all(to_numpy(g) == 0.0) for g in gradients)


@pytest.mark.parametrize("n", [-1.0, 0.0])
def test_relun_with_a_maximum_at_or_below_zero(n):
    value, _ = value_and_gradients(
        keras_yat.activations.relun, np.float32([-3.0, 0.0, 2.0]), np.float32(n)
    )
    np.testing.assert_array_equal(to_numpy(value), [n, n, n])


def test_relun_at_its_kinks_is_the_same_on_every_backend():
    _, (by_x, by_n) = value_and_gradients(
        keras_yat.activations.relun, np.float32([0.0, 1.0]), np.float32([1.0, 1.0])
    )
    np.testing.assert_array_equal(to_numpy(by_x), [0.0, 0.0])
    np.testing.assert_array_equal(to_numpy(by_n), [0.0, 1.0])


@pytest.mark.parametrize("name", ["nami", "delu", "shilu", "relun"])
def test_slope_at_zero_is_the_left_derivative(name):
    _, (slope,) = value_and_gradients(getattr(keras_yat.activations, name), np.float32([0.0]))
    below = {"nami": 0.2, "delu": 0.5, "shilu": 0.0, "relun": 0.0}[name]
    np.testing.assert_allclose(to_numpy(slope), [below], rtol=1e-6)


def test_scaled_softsign_does_not_overflow_float16():
    value = keras_yat.activations.scaled_softsign(ops.cast(np.float32([6e4]), "float16"), 100.0)
    np.testing.assert_allclose(to_numpy(value), [100.0], rtol=1e-3)


@pytest.mark.parametrize("x", [8e37, 3e38])
def test_scaled_softsign_at_the_end_of_float32(x):
    value = keras_yat.activations.scaled_softsign(np.float32([x, -x]), 2.0)
    np.testing.assert_allclose(to_numpy(value), [2.0, -2.0], rtol=1e-6)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_norm_lincomb_with_a_sum_near_zero(sign):
    """The magnitude of the sum is floored; its sign stays and gradients are finite."""
    x, names = np.float32([2.0]), ["relu", "linear"]
    for gap in (0.5, 1e-2, 1e-5):
        value, gradients = value_and_gradients(
            lambda x, c: keras_yat.activations.norm_lincomb(x, c, names, norm="sum"),
            x,
            np.float32([1.0 + sign * gap, -1.0]),
        )
        expected = 2.0 * sign * gap / (sign * max(gap, 1e-3))
        np.testing.assert_allclose(to_numpy(value), [expected], rtol=2e-2)
        assert all(np.all(np.isfinite(to_numpy(g))) for g in gradients)


@pytest.mark.parametrize("norm", ["l2", "l1", "sum"])
def test_norm_lincomb_with_zero_coefficients(norm):
    value, gradients = value_and_gradients(
        lambda x, c: keras_yat.activations.norm_lincomb(x, c, norm=norm),
        np.float32([2.0]),
        np.zeros(4, "float32"),
    )
    assert np.all(to_numpy(value) == 0.0)
    assert all(np.all(np.isfinite(to_numpy(g))) for g in gradients)


def test_mila_of_a_large_input():
    value = keras_yat.activations.mila(np.float32([88.0, 1e3, 3e38]))
    np.testing.assert_allclose(to_numpy(value), [88.0, 1e3, 3e38], rtol=1e-6)


@pytest.mark.parametrize("power", [1, 3, 0.5])
@pytest.mark.parametrize("name", ["softer_sigmoid", "score_tanh", "softermax"])
def test_a_negative_score_counts_as_zero(name, power):
    function = getattr(keras_yat.activations, name)
    value, (gradient,) = value_and_gradients(
        lambda x: function(x, power), np.float32([[-3.0, -1e-9, 0.0, 2.0]])
    )
    zero = to_numpy(function(np.float32([[0.0, 0.0, 0.0, 2.0]]), power))
    np.testing.assert_array_equal(to_numpy(value), zero)
    np.testing.assert_array_equal(to_numpy(gradient)[0, :3], 0.0)


@pytest.mark.parametrize("power", [1, 3, 10])
def test_squashers_where_the_power_overflows(power):
    x = np.float32([[1e15, 3e38, 2e15]])
    for name in ("softer_sigmoid", "soft_tanh", "score_tanh"):
        function = getattr(keras_yat.activations, name)
        value, (gradient,) = value_and_gradients(lambda x, f=function: f(x, power), x)
        np.testing.assert_allclose(to_numpy(value), 1.0, rtol=1e-6)
        assert np.all(np.isfinite(to_numpy(gradient)))
    value, (gradient,) = value_and_gradients(
        lambda x: keras_yat.activations.softermax(x, power), x[:, [0, 2]]
    )
    share = 1 / (1 + 2.0**power)
    np.testing.assert_allclose(to_numpy(value), [[share, 1 - share]], rtol=1e-4)
    assert np.all(np.isfinite(to_numpy(gradient)))


@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_soft_tanh_slope_at_zero(power):
    _, (slope,) = value_and_gradients(
        lambda x: keras_yat.activations.soft_tanh(x, power), np.float32([0.0])
    )
    np.testing.assert_array_equal(to_numpy(slope), [1.0 if power == 1 else 0.0])


def test_softermax_of_zeros_is_zeros():
    value, (gradient,) = value_and_gradients(
        keras_yat.activations.softermax, np.zeros((2, 3), "float32")
    )
    assert np.all(to_numpy(value) == 0.0)
    assert np.all(np.isfinite(to_numpy(gradient)))


@pytest.mark.parametrize(
    ("power", "x"), [(1, 2e37), (2, 1.2e38), (0.5, 1.2e38), (2, np.inf), (0.5, np.inf)]
)
def test_squashers_at_the_end_of_float32(power, x):
    for name in ("softer_sigmoid", "soft_tanh", "score_tanh"):
        function = getattr(keras_yat.activations, name)
        value, (gradient,) = value_and_gradients(lambda x, f=function: f(x, power), np.float32([x]))
        np.testing.assert_allclose(to_numpy(value), [1.0], rtol=1e-6)
        assert np.all(np.isfinite(to_numpy(gradient)))
    value = keras_yat.activations.softermax(np.float32([[x, 0.0, x]]), power)
    np.testing.assert_allclose(to_numpy(value), [[0.5, 0.0, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "of_parameter"),
    [
        ((300_000,), (2, 1)),
        ((300_000,), (2, 1, 1)),
        ((3, 100_000), (2, 1, 1)),
        ((9, 1), (1, 40_000)),
    ],
)
def test_parameters_that_broadcast_beyond_a_large_input(shape, of_parameter):
    """The output has other rows than the input."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    beta = np.linspace(-1.0, 1.0, np.prod(of_parameter)).reshape(of_parameter).astype("float32")
    value, (of_x, of_beta) = value_and_gradients(keras_yat.activations.mila, x, beta)
    expected = reference.mila(np.float64(x), np.float64(beta))
    np.testing.assert_allclose(to_numpy(value), expected, rtol=1e-5, atol=1e-6)
    assert tuple(of_x.shape) == shape
    assert tuple(of_beta.shape) == of_parameter
