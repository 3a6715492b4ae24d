"""Rational: its start as any function, its files, and the ends of its range."""

import json
import math

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat import convert
from tests import helpers, reference
from tests.helpers import draw, to_numpy, value_and_gradients

X = np.linspace(-6.0, 6.0, 1201)
NARROW = np.abs(X) <= 3.0
ERF = np.vectorize(math.erf)
TRUTH = {
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / 2**0.5)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "relu": lambda x: np.maximum(x, 0.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
}
# The largest differences on [-3, 3] and on [-6, 6].
LIMITS = {
    "gelu": (1e-5, 1e-5),
    "silu": (1e-5, 1e-5),
    "mish": (1e-4, 2e-4),
    "relu": (1e-2, 1e-2),
    "leaky_relu": (1e-2, 1e-2),
}


def outputs(layer, x=X):
    return to_numpy(layer(x.astype("float32")[:, None]))[:, 0]


@pytest.mark.parametrize("like", TRUTH)
def test_it_starts_as_another_function(like):
    """GELU, SiLU and Mish must be met to 1e-3 on [-3, 3]; the documentation has the table."""
    layer = keras_yat.Rational(like=like)
    difference = np.abs(outputs(layer) - TRUTH[like](X))
    narrow, wide = LIMITS[like]
    assert difference[NARROW].max() < narrow
    assert difference.max() < wide
    assert layer.get_config()["like"] == like


def test_the_default_start_is_the_fit_of_gelu():
    fitted = keras_yat.Rational(like=keras.activations.gelu)
    np.testing.assert_allclose(outputs(fitted), outputs(keras_yat.Rational()), atol=2e-6)
    assert fitted.get_config()["like"] is None


@pytest.mark.parametrize("axis", [None, -1])
def test_like_a_layer_with_what_it_learned(axis):
    learned = keras_yat.Mila()
    learned.beta.assign(0.7)
    layer = keras_yat.Rational(like=learned, axis=axis)
    expected = reference.mila(X, np.float64(np.float32(0.7)))
    np.testing.assert_allclose(outputs(layer), expected, atol=1e-3)


def test_like_a_name_of_this_package_and_a_function():
    expected = reference.xielu(X, 0.8, 0.8)
    np.testing.assert_allclose(outputs(keras_yat.Rational(like="xielu")), expected, atol=5e-2)
    layer = keras_yat.Rational(like=lambda x: 2.0 * ops.tanh(x) + 1.0, degrees=(5, 4), scale=3.0)
    narrow = X[NARROW]
    np.testing.assert_allclose(outputs(layer, narrow), 2.0 * np.tanh(narrow) + 1.0, atol=1e-4)
    assert tuple(layer.numerator.shape) == (6,)
    assert tuple(layer.denominator.shape) == (2,)


def test_the_fit_keeps_bounds():
    bounds = {"numerator": (-20.0, 20.0), "denominator": (0.5, 2.0)}
    layer = keras_yat.Rational(like="silu", bounds=bounds)
    assert np.abs(to_numpy(layer.numerator)).max() <= 20.0
    below = to_numpy(layer.denominator)
    assert below.min() >= 0.5
    assert below.max() <= 2.0
    assert np.abs(outputs(layer) - TRUTH["silu"](X)).max() < 0.05


def test_a_configuration_is_not_fitted_again(monkeypatch):
    layer = keras_yat.Rational(like="mish", degrees=(7, 6))
    config = json.loads(json.dumps(layer.get_config()))
    module = "keras_yat.activations._rational_fit.least_squares"
    monkeypatch.setattr(module, lambda *_, **__: pytest.fail("a fit"))
    again = keras_yat.Rational.from_config(config)
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(outputs(again), outputs(layer))


def test_degrees_of_given_coefficients():
    layer = keras_yat.Rational(np.array([0.0, 1.0, 0.5, 0.1]), [0.3])
    assert layer.degrees == (3, 2)
    expected = reference.rational(X, [0.0, 1.0, 0.5, 0.1], [0.3])
    np.testing.assert_allclose(outputs(layer), expected, rtol=1e-5, atol=1e-6)
    drawn = keras_yat.Rational(keras.initializers.RandomNormal(), "ones", degrees=(2, 4), axis=-1)
    helpers.build(drawn, draw((2, 5)))
    assert tuple(drawn.numerator.shape) == (3, 5)
    assert tuple(drawn.denominator.shape) == (2, 5)


