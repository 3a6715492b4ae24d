"""Ternary kernels: values, straight-through gradients, training, sharing, LoRA, `adapt`."""

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat.quantizers import Ternary
from tests import reference_yat
from tests.helpers import all_gradients, call, compiled, double_precision, draw, to_numpy
from tests.layers.stored import NAMES, built, columns_of, definition, kernel_of
from tests.layers.test_yat_lora import close

QUICK = ("YatDense", "YatConv2D", "YatConv2DTranspose", "YatDepthwiseConv2D")


def reference(name, kernel, threshold=0.5):
    """The ternary kernel by definition, in the layout of the layer."""
    kernel = to_numpy(kernel)
    columns = reference_yat.ternary(columns_of(name, kernel), threshold)
    return kernel_of(name, columns, kernel)


@pytest.mark.spread
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.nightly) for n in NAMES]
)
def test_values_and_gradients(name):
    layer, x = built(name, kernel_quantizer=Ternary(0.7))
    kernel = reference(name, layer.kernel, 0.7)
    close(layer.prototypes(), layer.multiplier * kernel, rtol=1e-5)
    assert layer.sparsity() == np.mean(kernel == 0)
    # The gradients are those of a float layer with this kernel.
    plain, _ = built(name)
    plain.kernel.assign(kernel)
    plain.alpha.assign(layer.alpha)
    upstream = draw(layer.compute_output_shape(x.shape), seed=4)
    truth, of_x, of_weights = all_gradients(plain, x, upstream)
    found, again, of_ternary = all_gradients(layer, x, upstream)
    close(found, to_numpy(truth), rtol=1e-5)
    close(again, of_x, rtol=1e-5)
    for weight, gradient in of_weights.items():
        close(of_ternary[weight], gradient)
    close(found, definition(name, layer, kernel, x))
    close(of_ternary["kernel"], definition(name, layer, kernel, x, upstream)["kernel"])


@pytest.mark.spread
@pytest.mark.parametrize("normalize", ["kernel", "sphere"])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_every_form_uses_the_ternary_kernel(normalize, distance):
    layer, x = built("YatDense", kernel_quantizer="ternary", normalize=normalize, distance=distance)
    close(
        call(layer, x),
        reference_yat.yat(
            x,
            reference("YatDense", layer.kernel),
            to_numpy(layer.bias),
            layer.epsilon,
            float(to_numpy(layer.alpha)),
            normalize,
        ),
    )


def test_embedding():
    layer = keras_yat.YatEmbedding(7, 6, epsilon=0.3, kernel_quantizer="ternary")
    layer.build()
    rows = layer.multiplier * reference_yat.ternary(to_numpy(layer.embeddings).T).T
    indices = np.array([[6, 0], [1, 1]])
    close(call(layer, indices), rows[indices], rtol=1e-5)
    close(layer.prototypes(), rows, rtol=1e-5)
    x, alpha = draw((3, 6)), float(to_numpy(layer.alpha))
    close(compiled(layer.score)(x), reference_yat.yat(x, rows.T, epsilon=0.3, alpha=alpha))


def test_rows_of_an_embedding_are_trained_straight_through():
    layer = keras_yat.YatEmbedding(7, 6, alpha=None, kernel_quantizer="ternary")
    model = keras.Sequential([keras.Input((2,), dtype="int32"), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    before, rows = to_numpy(layer.embeddings), to_numpy(layer.prototypes())
    indices, targets = np.array([[6, 0], [1, 1]]), draw((2, 2, 6))
    slopes = 2.0 * (rows[indices] - targets) / targets.size
    model.fit(indices, targets, verbose=0)
    expected = before.copy()
    np.subtract.at(expected, indices, layer.multiplier * slopes)
    close(layer.embeddings, expected, rtol=1e-5)


@pytest.mark.spread
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e37])
def test_the_ternary_form_is_its_own(dtype, scale):
    """Exactly, for any number of entries, and without overflow."""
    scale = {"float16": {1e-30: 1e-3, 1e37: 1e4}}.get(dtype, {}).get(scale, scale)
    with double_precision() if dtype == "float64" else pytest.MonkeyPatch.context():
        for entries in (1, 33):
            w = draw((entries, 8), seed=entries) * scale
            w[:, 0] = 0.0
            w = keras.ops.cast(np.asarray(w, "float64" if dtype == "float64" else "float32"), dtype)
            once = compiled(Ternary())(w)
            assert keras.backend.standardize_dtype(once.dtype) == dtype
            twice = compiled(Ternary(0.9))(once)
            np.testing.assert_array_equal(to_numpy(twice), to_numpy(once))
            trits, beta = Ternary().trits_and_scale(once, 0)
            np.testing.assert_array_equal(to_numpy(trits * beta), to_numpy(once))
            w, once = to_numpy(w), to_numpy(once)
            np.testing.assert_array_equal(np.any(once != 0, axis=0), [False] + 7 * [True])
            digits = {"float16": 2e-3, "bfloat16": 1e-2}.get(dtype, 1e-5)
            np.testing.assert_allclose(once, reference_yat.ternary(w), rtol=digits)


def test_outliers_do_not_hide_the_mean():
    w = np.concatenate([[1e6], draw((2000,))]).astype("float32")[:, None]
    close(Ternary()(w), reference_yat.ternary(w), rtol=1e-5)


