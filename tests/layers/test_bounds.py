"""Bounds of parameters, and numbers that float32 cannot hold."""

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import all_gradients, draw, to_numpy


def layers_with_a_learned_epsilon():
    return {
        "YatDense": (keras_yat.YatDense(3, learn_epsilon=True), (2, 4)),
        "YatConv1D": (keras_yat.YatConv1D(3, 2, learn_epsilon=True), (2, 4, 3)),
        "YatConv1DTranspose": (keras_yat.YatConv1DTranspose(3, 2, learn_epsilon=True), (2, 4, 3)),
        "YatMultiHeadAttention": (
            keras_yat.YatMultiHeadAttention(2, 3, learn_epsilon=True),
            (2, 4, 3),
        ),
        "YatGRU": (keras_yat.YatGRU(3, learn_epsilon=True), (2, 4, 3)),
        "YatLSTM": (keras_yat.YatLSTM(3, learn_epsilon=True), (2, 4, 3)),
    }


@pytest.mark.parametrize("value", [-0.28, -100.0, 0.0, 1e-9])
@pytest.mark.parametrize("name", layers_with_a_learned_epsilon())
def test_the_formula_sees_no_epsilon_below_its_bound(name, value):
    layer, shape = layers_with_a_learned_epsilon()[name]
    x = draw(shape)
    layer(*[x] * (2 if "Attention" in name else 1))
    epsilons = [w for w in layer.weights if "epsilon" in w.path]
    for epsilon in epsilons:
        epsilon.assign(np.full(epsilon.shape, 1e-7))
    expected = all_gradients(layer, x)
    for epsilon in epsilons:
        epsilon.assign(np.full(epsilon.shape, value))
    found = all_gradients(layer, x)
    np.testing.assert_array_equal(to_numpy(found[0]), to_numpy(expected[0]))
    np.testing.assert_array_equal(found[1], expected[1])
    for weight, slope in found[2].items():
        # Also the gradient of epsilon: it is not stuck at its bound.
        np.testing.assert_array_equal(slope, expected[2][weight])


def test_averaged_weights():
    """Keras averages weights before it applies constraints."""
    layer = keras_yat.YatDense(1, learn_epsilon=True, epsilon=0.5)
    model = keras.Sequential([keras.Input((3,)), layer])
    optimizer = keras.optimizers.Adam(
        0.5, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=1
    )
    model.compile(optimizer, "mse")
    x, y = draw((32, 3)), 100.0 + draw((32, 1), seed=1)
    history = model.fit(x, y, batch_size=4, epochs=5, verbose=0).history["loss"]
    outputs = model.predict(x, verbose=0)
    assert np.all(np.isfinite(history))
    assert np.all(np.isfinite(outputs))
    assert np.sign(float(to_numpy(layer.alpha))) * np.min(outputs) >= 0.0


def test_parameters_of_activations():
    """As with epsilon, for the bounds of an activation's parameters."""
    layer = keras_yat.Mila(1.0, bounds={"beta": (0.5, 2.0)})
    x = draw((2, 5))
    layer(x)
    for value, bound in ((-3.0, 0.5), (1e4, 2.0)):
        layer.beta.assign(bound)
        expected = all_gradients(layer, x)
        layer.beta.assign(value)
        found = all_gradients(layer, x)
        np.testing.assert_array_equal(to_numpy(found[0]), to_numpy(expected[0]))
        np.testing.assert_array_equal(found[2]["beta"], expected[2]["beta"])
        assert found[2]["beta"] != 0.0


@pytest.mark.parametrize("value", [1e-46, 1e-39, 1e39])
def test_refuses_numbers_that_float32_cannot_hold(value):
    x = np.ones((1, 2, 1, 2), "float32")
    functions = {
        "epsilon": [
            lambda v: keras_yat.YatDense(1, epsilon=v),
            lambda v: keras_yat.YatConv2DTranspose(1, 2, epsilon=v),
            lambda v: keras_yat.YatLSTM(1, epsilon=v),
            lambda v: keras_yat.YatMultiHeadAttention(1, 2, epsilon=v),
            lambda v: keras_yat.ops.yat_product(x[0, 0], x[0, 0].T, epsilon=v),
            lambda v: keras_yat.ops.yat_attention(x, x, x, epsilon=v),
            lambda v: keras_yat.activations.softermax(x, epsilon=v),
        ],
        "alpha": [lambda v: keras_yat.YatDense(1, alpha=v)],
        "constant_bias": [lambda v: keras_yat.YatDense(1, constant_bias=v)],
        "beta": [lambda v: keras_yat.Mila(beta=v)],
        "input_scale": [lambda v: keras_yat.initializers.YatNormal(v)],
    }
    for argument, calls in functions.items():
        for call in calls:
            with pytest.raises(ValueError, match=rf"`{argument}(\[0\])?` must be in the range of"):
                call(value)
