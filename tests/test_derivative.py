"""Derivatives on any backend against the definitions, without side effects."""

import random

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat import _derivative, activations
from tests import reference
from tests.helpers import to_numpy

CASES = [case for case in reference.CASES if case.name != "softermax"]
TRAINED = [c for c in CASES if c.parameters and not c.settings]
BY_ID = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
X = np.linspace(-6.0, 6.0, 61, dtype="float32") + np.float32(0.03)
# The size of the arrays for second derivatives: JAX compiles each size separately.
TWICE = np.concatenate([X, X + np.float32(0.1)])


def arguments(case):
    return {n: np.asarray(v).tolist() for n, v in {**case.parameters, **case.settings}.items()}


def oracle(case):
    power = {n: v for n, v in case.settings.items() if n != "norm"}
    return lambda x: case.definition(x, **case.parameters, **power)


@pytest.mark.spread
@BY_ID
def test_values_and_slopes_agree_with_the_definition(case):
    copy, define = _derivative.copy_of(case.name, **arguments(case)), oracle(case)
    x = TWICE.astype("float64")
    slope = reference.slope(define, x)
    np.testing.assert_allclose(_derivative.values(copy, TWICE), define(x), atol=2e-6)
    found = _derivative.slopes(copy, TWICE)
    np.testing.assert_allclose(found, slope, atol=2e-6 * np.abs(slope).max())


@BY_ID
def test_second_derivatives_are_right_to_a_thousandth(case):
    copy, define = _derivative.copy_of(case.name, **arguments(case)), oracle(case)
    x = X.astype("float64")
    away = np.all([np.abs(x - kink) > 0.25 for kink in (*case.kinks, np.inf)], axis=0)
    exact = reference.slope(lambda at: reference.slope(define, at), x)[away]
    found = _derivative.second_derivative(copy, X)[away]
    np.testing.assert_allclose(found, exact, atol=1e-3 * max(np.abs(exact).max(), 0.01))


@pytest.mark.spread
@pytest.mark.parametrize("case", TRAINED, ids=[case.id for case in TRAINED])
def test_partials_agree_with_the_definition(case):
    layer = type(activations.get(case.name))(**arguments(case))
    x, at = np.meshgrid(X[::4], np.array([0.31, 0.9, 2.2], dtype="float32"))
    wide_x, wide_at = x.astype("float64"), at.astype("float64")
    for parameter in _derivative.parameters_of(layer):
        name, entry = _derivative._place(parameter)

        def define(x, at, name=name, entry=entry):
            values = {n: np.multiply.outer(v, np.ones(x.shape)) for n, v in case.parameters.items()}
            values[name][entry] = at
            return case.definition(x, **values)

        found = _derivative.partials(layer, parameter, x, at)
        exact = (
            define(wide_x, wide_at),
            reference.slope(lambda v, f=define: f(v, wide_at), wide_x),
            reference.slope(lambda v, f=define: f(wide_x, v), wide_at),
        )
        for one, other in zip(found, exact, strict=True):
            np.testing.assert_allclose(one, other, atol=5e-6, rtol=5e-6, err_msg=parameter)


def test_a_parameter_out_of_bounds_is_not_projected():
    layer = keras_yat.ReLUN()
    value, slope, by_n = _derivative.partials(layer, "n", np.array([1.0, 1.0]), [-2.0, 3.0])
    assert value.tolist() == [-2.0, 1.0]
    assert slope.tolist() == [0.0, 1.0]
    assert by_n.tolist() == [1.0, 0.0]


def test_layers_and_global_state_do_not_change():
    inner = keras_yat.Nami(dtype="float32")
    layer = keras_yat.LinComb([0.7, -0.2], ["tanh", inner])
    inner.w.assign(0.45)
    layer.trainable = False
    before = [to_numpy(w) for w in layer.weights]
    keras.utils.set_random_seed(1)
    expected = to_numpy(keras.random.uniform((3,), dtype="float32"))
    keras.utils.set_random_seed(1)
    state = random.getstate()
    plain = _derivative.slopes(_derivative.copy_of(layer), TWICE)
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        np.testing.assert_array_equal(_derivative.slopes(_derivative.copy_of(layer), TWICE), plain)
        _derivative.partials(layer, "coefficients[1]", X[:48], X[:48])
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    exact = reference.slope(
        lambda x: 0.7 * np.tanh(x) - 0.2 * reference.nami(x, 0.45, 1.0, 1.5),
        TWICE.astype("float64"),
    )
    np.testing.assert_allclose(plain, exact, atol=2e-6)
    assert random.getstate() == state
    np.testing.assert_array_equal(keras.random.uniform((3,), dtype="float32"), expected)
    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), old)
        assert getattr(weight.value, "grad", None) is None
    assert not layer.trainable
    assert layer.bounds == {"coefficients": (None, None)}


@pytest.mark.parametrize(
    ("activation", "slope"),
    [
        ("relu", [0.0, 1.0]),
        (keras.activations.linear, [1.0, 1.0]),
        (lambda x: keras.ops.ones_like(x), [0.0, 0.0]),
        (keras.layers.LeakyReLU(negative_slope=0.25), [0.25, 1.0]),
        (keras_yat.activations.shilu, [0.0, 1.0]),
    ],
    ids=["name", "function", "constant", "layer", "pure"],
)
def test_slopes_of_any_callable(activation, slope):
    copy = _derivative.copy_of(activation)
    assert _derivative.slopes(copy, np.array([-2.0, 3.0])).tolist() == slope


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_layers_in_half_precision_are_computed_in_float32(dtype):
    plain, low = (_derivative.copy_of(keras_yat.Mila(-0.6, dtype=d)) for d in ("float32", dtype))
    np.testing.assert_array_equal(_derivative.values(low, TWICE), _derivative.values(plain, TWICE))
    np.testing.assert_array_equal(_derivative.slopes(low, TWICE), _derivative.slopes(plain, TWICE))


@pytest.mark.parametrize("x", [1e4, -1e6], ids=["far", "farther"])
def test_second_derivatives_at_large_inputs_are_finite(x):
    square = _derivative.copy_of(lambda x: x * x * 0.5)
    assert _derivative.second_derivative(square, np.array([x])).tolist() == pytest.approx(
        [1.0], rel=1e-2
    )
