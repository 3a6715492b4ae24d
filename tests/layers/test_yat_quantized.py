"""Yat layers whose kernel is stored in 8 or 4 bits: values, files, other modes, sharing."""

import itertools

import keras
import numpy as np
import pytest
from keras.quantizers import AbsMaxQuantizer, Int4QuantizationConfig, Int8QuantizationConfig

import keras_yat
from tests import reference_yat
from tests.helpers import all_gradients, call, compiled, draw, to_numpy
from tests.layers.stored import NAMES, built, columns_of, definition, kernel_of
from tests.layers.test_yat_lora import close

MODES = pytest.mark.parametrize("mode", ["int8", "int4"])
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize")


def unpacked(integers, entries):
    """The entries of packed columns: the lower four bits are the first of two."""
    low, high = ((integers & 15) ^ 8) - 8, integers >> 4
    return np.stack([low, high], axis=1).reshape(-1, integers.shape[-1])[:entries]


def stored_columns(name, layer, entries, block):
    """The columns of the kernel, from the weights of the layer."""
    integers = to_numpy(layer._kernel)
    assert integers.dtype == np.int8
    if layer.quantization_mode == "int8":
        integers = columns_of(name, integers)
    else:
        integers = unpacked(integers, entries)
    scale = np.atleast_2d(to_numpy(layer.kernel_scale)).astype("float64")
    return integers / np.repeat(scale, block or entries, axis=0)[:entries]


def cases():
    quick = [("YatDense", "int8", None), ("YatConv2D", "int4", 3)]
    for name, how in itertools.product(NAMES, [("int8", None), ("int4", None), ("int4", 3)]):
        marks = () if (name, *how) in quick else pytest.mark.nightly
        yield pytest.param(name, *how, marks=marks)


@pytest.mark.parametrize(("name", "mode", "block"), list(cases()))
def test_values_and_gradients(name, mode, block):
    layer, x = built(name)
    before = columns_of(name, to_numpy(layer.kernel)).astype("float64")
    config = Int4QuantizationConfig(block_size=block) if mode == "int4" else None
    layer.quantize(mode, config=config)
    after = stored_columns(name, layer, len(before), block)
    # Each weight is rounded to the nearest step, of which there are 127 or 7 up to the largest.
    for start in range(0, len(before), block or len(before)):
        part = slice(start, start + (block or len(before)))
        step = np.abs(before[part]).max(axis=0) / {"int8": 127, "int4": 7}[mode]
        assert np.all(np.abs(after - before)[part] <= 0.51 * step)
    kernel = kernel_of(name, after, to_numpy(layer.kernel))
    close(layer.kernel, kernel, rtol=1e-5)
    close(layer.prototypes(), layer.multiplier * kernel, rtol=1e-5)
    output = definition(name, layer, kernel, x)
    upstream = draw(output.shape, seed=4)
    found, of_x, of_weights = all_gradients(layer, x, upstream)
    close(found, output)
    truth = definition(name, layer, kernel, x, upstream)
    close(of_x, truth["x"])
    close(of_weights["bias"], truth["bias"])
    assert set(of_weights) == {"bias", "alpha"}


@MODES
def test_embedding(mode):
    layer = keras_yat.YatEmbedding(7, 5, epsilon=0.3)
    layer.build()
    before = to_numpy(layer.embeddings)
    layer.quantize(mode, config=Int4QuantizationConfig(block_size=2) if mode == "int4" else None)
    rows = to_numpy(layer.prototypes())
    step = layer.multiplier * np.abs(before).max() / {"int8": 127, "int4": 7}[mode]
    assert np.all(np.abs(rows - layer.multiplier * before) <= 0.51 * step)
    indices = np.array([[6, 0], [1, 1]])
    close(call(layer, indices), rows[indices], rtol=1e-5)
    x, alpha = draw((3, 5)), float(to_numpy(layer.alpha))
    close(compiled(layer.score)(x), reference_yat.yat(x, rows.T, epsilon=0.3, alpha=alpha))
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize(mode)


def test_weights_that_are_given_to_an_embedding():
    rows = draw((7, 4))
    layer = keras_yat.YatEmbedding(7, 4, weights=rows, dtype="int8_from_float32")
    np.testing.assert_allclose(to_numpy(layer.prototypes()), rows, atol=0.51 * rows.max() / 100)


def model_of(*layers):
    return keras.Sequential([keras.Input((6,)), *layers])


@MODES
def test_files(mode, tmp_path):
    layer, _ = built("YatDense", learn_epsilon=True)
    model = model_of(layer)
    model.quantize(mode)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "only.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    fresh = model_of(built("YatDense", learn_epsilon=True)[0])
    fresh.quantize(mode)
    fresh.load_weights(tmp_path / "only.weights.h5")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for other in (loaded, fresh, copy):
        assert other.layers[0].quantization_mode == mode
        names = [w.name for w in other.weights]
        assert names == [w.name for w in model.weights]
        assert names[-2:] == ["kernel", "kernel_scale"]
        np.testing.assert_array_equal(*(to_numpy(m.layers[0].kernel) for m in (other, model)))
    plain = model_of(keras_yat.YatDense(5, learn_epsilon=True))
    with pytest.raises(ValueError, match="expected 4 variables, but received 5"):
        plain.load_weights(tmp_path / "only.weights.h5")


