"""Files of ternary kernels: packed and exact, both kinds, on every backend."""

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat._keras_compat import pack_trits, unpack_trits
from keras_yat.quantizers import Ternary
from tests import fresh
from tests.helpers import call, double_precision, draw, scramble, to_numpy
from tests.layers.stored import built


def test_packing():
    for count in (1, 4, 5, 6, 23):
        trits = np.random.default_rng(count).integers(-1, 2, count)
        packed = pack_trits(trits)
        assert packed.dtype == np.uint8
        assert packed.shape == (-(-count // 5),)
        np.testing.assert_array_equal(unpack_trits(packed, count), trits)
        for place, trit in enumerate(trits):
            assert packed[place // 5] // 3 ** (place % 5) % 3 == trit + 1
    # The example of `keras.quantizers.pack_ternary` in Keras 3.16.
    np.testing.assert_array_equal(pack_trits(np.array([1, -1, 0, 1, 1, -1])), [227, 120])


def saved(layer):
    store = {}
    layer.save_own_variables(store)
    return {key: to_numpy(value) for key, value in store.items()}


def loaded(layer, store):
    layer.load_own_variables(store)
    return layer


POLICIES = ["float32", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16", "float64"]


@pytest.mark.spread
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["YatDense", "YatConv2DTranspose", "YatDepthwiseConv2D"])
def test_a_file_is_packed_and_exact(name, policy):
    with double_precision() if policy == "float64" else pytest.MonkeyPatch.context():
        settings = {"dtype": policy, "kernel_quantizer": "ternary"}
        layer, x = built(name, **settings)
        kernel = to_numpy(layer.prototypes())
        store = saved(layer)
        packed, *_, scale = store.values()
        assert packed.dtype == np.uint8
        assert packed.shape == (-(-kernel.size // 5),)
        wide = "float64" if policy == "float64" else "float32"
        assert (scale.dtype, scale.shape) == (wide, (layer.stored_kernel.neurons,))
        again = loaded(built(name, **settings)[0], store)
        np.testing.assert_array_equal(to_numpy(again.prototypes()), kernel)
        np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))
        # What is trained on, and saved again, is the ternary kernel.
        latent = to_numpy(again.kernel).astype(kernel.dtype)
        np.testing.assert_array_equal(latent * kernel.dtype.type(again.multiplier), kernel)
        for key, value in saved(again).items():
            np.testing.assert_array_equal(value, store[key])


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e37])
def test_zeros_and_extreme_scales(scale):
    layer, _ = built("YatDense", kernel_quantizer="ternary", kernel_multiplier=1.0)
    layer.kernel.assign(scale * draw((6, 5)) * [0, 1, 1, 1, 1])
    again = loaded(built("YatDense", kernel_quantizer="ternary")[0], saved(layer))
    kernel = to_numpy(again.kernel)
    np.testing.assert_array_equal(kernel, to_numpy(layer.prototypes()))
    assert np.all(kernel[:, 0] == 0)
    assert np.any(kernel[:, 1:] != 0) == (scale != 0)


def test_latent_weights_in_a_file():
    layer, _ = built("YatDense", kernel_quantizer=Ternary(save_latent=True))
    store = saved(layer)
    assert len(store) == 3
    latent = to_numpy(layer.kernel)
    np.testing.assert_array_equal(store["0"], latent)
    # Each kind of ternary layer loads it, and the packed form, and the file of a float layer.
    packed = saved(loaded(built("YatDense", kernel_quantizer="ternary")[0], store))
    plain, _ = built("YatDense")
    for quantizer in ("ternary", Ternary(save_latent=True)):
        other, _ = built("YatDense", kernel_quantizer=quantizer)
        np.testing.assert_array_equal(to_numpy(loaded(other, store).kernel), latent)
        np.testing.assert_array_equal(to_numpy(other.prototypes()), to_numpy(layer.prototypes()))
        loaded(other, packed)
        np.testing.assert_array_equal(to_numpy(other.prototypes()), to_numpy(layer.prototypes()))
        loaded(other, saved(plain))
        np.testing.assert_array_equal(to_numpy(other.kernel), to_numpy(plain.kernel))
    with pytest.raises(ValueError, match="expected 3 variables, but received 4"):
        plain.load_own_variables(packed)
    with pytest.raises(ValueError, match="expected 4 variables, but received 2"):
        other.load_own_variables({"0": latent, "1": latent})


def test_an_embedding(tmp_path):
    rows = keras_yat.YatEmbedding(7, 6, kernel_quantizer="ternary")
    inputs = keras.Input((2,), dtype="int32")
    model = keras.Model(inputs, rows.score(rows(inputs)))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.array([[6, 0], [1, 2]])
    np.testing.assert_array_equal(to_numpy(call(again, x)), to_numpy(call(model, x)))
    kernels = [to_numpy(m.layers[1].prototypes()) for m in (model, again)]
    np.testing.assert_array_equal(*kernels)


def test_lora_is_merged():
    layer, x = built("YatDense", kernel_quantizer="ternary", lora_rank=2)
    layer.lora_kernel_b.assign(draw((2, 5), seed=3))
    assert np.any(to_numpy(layer.prototypes()) != to_numpy(built("YatDense")[0].prototypes()))
    for arguments in ({}, {"lora_rank": 2}):
        again = loaded(built("YatDense", kernel_quantizer="ternary", **arguments)[0], saved(layer))
        np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))


@pytest.mark.slow
def test_a_checkpoint_with_latent_weights_resumes(tmp_path):
    x, y = draw((16, 6)), draw((16, 3))
    layer = keras_yat.YatDense(3, kernel_quantizer=Ternary(save_latent=True))
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].kernel_quantizer.save_latent
    for each in (model, again):
        each.fit(x, y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(
        to_numpy(again.layers[0].kernel), to_numpy(model.layers[0].kernel)
    )


def test_a_quantizer_of_a_config():
    layer = keras_yat.YatDense(3, kernel_quantizer=Ternary(0.6, save_latent=True))
    again = keras_yat.YatDense.from_config(layer.get_config()).kernel_quantizer
    assert (again.threshold, again.save_latent) == (0.6, True)
    assert keras_yat.quantizers.get("ternary").get_config() == Ternary().get_config()


@pytest.mark.nightly
def test_the_kernel_is_the_same_on_every_backend(tmp_path):
    """A head that returns the rows: an embedding of all indices."""
    inputs = keras.Input((40,), dtype="int32")
    rows = keras_yat.YatEmbedding(40, 23, alpha=None, kernel_quantizer="ternary")
    model = keras.Model(inputs, rows(inputs))
    scramble(model)
    model.save(tmp_path / "rows.keras")
    np.save(tmp_path / "rows.in.npy", np.arange(40)[None])
    expected = to_numpy(rows.prototypes())
    for backend, outputs in fresh.predictions(tmp_path).items():
        np.testing.assert_array_equal(outputs["rows"][0], expected, err_msg=backend)
