"""LoRA on the Yat layers with a kernel: product and norm, gradients, training, files, sharing."""

import keras
import numpy as np
import pytest

import keras_yat
from tests import reference_yat
from tests.helpers import BACKEND, all_gradients, call, double_precision, draw, to_numpy
from tests.layers.stored import EVERY, built, definition, turned


def adapted(name, **arguments):
    """A layer with LoRA of rank 2 and strength 1.5, and its input."""
    layer, x = built(name, **arguments)
    layer.enable_lora(2, lora_alpha=3)
    layer.lora_kernel_b.assign(draw(tuple(layer.lora_kernel_b.shape), seed=3, scale=0.3))
    return layer, x


def close(found, truth, rtol=1e-3):
    truth = np.asarray(truth)
    np.testing.assert_allclose(to_numpy(found), truth, rtol, atol=1e-5 * np.abs(truth).max())


@EVERY
def test_values_and_gradients(name):
    layer, x = adapted(name)
    a, b = to_numpy(layer.lora_kernel_a), to_numpy(layer.lora_kernel_b)
    kernel = to_numpy(layer._kernel) + 1.5 * turned(name, np.matmul(a, b))
    close(layer.kernel, kernel, rtol=1e-5)
    close(layer.prototypes(), layer.multiplier * kernel, rtol=1e-5)
    output = definition(name, layer, kernel, x)
    upstream = draw(output.shape, seed=4)
    found, of_x, of_weights = all_gradients(layer, x, upstream)
    close(found, output)
    truth = definition(name, layer, kernel, x, upstream)
    close(of_x, truth["x"])
    close(of_weights["bias"], truth["bias"])
    close(of_weights["alpha"], truth["alpha"])
    of_kernel = turned(name, truth["kernel"])
    close(of_weights["lora_kernel_a"], 1.5 * of_kernel @ b.T)
    rows = a.reshape(-1, 2)
    close(of_weights["lora_kernel_b"], 1.5 * rows.T @ of_kernel.reshape(len(rows), -1))
    assert set(of_weights) == {"bias", "alpha", "lora_kernel_a", "lora_kernel_b"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"distance": "direct", "normalize": "kernel"},
        pytest.param({"distance": "direct"}, marks=pytest.mark.nightly),
        pytest.param({"normalize": "sphere"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_every_form_sees_the_sum(arguments):
    layer, x = adapted("YatDense", **arguments)
    plain, _ = built("YatDense", **arguments)
    plain._kernel.assign(layer.kernel)
    close(call(layer, x), to_numpy(call(plain, x)), rtol=1e-5)
    close(layer.prototypes(), to_numpy(plain.prototypes()), rtol=1e-5)


@pytest.mark.nightly
def test_drop_connect_drops_entries_of_the_sum():
    layer, _ = adapted("YatDense", drop_connect=0.5, seed=1)
    plain, x = built("YatDense", drop_connect=0.5, seed=1)
    plain._kernel.assign(layer.kernel)
    close(layer(x, training=True), to_numpy(plain(x, training=True)), rtol=1e-5)


@pytest.mark.parametrize("lora_alpha", [None, 3])
def test_enabling_does_not_change_the_output(lora_alpha):
    layer, x = built("YatDense")
    before = to_numpy(layer(x))
    layer.enable_lora(2, lora_alpha)
    np.testing.assert_array_equal(to_numpy(layer(x)), before)
    assert (layer.lora_enabled, layer.lora_rank, layer.lora_alpha) == (True, 2, lora_alpha or 2)


def of_model(model):
    return {w.path.rsplit("/", 1)[-1]: to_numpy(w) for w in model.weights}


def test_training_moves_all_but_the_kernel():
    layer, x = adapted("YatDense")
    layer.trainable = False
    layer.trainable = True
    model = keras.Sequential([keras.Input((6,)), layer])
    if BACKEND == "torch":
        assert len(list(model.parameters())) == len(model.weights)
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=BACKEND == "jax")
    before = of_model(model)
    model.fit(x, draw((2, 5), seed=2), verbose=0)
    after = of_model(model)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"bias", "alpha", "lora_kernel_a", "lora_kernel_b"}


def test_files_have_the_sum(tmp_path):
    layer, _ = adapted("YatDense")
    model = keras.Sequential([keras.Input((6,)), layer])
    kernel = to_numpy(layer.kernel)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "only.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = loaded.layers[0]
    close(again.kernel, kernel, rtol=1e-5)
    close(again.bias, to_numpy(layer.bias))
    assert again.lora_enabled
    assert np.all(to_numpy(again.lora_kernel_b) == 0.0)
    # With both factors zero, neither would be trained.
    assert np.all(to_numpy(again.lora_kernel_a) != 0.0)
    plain = keras.Sequential([keras.Input((6,)), built("YatDense")[0]])
    plain.load_weights(tmp_path / "only.weights.h5")
    close(plain.layers[0].kernel, kernel, rtol=1e-5)
    plain.save_weights(tmp_path / "plain.weights.h5")
    model.load_weights(tmp_path / "plain.weights.h5")
    close(layer.kernel, kernel, rtol=1e-5)
    layer.lora_kernel_b.assign(draw((2, 5)))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(to_numpy(copy.layers[0].kernel), to_numpy(layer.kernel))