@MODES
def test_lora_on_integers(mode, tmp_path):
    layer, x = built("YatDense")
    layer.quantize(mode)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(draw((2, 5), seed=3))
    kernel = to_numpy(layer.kernel)
    model = model_of(layer)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, draw((2, 5), seed=2), verbose=0)
    names = [w.name for w in model.trainable_weights]
    assert names == ["bias", "alpha", "lora_kernel_a", "lora_kernel_b"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    step = np.abs(kernel).max(axis=0) / {"int8": 127, "int4": 7}[mode]
    assert np.all(np.abs(to_numpy(again.kernel) - kernel) <= 0.51 * step)
    assert again.lora_enabled
    assert [w.name for w in again.weights] == [w.name for w in layer.weights]


def test_a_weight_quantizer():
    layer, _ = built("YatDense")
    kernel = to_numpy(layer.kernel)
    quantizer = AbsMaxQuantizer(axis=1, value_range=(-3, 3))
    layer.quantize(config=Int8QuantizationConfig(quantizer, activation_quantizer=None))
    scale = 3 / np.abs(kernel).max(axis=0)
    close(layer.kernel_scale, scale)
    np.testing.assert_array_equal(to_numpy(layer._kernel), np.round(kernel * scale))


@pytest.mark.parametrize("user_first", [True, False])
def test_shared_kernels(user_first, tmp_path):
    inputs = keras.Input((6,))
    owner = keras_yat.YatDense(5, name="owner")
    user = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(1, 3), name="user")
    layers = [user, owner] if user_first else [owner, user]
    model = keras.Model(inputs, [layer(inputs) for layer in layers])
    model.quantize("int8")
    assert user._kernel is owner._kernel
    assert len(model.weights) == 2 + 2 + 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == 2 + 2 + 2
    for name, part in (("owner", slice(None)), ("user", slice(1, 3))):
        rows = to_numpy(owner.prototypes())[:, part]
        np.testing.assert_array_equal(to_numpy(model.get_layer(name).prototypes()), rows)
        np.testing.assert_array_equal(to_numpy(loaded.get_layer(name).prototypes()), rows)


def test_a_model_of_several_kinds_of_layers():
    stock, head = keras.layers.Dense(4), keras_yat.YatDense(3)
    model = model_of(stock, keras_yat.YatDense(4, name="left_out"), head)
    model.quantize("int8", filters="^(?!left)")
    assert [each.quantization_mode for each in model.layers] == ["int8", None, "int8"]


def test_other_modes_are_refused_in_words():
    model = model_of(keras.layers.Dense(4), keras_yat.YatDense(3))
    with pytest.warns(UserWarning, match="has no quantization 'float8'.*distance"):
        model.quantize("float8")
    assert [each.quantization_mode for each in model.layers] == ["float8", None]
    for config in (
        keras.quantizers.GPTQConfig(dataset=["a"], tokenizer=str),
        keras.quantizers.AWQConfig(dataset=["a"], tokenizer=str),
    ):
        with pytest.raises(NotImplementedError, match="GPTQ and AWQ choose"):
            model.layers[1].quantize(config=config)
    with pytest.raises(NotImplementedError, match="has no quantization 'float8'"):
        keras_yat.YatDense(3, dtype="float8_from_float32").build((None, 4))


def test_errors():
    with pytest.raises(ValueError, match="isn't yet built"):
        keras_yat.YatDense(3).quantize("int8")
    layer, x = built("YatDense")
    layer.quantize("int4")
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize("int8")
    with pytest.raises(ValueError, match="call it before"):
        layer.adapt(x)


@MODES
def test_a_policy(mode):
    """A layer with a policy is built for integers; a policy that is set later quantizes."""
    policy = f"{mode}_from_mixed_bfloat16"
    layer, x = built("YatDense", dtype=policy, activation="nami")
    assert layer._kernel.dtype == "int8"
    assert layer.activation.dtype_policy.name == "mixed_bfloat16"
    assert keras.backend.standardize_dtype(call(layer, x).dtype) == "bfloat16"
    later, _ = built("YatDense", dtype="mixed_bfloat16", activation="nami")
    later.dtype_policy = policy
    shapes = [tuple(w.shape) for w in layer.weights]
    assert [tuple(w.shape) for w in later.weights] == shapes


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda x: keras_yat.YatLSTM(2)(x), "does not have a `quantize` method"),
        (lambda x: keras_yat.YatMultiHeadAttention(1, 2)(x, x), "could not load the file"),
    ],
    ids=["recurrent", "attention"],
)
def test_other_layers_are_left_out(layer, words):
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, layer(inputs))
    with pytest.warns(UserWarning, match=words):
        model.quantize("int8")
    assert {w.dtype for w in model.weights} == {"float32"}
