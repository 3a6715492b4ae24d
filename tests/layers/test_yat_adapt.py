"""Kernel initialization from data: `adapt`."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_yat
from tests.helpers import draw, to_numpy

IMAGES = (load_digits().images[..., None] / 16.0).astype("float32")


def rms(x):
    return np.sqrt(np.mean(to_numpy(x) ** 2))


@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
@pytest.mark.parametrize("learn_epsilon", [False, True])
def test_dense(normalize, learn_epsilon):
    x = IMAGES.reshape(len(IMAGES), -1)
    layer = keras_yat.YatDense(10, normalize=normalize, learn_epsilon=learn_epsilon)
    layer.adapt(x)
    rows = to_numpy(layer.prototypes()).T
    samples = x if normalize is None else x / np.linalg.norm(x, axis=1, keepdims=True)
    gaps = np.min(np.linalg.norm(samples[None] - rows[:, None], axis=-1), axis=1)
    np.testing.assert_allclose(gaps, 0.0, atol=1e-5)
    assert len(np.unique(rows.round(4), axis=0)) == 10
    x = samples if normalize == "sphere" else x
    nearest = np.min(np.sum((x[:, None] - rows) ** 2, axis=-1), axis=1)
    median = np.median(nearest[nearest > 1e-9])
    np.testing.assert_allclose(to_numpy(layer.epsilon), median, rtol=1e-3)
    assert 0.9 < rms(layer(IMAGES.reshape(len(IMAGES), -1))) < 1.1


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (keras_yat.YatConv2D, {"padding": "same", "strides": 2}),
        (keras_yat.YatConv2D, {"groups": 2, "data_format": "channels_first"}),
        (keras_yat.YatConv2DTranspose, {"strides": 2}),
    ],
)
def test_convolutions(cls, arguments):
    """The output of each neuron at the position of its patch is that of distance 0."""
    layer = cls(4, 3, **arguments)
    x = np.concatenate([IMAGES[:200], IMAGES[200:400]], axis=-1)
    x = np.moveaxis(x, -1, 1) if arguments.get("data_format") else x
    layer.adapt(x, samples=2000)
    assert 0.7 < rms(layer(x)) < 1.4
    epsilon = layer.epsilon
    # If the patch equals the neuron, the distance is 0 and y = α·‖w‖⁴ / ε.
    axes = (0, 1, 3) if cls is keras_yat.YatConv2DTranspose else (0, 1, 2)
    norms = np.sum(to_numpy(layer.prototypes()) ** 2, axis=axes)
    peak = float(to_numpy(layer.alpha)) * norms**2 / epsilon
    channel = 1 if arguments.get("data_format") else -1
    highest = np.max(np.moveaxis(to_numpy(layer(x)), channel, -1), axis=(0, 1, 2))
    assert np.all(highest > 0.99 * peak)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_output_has_rms_one_in_half_precision(policy):
    layer = keras_yat.YatDense(8, dtype=policy)
    x = 100.0 + 0.1 * draw((500, 16))
    layer.adapt(x)
    assert 0.9 < rms(layer(x)) < 1.1


def test_batches_and_pairs():
    x = IMAGES.reshape(len(IMAGES), -1)
    batches = [(x[i : i + 100], None) for i in range(0, 1000, 100)]
    layer = keras_yat.YatDense(5)
    layer.adapt(iter(batches), samples=500)
    rows = to_numpy(layer.prototypes()).T
    gaps = np.min(np.linalg.norm(x[None, :1000] - rows[:, None], axis=-1), axis=1)
    np.testing.assert_allclose(gaps, 0.0, atol=1e-6)


def test_the_same_seed_gives_the_same_neurons():
    kernels = []
    for seed in (1, 1, 2):
        layer = keras_yat.YatDense(5)
        layer.adapt(draw((100, 3)), seed=seed)
        kernels.append(to_numpy(layer.prototypes()))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])


def test_an_adapted_layer_is_saved(tmp_path):
    layer = keras_yat.YatConv2D(6, 3)
    model = keras.Sequential([keras.Input((8, 8, 1)), layer])
    layer.adapt(IMAGES)
    assert layer.epsilon != 1e-5
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].epsilon == layer.epsilon
    np.testing.assert_allclose(to_numpy(loaded(IMAGES)), to_numpy(model(IMAGES)), rtol=1e-5)


def test_an_adapted_network_trains():
    layer = keras_yat.YatDense(30)
    x, y = IMAGES.reshape(len(IMAGES), -1), load_digits().target
    layer.adapt(x[:1400])
    model = keras.Sequential([keras.Input((64,)), layer, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    model.fit(x[:1400], y[:1400], epochs=8, verbose=0)
    assert model.evaluate(x[1400:], y[1400:], verbose=0)[1] > 0.85