@pytest.mark.parametrize("degrees", [(3, 4), (4, 4), (6, 4), (1, 2)])
def test_degrees(degrees):
    """Far away the quotient falls, levels off, or grows."""
    rng = np.random.default_rng(0)
    above = rng.uniform(0.5, 2.0, degrees[0] + 1).astype("float32")
    below = rng.uniform(0.5, 2.0, degrees[1] // 2).astype("float32")
    x = np.float32([-1e12, -300.0, -6.0, -2.0, 0.0, 1.0, 6.1, 1e3, 1e12])
    value, gradients = value_and_gradients(keras_yat.activations.rational, x, above, below)
    expected = reference.rational(np.float64(x), np.float64(above), np.float64(below))
    np.testing.assert_allclose(to_numpy(value), expected, rtol=2e-5)
    assert all(np.all(np.isfinite(to_numpy(g))) for g in gradients)


def test_gradient_of_the_scale():
    x, scale = draw((7,)), np.float32(2.5)
    above, below = np.float32([0.3, 1.0, 0.4, 0.2]), np.float32([0.8])
    _, gradients = value_and_gradients(keras_yat.activations.rational, x, above, below, scale)
    exact = [np.float64(a) for a in (x, above, below)]
    slope = reference.slope(lambda at: reference.rational(*exact, at).sum(), np.float64(scale))
    np.testing.assert_allclose(to_numpy(gradients[3]), slope, rtol=1e-4)


def test_without_a_denominator_it_is_a_polynomial():
    value, gradients = value_and_gradients(
        keras_yat.activations.rational,
        np.float32([-3.0, 2.0, 6e6]),
        np.float32([1.0, 0.0, 2.0]),
        np.zeros(1, "float32"),
    )
    np.testing.assert_allclose(to_numpy(value), [1.5, 1 + 2 / 9, 2e12], rtol=1e-6)
    assert all(np.all(np.isfinite(to_numpy(g))) for g in gradients)


REPLACED = keras.Sequential([keras.Input((6,)), *[keras.layers.Dense(8, "silu") for _ in range(3)]])


@pytest.mark.parametrize("axis", [None, -1])
def test_convert_starts_it_as_any_function(axis):
    """The residual of the plan is the difference of the function, and bounds that of the model."""
    template = keras_yat.Rational(axis=axis)
    model = REPLACED
    if axis is not None:
        layers = [keras.Input((6,)), keras.layers.Dense(8), keras.layers.Activation("silu")]
        model = keras.Sequential(layers)
    changes = convert.plan(model, {"silu": template}).replaced
    assert {change.start for change in changes} == {"least squares"}
    fitted = keras_yat.Rational(like="silu")
    rms = np.sqrt(np.mean((outputs(fitted) - TRUTH["silu"](X)) ** 2))
    np.testing.assert_allclose(changes[0].residual, rms, atol=1e-6)
    new = convert.replace(model, {"silu": template})
    x = draw((50, 6))
    np.testing.assert_allclose(to_numpy(new(x)), to_numpy(model(x)), atol=1e-5)
    frozen = convert.freeze(new)
    np.testing.assert_allclose(to_numpy(frozen(x)), to_numpy(new(x)), atol=1e-6)


BAD = [
    ({"like": "gelluu"}, "`like` must name an activation .*did you mean.*'gelu'"),
    ({"like": None}, "`like` must be given, or else the coefficients"),
    ({"like": keras_yat.Mila}, r"`like` must be an instance or a name: Mila\(\)"),
    ({"like": keras_yat.Mila(axis=-1)}, "`like` must have one set of parameters"),
    ({"like": ops.log}, r"`like` must be a function .*finite on \[-6, 6\]"),
    ({"like": ops.sum}, "`like` must be a function of a tensor, entry by entry"),
    ({"like": "softmax"}, "`like` must be a function of a tensor, entry by entry"),
    ({"like": lambda x: ops.sin(40.0 * x)}, r"`like` must be close to .*degrees \(9, 8\)"),
    ({"numerator": [1.0]}, "`numerator` must be given with `denominator`"),
    ({"numerator": [0, 1], "denominator": [1], "degrees": (3, 2)}, "`numerator` must have 4"),
    ({"degrees": (5, 3)}, "`degrees` must be two ints of at least 1 and 2, the second even"),
    ({"degrees": 5}, "`degrees` must be two ints"),
    ({"degrees": (0, 4)}, "`degrees` must be two ints"),
    ({"scale": 0.0}, "`scale` must be a finite number greater than 0"),
    ({"bounds": {"a": None}}, "`bounds` must name parameters: numerator, denominator"),
]


@pytest.mark.parametrize(("kwargs", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        keras_yat.Rational(**kwargs)


def test_bad_arguments_of_the_function():
    with pytest.raises(ValueError, match="`numerator` must be given with `denominator`"):
        keras_yat.activations.rational(np.ones(2), [1.0])
    with pytest.raises(ValueError, match="`denominator` must have its coefficients along"):
        keras_yat.activations.rational(np.ones(2), [1.0], 2.0)
