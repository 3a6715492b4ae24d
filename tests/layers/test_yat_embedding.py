"""YatEmbedding: lookup, scores against every row, masks, files, training."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import helpers, reference_yat
from tests.helpers import double_precision, draw, to_numpy, value_and_gradients

ARGUMENTS = (
    {},
    {"mask_zero": True, "learn_epsilon": True, "normalize": "sphere", "epsilon": 0.1},
    {"kernel_trainable": False, "alpha": 2.0, "constant_bias": 0.5, "drop_connect": 0.1},
    {"embeddings_initializer": "uniform", "embeddings_regularizer": "l2"},
)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_config_and_file(arguments, tmp_path):
    kwargs = {"input_dim": 7, "output_dim": 4, **arguments}
    helpers.check_config(keras_yat.YatEmbedding, kwargs, without=("weights",))
    model = keras.Sequential([keras.Input((3,), dtype="int32"), keras_yat.YatEmbedding(**kwargs)])
    x = np.array([[1, 0, 6], [2, 2, 0]], "int32")
    helpers.scramble(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))


def test_looks_up():
    rows = draw((5, 3))
    layer = keras_yat.YatEmbedding(5, 3, weights=rows)
    x = np.array([[4, 0], [1, 1]])
    np.testing.assert_array_equal(to_numpy(layer(x)), rows[x])
    assert layer.compute_output_shape((None, 2)) == (None, 2, 3)
    assert tuple(keras_yat.YatEmbedding(5, 3)(keras.Input((None,))).shape) == (None, None, 3)


def test_large_indices_survive_half_precision():
    layer = keras_yat.YatEmbedding(3001, 2, dtype="mixed_bfloat16")
    rows = to_numpy(layer(np.array([2999, 3000])))
    wide = to_numpy(ops.cast(layer.prototypes(), "bfloat16"))
    np.testing.assert_array_equal(rows, wide[[2999, 3000]])


@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_scores(distance):
    layer = keras_yat.YatEmbedding(6, 5, epsilon=0.2, distance=distance)
    layer.build()
    x = draw((2, 3, 5))
    upstream = draw((2, 3, 6), seed=1)
    value, (of_x,) = value_and_gradients(layer.score, x, upstream=upstream)
    rows, alpha = to_numpy(layer.prototypes()).T, float(to_numpy(layer.alpha))
    truth = reference_yat.yat(x, rows, 0.0, 0.2, alpha)
    np.testing.assert_allclose(to_numpy(value), truth, rtol=1e-4, atol=1e-6)
    truth = reference_yat.gradients(upstream, x, rows, 0.0, 0.2, alpha)["x"]
    np.testing.assert_allclose(to_numpy(of_x), truth, rtol=1e-3, atol=1e-5)


def test_scores_in_a_functional_model(tmp_path):
    rows = keras_yat.YatEmbedding(7, 4)
    inputs = keras.Input((3,), dtype="int32")
    outputs = rows.score(keras.layers.Dense(4)(rows(inputs)))
    model = keras.Model(inputs, outputs)
    assert tuple(outputs.shape) == (None, 3, 7)
    assert len(model.weights) == 2 + 2
    x = np.array([[1, 2, 6]], "int32")
    model.save(tmp_path / "tied.keras")
    loaded = keras.saving.load_model(tmp_path / "tied.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), to_numpy(model(x)))
    assert len(loaded.weights) == 2 + 2
    loaded.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loaded.fit(x, x, verbose=0)


def test_a_row_scores_highest_for_itself():
    layer = keras_yat.YatEmbedding(300, 16)
    rows = layer(np.arange(300))
    assert np.all(np.argmax(to_numpy(layer.score(rows)), axis=-1) == np.arange(300))


def test_mask():
    x = np.array([[1, 0, 2]])
    assert keras_yat.YatEmbedding(3, 2)(x).shape == (1, 3, 2)
    mask = keras_yat.YatEmbedding(3, 2, mask_zero=True).compute_mask(x)
    np.testing.assert_array_equal(to_numpy(mask), [[True, False, True]])
    model = keras.Sequential([keras_yat.YatEmbedding(3, 2, mask_zero=True), keras.layers.LSTM(2)])
    padded = to_numpy(model(np.array([[1, 2, 0, 0]])))
    np.testing.assert_allclose(padded, to_numpy(model(np.array([[1, 2]]))), rtol=1e-5)


def test_a_tied_head_trains():
    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.rows = keras_yat.YatEmbedding(8, 6, learn_epsilon=True)

        def call(self, x):
            return ops.log(self.rows.score(self.rows(x)) + 1e-6)

    model = Tied()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    x = np.arange(8)[None].repeat(16, axis=0)
    losses = model.fit(x, (x + 1) % 8, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "float64"])
def test_each_policy(policy):
    with double_precision():
        layer = keras_yat.YatEmbedding(6, 5, learn_epsilon=True, dtype=policy)
        rows = layer(np.arange(6))
        for output in (rows, layer.score(rows)):
            assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
            assert np.all(np.isfinite(to_numpy(output)))
        wide = "float64" if policy == "float64" else "float32"
        assert {keras.backend.standardize_dtype(w.value.dtype) for w in layer.weights} == {wide}
