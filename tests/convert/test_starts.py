"""Starting values: exact where parameters allow it, else with the least squared difference."""

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat import convert
from keras_yat._register import LAYERS
from keras_yat.activations._base import TrainableActivation
from tests.helpers import draw, to_numpy

X = np.linspace(-6.0, 6.0, 1201)


def model_of(activation):
    return keras.Sequential([keras.Input((4,)), keras.layers.Activation(activation)])


def start(activation, target):
    """The new layer, and the change."""
    model, rules = model_of(activation), {activation: target}
    return convert.replace(model, rules).layers[0], convert.plan(model, rules).replaced[0]


EXACT = [
    ("silu", keras_yat.CosLU, {"alpha": 0.0}),
    ("silu", keras_yat.SinLU, {"alpha": 0.0}),
    ("relu", keras_yat.ShiLU, {"alpha": 1.0, "beta": 0.0}),
    ("relu6", keras_yat.ReLUN, {"n": 6.0}),
    ("mish", keras_yat.Mila, {"beta": 0.0}),
    ("softsign", keras_yat.ScaledSoftSign, {"alpha": 1.0, "beta": 1.0}),
    ("tanh", keras_yat.LinComb, {"coefficients": [0.0, 0.0, 1.0, 0.0]}),
    ("gelu", keras_yat.LinComb, {"coefficients": [1.0, 0.0, 0.0, 0.0, 0.0]}),
    ("elu", keras_yat.NormLinComb, {"coefficients": [1.0, 0.0, 0.0, 0.0, 0.0]}),
]


@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize(("old", "target", "values"), EXACT)
def test_exact(old, target, values, axis):
    layer, change = start(old, target(axis=axis))
    assert (change.start, change.residual) == ("exact", 0.0)
    x = draw((5, 4), scale=4.0)
    expected = to_numpy(keras.activations.get(old)(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-6, atol=1e-6)
    for name, value in values.items():
        found = to_numpy(getattr(layer, name))
        found = found[..., 0] if axis is not None else found
        np.testing.assert_allclose(found, value)


def test_the_table_of_special_cases_is_tested():
    classes = {cls for cls in LAYERS.values() if issubclass(cls, TrainableActivation)}
    listed = {(name, cls) for cls in classes for name in cls.special_cases}
    assert listed == {(old, cls) for old, cls, values in EXACT if "coefficients" not in values}


@pytest.mark.parametrize(
    ("old", "function"),
    [
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_least_squares(old, function):
    """ShiLU is linear in its parameters: their best values solve a linear system."""
    _, change = start(old, keras_yat.ShiLU)
    columns = np.stack([np.maximum(X, 0.0), np.ones_like(X)], axis=1)
    best, squares, *_ = np.linalg.lstsq(columns, function(X), rcond=None)
    layer, _ = start(old, keras_yat.ShiLU)
    found = [float(to_numpy(layer.alpha)), float(to_numpy(layer.beta))]
    np.testing.assert_allclose(found, best, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(change.residual, np.sqrt(squares[0] / len(X)), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n, c in LAYERS.items() if issubclass(c, TrainableActivation)]
)
def test_the_residual_is_the_difference_and_less_than_that_of_the_defaults(name):
    target = LAYERS[name]
    layer, change = start("gelu", target)
    expected = to_numpy(keras.activations.gelu(keras.ops.convert_to_tensor(X, "float32")))
    for values, bound in ((layer, None), (target(), change.residual)):
        found = to_numpy(values(X.astype("float32")[:, None]))[:, 0]
        rms = np.sqrt(np.mean((found - expected) ** 2))
        if bound is None:
            np.testing.assert_allclose(rms, change.residual, rtol=1e-3, atol=1e-6)
        else:
            assert rms > bound - 1e-6


def test_bounds_are_kept():
    target = keras_yat.ReLUN(bounds={"n": (1.0, 4.0)})
    layer, change = start("relu6", target)
    assert change.start == "least squares"
    np.testing.assert_allclose(to_numpy(layer.n), 4.0, rtol=1e-3)
    np.testing.assert_allclose(change.residual, np.sqrt(2.0 / 9.0), rtol=1e-2)
    narrow = keras_yat.LinComb(bounds={"coefficients": (0.1, 1.0)})
    assert start("gelu", narrow)[1].start == "default"


def test_a_trained_activation_passes_on_what_it_learned():
    model = keras.Sequential([keras.Input((4,)), keras_yat.Mila(name="act")])
    model.layers[0].beta.assign(0.7)
    x = draw((3, 4))
    new = convert.replace(model, {"mila": keras_yat.LinComb(functions=["relu", "tanh"])})
    other = convert.replace(model, {"mila": keras_yat.CosLU})
    assert convert.plan(model, {"mila": keras_yat.CosLU}).replaced[0].start == "least squares"
    np.testing.assert_allclose(to_numpy(new(x)), to_numpy(model(x)), atol=1e-6)
    assert np.abs(to_numpy(other(x)) - to_numpy(model(x))).max() < 0.3


def test_parameters_per_channel_start_at_the_default():
    model = keras.Sequential([keras.Input((4,)), keras_yat.Mila(axis=-1)])
    assert convert.plan(model, {"mila": "coslu"}).replaced[0].start == "default"


def test_a_squasher_has_nothing_to_start():
    assert convert.plan(model_of("tanh"), {"tanh": "soft_tanh"}).replaced[0].start == "default"


def test_default():
    model = model_of("silu")
    new = convert.replace(model, {"silu": keras_yat.CosLU(alpha=0.4)}, start="default")
    np.testing.assert_allclose(to_numpy(new.layers[0].alpha), 0.4)
