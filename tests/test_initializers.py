"""Starting values: signal and gradients keep their scale."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat.initializers import YatNormal
from tests.helpers import BACKEND, draw, to_numpy


def stack_of(depth, width, entries=None, **settings):
    return keras.Sequential(
        [
            keras.Input((entries or width,)),
            *[keras_yat.YatDense(width, **settings) for _ in range(depth)],
        ]
    )


def rms(x):
    return float(np.sqrt(np.mean(to_numpy(x).astype("float64") ** 2)))


def rms_of_each_layer(model, x):
    found = []
    for layer in model.layers:
        x = layer(x)
        found.append(rms(x))
    return found


def kernel_gradients(model, x, upstream):
    """The norms of the gradients of Σ upstream·model(x) in each layer's kernel."""
    kernels = [layer.kernel for layer in model.layers]
    if BACKEND == "jax":
        import jax

        def total(values):
            trainable = [v.value for v in model.trainable_variables]
            places = [
                next(i for i, v in enumerate(model.trainable_variables) if v is k) for k in kernels
            ]
            for place, value in zip(places, values, strict=True):
                trainable[place] = value
            outputs, _ = model.stateless_call(trainable, [], x)
            return ops.sum(outputs * upstream)

        found = jax.grad(total)([k.value for k in kernels])
    elif BACKEND == "torch":
        import torch

        total = (model(x) * torch.tensor(upstream)).sum()
        found = torch.autograd.grad(total, [k.value for k in kernels])
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(x) * upstream)
        found = tape.gradient(total, [k.value for k in kernels])
    return [np.linalg.norm(to_numpy(g)) for g in found]


def test_twenty_layers_keep_signal_and_gradient():
    model, x = stack_of(20, 256), draw((128, 256))
    assert all(0.3 < value < 3.0 for value in rms_of_each_layer(model, x))
    norms = kernel_gradients(model, x, draw((128, 256), seed=1))
    assert 0.1 < norms[0] / norms[-1] < 10.0


def test_published_starting_values_lose_the_signal():
    model = stack_of(5, 256, kernel_initializer="glorot_uniform")
    assert rms_of_each_layer(model, draw((128, 256)))[-1] < 1e-12


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_a_signal_of_another_scale_returns_to_one(scale):
    found = rms_of_each_layer(stack_of(6, 256), scale * draw((128, 256)))
    assert 0.7 < found[-1] < 1.4


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_bias": False},
        {"constant_bias": 3.0},
        {"normalize": "kernel"},
        {"normalize": "sphere"},
        {"bias_initializer": "zeros"},
        {"kernel_initializer": YatNormal(input_scale=1.0, seed=3)},
    ],
)
def test_one_layer_gives_rms_one(settings):
    layer = keras_yat.YatDense(512, **settings)
    assert 0.8 < rms(layer(draw((256, 256)))) < 1.25


@pytest.mark.parametrize("input_scale", [0.1, 20.0])
def test_input_scale(input_scale):
    layer = keras_yat.YatDense(512, kernel_initializer=YatNormal(input_scale))
    assert 0.8 < rms(layer(input_scale * draw((256, 256)))) < 1.25


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("YatConv1D", {"kernel_size": 5}, (8, 64, 32)),
        ("YatConv2D", {"kernel_size": 3, "groups": 2}, (8, 12, 12, 32)),
        ("YatConv3D", {"kernel_size": 3}, (4, 6, 6, 6, 16)),
        ("YatConv1DTranspose", {"kernel_size": 4, "strides": 2}, (8, 64, 32)),
        ("YatConv2DTranspose", {"kernel_size": 4, "strides": 2}, (8, 12, 12, 32)),
        ("YatConv3DTranspose", {"kernel_size": 4, "strides": 2}, (2, 6, 6, 6, 16)),
        ("YatDepthwiseConv1D", {"kernel_size": 25, "depth_multiplier": 2}, (8, 64, 32)),
        ("YatDepthwiseConv2D", {"kernel_size": 5, "normalize": "kernel"}, (8, 12, 12, 64)),
        ("YatDepthwiseConv2D", {"kernel_size": 5, "use_bias": False}, (8, 12, 12, 64)),
        ("YatSeparableConv1D", {"kernel_size": 5}, (8, 64, 64)),
        ("YatSeparableConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (8, 12, 12, 64)),
        ("YatSeparableConv2D", {"kernel_size": 3, "normalize": "sphere"}, (8, 12, 12, 64)),
    ],
)
def test_convolutions_give_rms_one(name, arguments, shape):
    filters = {} if "Depthwise" in name else {"filters": 64}
    layer = getattr(keras_yat, name)(**filters, **arguments)
    assert 0.7 < rms(layer(draw(shape))) < 1.4