def test_a_frozen_kernel_loads_into_a_trained_one(tmp_path):
    models = [
        keras.Sequential([keras.Input((6,)), keras_yat.YatDense(3, kernel_trainable=trained)])
        for trained in (False, True)
    ]
    models[0].save_weights(tmp_path / "only.weights.h5")
    models[1].load_weights(tmp_path / "only.weights.h5")
    np.testing.assert_array_equal(*(to_numpy(model.layers[0].kernel) for model in models))


@pytest.mark.parametrize("before", [True, False])
def test_shared_kernels(before, tmp_path):
    inputs = keras.Input((6,))
    owner = keras_yat.YatDense(5, name="owner", **({"lora_rank": 2} if before else {}))
    user = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(1, 3), name="user")
    model = keras.Model(inputs, [owner(inputs), user(inputs)])
    if not before:
        owner.enable_lora(2)
    owner.lora_kernel_b.assign(draw((2, 5), seed=3))
    np.testing.assert_array_equal(to_numpy(user.prototypes()), to_numpy(owner.prototypes())[:, 1:3])
    names = [w.path.rsplit("/", 1)[-1] for w in user.trainable_weights]
    assert names == ["bias", "alpha", "lora_kernel_a", "lora_kernel_b"]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (owner, user):
        close(loaded.get_layer(each.name).prototypes(), to_numpy(each.prototypes()), rtol=1e-5)
    assert len(loaded.weights) == len(model.weights) == 3 + 2 + 2
    with pytest.raises(ValueError, match="belongs to another layer"):
        user.enable_lora(2)


def test_embedding():
    layer = keras_yat.YatEmbedding(7, 4, epsilon=0.3)
    layer.build()
    layer.enable_lora(2, lora_alpha=3)
    a = to_numpy(layer.lora_embeddings_a)
    b = draw((2, 4), seed=3)
    layer.lora_embeddings_b.assign(b)
    table = to_numpy(layer._embeddings) + 1.5 * a @ b
    rows = layer.multiplier * table
    indices = np.array([[6, 0], [1, 1]])
    close(call(layer, indices), rows[indices], rtol=1e-5)
    close(layer.prototypes(), rows, rtol=1e-5)

    class Head(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.rows = layer

        def build(self, input_shape):
            self.built = True

        def call(self, x):
            return self.rows.score(x)

    x, upstream = draw((3, 4)), draw((3, 7), seed=1)
    output, _, found = all_gradients(Head(), x, upstream)
    settings = {"epsilon": 0.3, "alpha": float(to_numpy(layer.alpha))}
    close(output, reference_yat.yat(x, rows.T, **settings))
    truth = reference_yat.gradients(upstream, x, rows.T, **settings)
    of_table = 1.5 * layer.multiplier * truth["kernel"].T
    close(found["lora_embeddings_a"], of_table @ b.T)
    close(found["lora_embeddings_b"], a.T @ of_table)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_factors_are_in_float32_or_wider(policy):
    with double_precision():
        layer, _ = built("YatDense", dtype=policy)
        layer.enable_lora(2)
    wide = "float64" if policy == "float64" else "float32"
    assert layer.lora_kernel_a.dtype == layer.lora_kernel_b.dtype == wide


def test_errors():
    with pytest.raises(ValueError, match="isn't yet built"):
        keras_yat.YatDense(3).enable_lora(2)
    layer, x = adapted("YatDense")
    with pytest.raises(ValueError, match="already enabled"):
        layer.enable_lora(2)
    with pytest.raises(ValueError, match="call it before"):
        layer.adapt(x)
    with pytest.raises(ValueError, match="incompatible with kernel constraints"):
        built("YatDense", kernel_constraint="max_norm")[0].enable_lora(2)
    with pytest.raises(ValueError, match="incompatible with kernel constraints"):
        built("YatDense", kernel_constraint="max_norm", lora_rank=2)
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="`rank`"):
            built("YatDense")[0].enable_lora(wrong)
    with pytest.raises(ValueError, match="without `lora_rank`"):
        keras_yat.YatDense(3, lora_alpha=2)
    with pytest.raises(ValueError, match="`lora_alpha`"):
        keras_yat.YatDense(3, lora_rank=2, lora_alpha=0.0)
    owner = keras_yat.YatDense(3)
    with pytest.raises(ValueError, match="the owner's applies"):
        keras_yat.YatDense(3, kernel_from=owner, lora_rank=2)