@pytest.mark.parametrize("entries", [64, 784])
def test_the_start_keeps_the_signal(entries):
    found = []
    for quantizer in ("ternary", Ternary(0.9), None):
        keras.utils.set_random_seed(1)
        layer = keras_yat.YatDense(200, kernel_quantizer=quantizer)
        found.append(np.sqrt(np.mean(to_numpy(call(layer, draw((100, entries)))) ** 2)))
    np.testing.assert_allclose(found[:2], found[2], rtol=0.06)


def test_relative_mean_square():
    w = np.random.default_rng(0).normal(size=(200_000, 1))
    for threshold in (0.0, 0.5, 0.7, 0.95):
        kept = np.mean(reference_yat.ternary(w, threshold) ** 2) / np.mean(w**2)
        np.testing.assert_allclose(Ternary(threshold).relative_mean_square(), kept, rtol=0.01)


@pytest.mark.slow
def test_training_from_scratch_and_from_a_float_layer():
    x = draw((64, 8))
    y = x[:, :4] ** 2
    plain, start = network(None), network("ternary")
    first, *_, last = fitted(start, x, y)
    assert last < 0.8 * first
    fitted(plain, x, y)
    start.set_weights(plain.get_weights())
    kernel = to_numpy(plain.layers[0].kernel)
    close(
        start.layers[0].prototypes(),
        start.layers[0].multiplier * reference("YatDense", kernel),
        rtol=1e-5,
    )
    assert fitted(start, x, y)[-1] < 0.8 * first


def network(quantizer):
    keras.utils.set_random_seed(3)
    layer = keras_yat.YatDense(16, kernel_quantizer=quantizer)
    model = keras.Sequential([keras.Input((8,)), layer, keras.layers.Dense(4)])
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    return model


def fitted(model, x, y):
    return model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]


def test_regularizer_and_constraint_belong_to_the_latent_weights():
    layer = keras_yat.YatDense(
        5, kernel_quantizer="ternary", kernel_regularizer="l2", kernel_constraint="non_neg"
    )
    model = keras.Sequential([keras.Input((6,)), layer])
    (loss,) = layer.losses
    np.testing.assert_allclose(to_numpy(loss), 0.01 * np.sum(to_numpy(layer.kernel) ** 2), 1e-5)
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    model.fit(draw((8, 6)), draw((8, 5)), verbose=0)
    assert to_numpy(layer.kernel).min() == 0.0
    assert len(np.unique(to_numpy(layer.kernel))) > 10


def test_shared_kernels():
    owner = keras_yat.YatDense(5, kernel_quantizer="ternary")
    part = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(1, 3))
    part.build((None, 6))
    kernel = to_numpy(owner.prototypes())
    np.testing.assert_array_equal(to_numpy(part.prototypes()), kernel[:, 1:3])
    assert part.sparsity() == np.mean(kernel[:, 1:3] == 0)
    with pytest.raises(ValueError, match="`kernel_quantizer` must be None: the owner's applies"):
        keras_yat.YatDense(5, kernel_from=owner, kernel_quantizer="ternary")


@pytest.mark.spread
@pytest.mark.parametrize("name", ["YatDense", "YatConv2D"])
def test_lora(name):
    """The quantizer has the sum: it stays ternary, and A and B are trained straight-through."""
    layer, x = built(name, kernel_quantizer="ternary", lora_rank=2)
    layer.lora_kernel_b.assign(draw(tuple(layer.lora_kernel_b.shape), seed=3, scale=0.3))
    kernel = reference(name, layer.kernel)
    close(layer.prototypes(), layer.multiplier * kernel, rtol=1e-5)
    upstream = draw(layer.compute_output_shape(x.shape), seed=4)
    _, _, of_weights = all_gradients(layer, x, upstream)
    truth = definition(name, layer, kernel, x, upstream)
    close(of_weights["lora_kernel_a"], truth["kernel"] @ to_numpy(layer.lora_kernel_b).T)


def test_adapt():
    x = draw((200, 12))
    layer = keras_yat.YatDense(8, kernel_quantizer="ternary")
    layer.adapt(x)
    rows = to_numpy(layer.prototypes()).T
    nearest = np.min(np.sum((x[:, None] - rows) ** 2, axis=-1), axis=1)
    np.testing.assert_allclose(layer.epsilon, np.median(nearest), rtol=1e-4)
    assert 0.9 < np.sqrt(np.mean(to_numpy(layer(x)) ** 2)) < 1.1


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize")
def test_integers_are_refused_in_words():
    layer, plain = keras_yat.YatDense(3, kernel_quantizer="ternary"), keras_yat.YatDense(2)
    model = keras.Sequential([keras.Input((4,)), layer, plain])
    with pytest.warns(UserWarning, match=r"has a ternary kernel, of 1\.6 bits"):
        model.quantize("int8")
    assert (layer.quantization_mode, plain.quantization_mode) == (None, "int8")
    with pytest.raises(NotImplementedError, match="integers of mode 'int4' would need more"):
        keras_yat.YatDense(3, kernel_quantizer="ternary", dtype="int4_from_float32").build((1, 4))


@pytest.mark.parametrize(
    ("argument", "value"), [("threshold", 1.0), ("threshold", "0.5"), ("save_latent", 2)]
)
def test_arguments(argument, value):
    with pytest.raises(ValueError, match=rf"`{argument}` must be .* Received: {argument}="):
        Ternary(**{argument: value})


@pytest.mark.parametrize("value", ["binary", 3, {"class_name": "none"}, keras.initializers.Zeros()])
def test_other_quantizers(value):
    with pytest.raises(ValueError, match="`kernel_quantizer` must be "):
        keras_yat.YatDense(3, kernel_quantizer=value)
