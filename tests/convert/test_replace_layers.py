"""`replace` with layers of another class."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

import keras_yat
from keras_yat import convert
from tests.convert.test_replace import dense
from tests.helpers import to_numpy


def test_layers_of_another_class_keep_their_weights():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    rules = {layers.Conv2D: keras_yat.YatConv2D, layers.Dense: keras_yat.YatDense}
    new = convert.replace(model, rules)
    conv, head = new.get_layer("conv"), new.get_layer("head")
    assert type(conv) is keras_yat.YatConv2D
    assert conv.activation is keras.activations.linear
    assert head.activation is keras.activations.softmax
    kernel = to_numpy(model.get_layer("conv").kernel)
    np.testing.assert_allclose(to_numpy(conv.prototypes()), kernel, rtol=1e-6, atol=1e-7)
    back = convert.replace(new, {yat: stock for stock, yat in rules.items()})
    for one, other in zip(back.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


WINDOWS = {"Conv1D": 1, "Conv2D": 2, "Conv3D": 3, "Conv1DTranspose": 1, "Conv2DTranspose": 2}
WINDOWS |= {"DepthwiseConv1D": 1, "DepthwiseConv2D": 2, "SeparableConv1D": 1, "SeparableConv2D": 2}


def counterpart(name):
    """A model of one layer of Keras, and the rule that replaces it."""
    stock, yat = getattr(layers, name), getattr(keras_yat, f"Yat{name}")
    if name in WINDOWS:
        shape = (*[4] * WINDOWS[name], 2)
        sizes = (2,) if name.startswith("Depthwise") else (3, 2)
    else:
        shape, sizes = {"Dense": ((5,), (3,))}.get(name, ((4, 5), (3,)))
    inputs = keras.Input(shape)
    if name == "MultiHeadAttention":
        return keras.Model(inputs, stock(2, 3, name="layer")(inputs, inputs)), stock, yat
    return keras.Model(inputs, stock(*sizes, name="layer")(inputs)), stock, yat


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*WINDOWS, "Dense", "SimpleRNN", "LSTM", "GRU", "MultiHeadAttention"]
)
def test_every_layer_keeps_its_kernels_there_and_back(name):
    model, stock, yat = counterpart(name)
    there = convert.replace(model, {stock: yat})
    assert type(there.get_layer("layer")) is yat
    back = convert.replace(there, {yat: stock})
    assert type(back.get_layer("layer")) is stock
    pairs = list(zip(back.weights, model.weights, strict=True))
    kernels = [(one, other) for one, other in pairs if "kernel" in one.name]
    assert kernels
    for one, other in kernels:
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), rtol=1e-6, atol=1e-7)


def test_alpha_has_the_least_squared_difference_on_normal_inputs():
    model = dense("relu", size=6)
    plan = convert.plan(model, {layers.Dense: keras_yat.YatDense})
    assert plan.replaced[0].residual is None  # known once the layer is there
    new = convert.replace(model, {layers.Dense: keras_yat.YatDense})
    x = np.random.default_rng(0).standard_normal((256, 6))  # as `replace` draws
    wanted, unit = (to_numpy(m(x.astype("float32"))).astype("float64") for m in (model, new))
    np.testing.assert_allclose(np.sum(wanted * unit) / np.sum(unit * unit), 1.0, rtol=1e-5)
    default = convert.replace(model, {layers.Dense: keras_yat.YatDense}, start="default")
    assert not np.allclose(
        to_numpy(default.layers[0].prototypes()), to_numpy(model.layers[0].kernel)
    )


def test_options_of_a_class():
    rule = functools.partial(keras_yat.YatDense, epsilon=0.5, alpha=None)
    new = convert.replace(dense("relu"), {layers.Dense: rule})
    assert new.layers[0].epsilon == 0.5
    assert new.layers[0].alpha is None