def test_a_stack_of_depthwise_and_pointwise_layers_keeps_the_signal():
    """A window of nine entries gives tails, and an rms near 1.7; the next layer returns to 1."""
    x = draw((4, 12, 12, 32))
    found = []
    for _ in range(4):
        for layer in (
            keras_yat.YatDepthwiseConv2D(3, padding="same"),
            keras_yat.YatConv2D(32, 1),
            keras_yat.YatSeparableConv2D(32, 3, padding="same"),
        ):
            x = layer(x)
            found.append(rms(x))
    assert all(0.3 < value < 6.0 for value in found)
    assert all(0.3 < value < 3.0 for value in found[1::3] + found[2::3])


def test_scores_of_an_embedding_have_rms_one():
    layer = keras_yat.YatEmbedding(500, 128)
    assert 0.8 < rms(layer.score(draw((200, 128)))) < 1.25


def test_the_derivation_in_numbers():
    """E[y²] = 1 and a slope of 1 at equal inputs, by sampling u."""
    entries = 4096
    initializer = YatNormal()
    bias, alpha = initializer.default_bias_and_alpha(entries, entries, None)
    kernel = entries * initializer.stddev**2
    tau = np.sqrt(kernel * entries / entries)
    u = np.random.default_rng(0).normal(size=4_000_000)
    y = alpha * (tau * u + bias) ** 2 / (kernel + entries)
    assert abs(np.mean(y**2) - 1.0) < 0.01
    slope = 2.0 * alpha * tau * (tau * u + bias) / (kernel + entries)
    assert abs(np.mean(slope**2) - 1.0) < 0.01


def digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return (data.data / 16.0).astype("float32")[order], data.target[order]


def accuracy_of_ten_layers(**settings):
    x, y = digits()
    model = stack_of(10, 128, entries=64, **settings)
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    model.fit(x[:1437], y[:1437], batch_size=32, epochs=30, verbose=0)
    return model.evaluate(x[1437:], y[1437:], verbose=0)[1]


@pytest.mark.nightly
def test_ten_layers_learn_the_digits():
    assert accuracy_of_ten_layers() >= 0.95


@pytest.mark.nightly
def test_ten_layers_with_published_starting_values_stay_at_chance():
    assert accuracy_of_ten_layers(kernel_initializer="glorot_uniform") < 0.2


def test_get():
    assert isinstance(keras_yat.initializers.get("yat_normal"), YatNormal)
    assert isinstance(keras_yat.initializers.get("zeros"), keras.initializers.Zeros)
    own = YatNormal(2.0, seed=5)
    copy = keras_yat.initializers.get(own)
    assert copy is not own
    assert copy.get_config() == {"input_scale": 2.0, "seed": 5}
    config = keras.initializers.serialize(own)
    assert keras_yat.initializers.get(config).get_config() == own.get_config()


@pytest.mark.parametrize("identifier", [None, "yat", 3, {"class_name": "None such"}])
def test_an_invalid_initializer_raises_an_error(identifier):
    with pytest.raises(ValueError, match="`identifier` must be an initializer or the name"):
        keras_yat.initializers.get(identifier)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), "1", None])
def test_a_bad_input_scale_raises_an_error(scale):
    with pytest.raises(ValueError, match="`input_scale` must be a finite number greater than 0"):
        YatNormal(scale)
