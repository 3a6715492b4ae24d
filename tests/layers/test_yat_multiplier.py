"""The factor between the trained variables and the weights of the neurons."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests.helpers import all_gradients, draw, to_numpy
from tests.layers.test_yat import LAYERS

RECURRENT = {f"Yat{kind}": ({"units": 3}, (4, 5)) for kind in ("SimpleRNN", "LSTM", "GRU")}
EVERY = pytest.mark.parametrize("name", [*LAYERS, *RECURRENT])
KERNELS = ("kernel", "recurrent_kernel", "embeddings", "depthwise_kernel", "pointwise_kernel")
SETTINGS = {
    "default": {},
    "kernel normalized": {"normalize": "kernel"},
    "sphere": {"normalize": "sphere"},
    "direct": {"distance": "direct"},
    "learned epsilon": {"learn_epsilon": True, "epsilon": 0.3},
    "drop_connect": {"drop_connect": 0.5, "seed": 1},
}


def built(name, **settings):
    kwargs, shape = {**LAYERS, **RECURRENT}[name]
    layer = getattr(keras_yat, name)(**kwargs, **settings)
    layer.build((2, *shape))
    return layer, (2, *shape)


def kernels_of(layer):
    """The kernels of a layer by name, with their multipliers."""
    layer = getattr(layer, "cell", layer)
    found = {n: getattr(layer, n) for n in KERNELS if hasattr(layer, n)}
    prefix = {f"{kind}_kernel": f"{kind}_" for kind in ("recurrent", "depthwise", "pointwise")}
    return {n: (w, getattr(layer, f"{prefix.get(n, '')}multiplier")) for n, w in found.items()}


@pytest.mark.spread
@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *(("YatDense", setting) for setting in SETTINGS),
        *((name, "default") for name in [*LAYERS, *RECURRENT] if name != "YatDense"),
        *(("YatConv2D", setting) for setting in ("sphere", "direct")),
        *(("YatLSTM", setting) for setting in ("sphere", "kernel normalized")),
    ],
)
def test_same_outputs_and_gradients_as_without(name, setting):
    """The gradient in v, with w = s·v, is s times that in w, also where w is normalized."""
    layer, shape = built(name, **SETTINGS[setting])
    plain, _ = built(name, **SETTINGS[setting], kernel_multiplier=1)
    plain.set_weights(layer.get_weights())
    scales = {n: multiplier for n, (_, multiplier) in kernels_of(layer).items()}
    assert all(abs(s - 1.0) > 0.05 for s in scales.values())
    for weight, (kernel, _) in zip(
        kernels_of(plain).values(), kernels_of(layer).values(), strict=True
    ):
        weight[0].assign(to_numpy(kernel) * kernels_of(layer)[kernel.path.rsplit("/", 1)[-1]][1])
    x = draw(shape)
    upstream = draw(layer.compute_output_shape(shape), seed=1)
    value, of_x, of_weights = all_gradients(layer, x, upstream)
    expected, of_x_plain, of_weights_plain = all_gradients(plain, x, upstream)
    assert_near(value, expected)
    assert_near(of_x, of_x_plain)
    for weight, slope in of_weights.items():
        assert_near(slope, scales.get(weight, 1.0) * of_weights_plain[weight])


def assert_near(found, truth):
    found, truth = to_numpy(found), to_numpy(truth)
    np.testing.assert_allclose(found, truth, rtol=1e-4, atol=2e-5 * max(1e-3, abs(truth).max()))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(dtype):
    layer, shape = built("YatDense", dtype=dtype)
    exact, _ = built("YatDense")
    exact.set_weights(layer.get_weights())
    x = draw(shape)
    np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(exact(x)), rtol=0.05, atol=0.01)


def test_the_variable_starts_as_a_kernel_of_the_stock_layer():
    """Near He's variance; in recurrent cells with 1 over the number of entries."""
    for layer, variance in ((keras_yat.YatDense(400), 1 / 90), (keras_yat.YatLSTM(100), 1 / 300)):
        shape = (None, 300) if isinstance(layer, keras_yat.YatDense) else (None, 2, 300)
        layer.build(shape)
        kernel = to_numpy(getattr(layer, "cell", layer).kernel)
        np.testing.assert_allclose(np.mean(kernel**2), variance, rtol=0.02)
        prototypes = to_numpy(layer.prototypes())
        np.testing.assert_allclose(np.mean(prototypes**2), 1 / 9, rtol=0.02)
    recurrent = to_numpy(layer.recurrent_prototypes())
    np.testing.assert_allclose(np.mean(recurrent**2), 1 / 9, rtol=0.04)
    np.testing.assert_allclose(np.mean(to_numpy(layer.cell.recurrent_kernel) ** 2), 0.01, rtol=0.04)


def test_other_initializers_start_as_they_are():
    layer = keras_yat.YatDense(3, kernel_initializer="glorot_uniform")
    layer.build((None, 4))
    assert layer.multiplier == 1.0
    given = keras_yat.YatDense(3, kernel_initializer="ones", kernel_multiplier=4)
    given.build((None, 4))
    np.testing.assert_array_equal(to_numpy(given.kernel), 0.25)
    np.testing.assert_array_equal(to_numpy(given.prototypes()), 1.0)
    copy = keras_yat.YatDense.from_config(given.get_config())
    assert copy.kernel_multiplier == 4.0


@EVERY
def test_prototypes_are_the_normalized_weights(name):
    layer, _ = built(name, normalize="kernel")
    found = to_numpy(layer.prototypes())
    axes = tuple(range(found.ndim - 1))
    if "Transpose" in name:
        axes = (*axes[:-1], found.ndim - 1)
    elif "Depthwise" in name:
        axes = axes[:-1]
    np.testing.assert_allclose(np.sum(found**2, axis=axes), 1.0, rtol=1e-5)
    plain, _ = built(name)
    plain.set_weights(layer.get_weights())
    direction = to_numpy(plain.prototypes())
    direction = direction / np.sqrt(np.sum(direction**2, axis=axes, keepdims=True))
    np.testing.assert_allclose(found, direction, rtol=1e-4, atol=1e-6)


def test_prototypes_of_a_slice():
    owner = keras_yat.YatDense(6)
    part = keras_yat.YatDense(2, kernel_from=owner, kernel_slice=(3, 5))
    part(draw((1, 4)))
    assert part.multiplier == owner.multiplier
    np.testing.assert_array_equal(to_numpy(part.prototypes()), to_numpy(owner.prototypes())[:, 3:5])


def test_rows_of_an_embedding():
    layer = keras_yat.YatEmbedding(5, 8)
    rows = to_numpy(layer(np.arange(5)))
    np.testing.assert_array_equal(rows, to_numpy(layer.prototypes()))
    np.testing.assert_allclose(rows, layer.multiplier * to_numpy(layer.embeddings), rtol=1e-6)
    # The squared distance of a row to itself is 0.
    scores = to_numpy(layer.score(rows))
    assert np.all(np.argmax(scores, axis=1) == np.arange(5))
    given = keras_yat.YatEmbedding(5, 8, weights=rows)
    np.testing.assert_array_equal(to_numpy(given.embeddings), rows)
    assert given.get_config()["kernel_multiplier"] == 1.0


def test_regularizers_and_constraints_apply_to_the_variable():
    layer = keras_yat.YatDense(3, kernel_regularizer=keras.regularizers.L2(0.5))
    layer(draw((2, 40)))
    kernel = to_numpy(layer.kernel)
    np.testing.assert_allclose(to_numpy(ops.sum(layer.losses)), 0.5 * np.sum(kernel**2), rtol=1e-5)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), "glorot", True, None, 1e-46])
def test_refuses_other_multipliers(value):
    with pytest.raises(ValueError, match="`kernel_multiplier` must be"):
        keras_yat.YatDense(3, kernel_multiplier=value)


def test_refuses_a_multiplier_beside_an_owner():
    with pytest.raises(ValueError, match="`kernel_multiplier` must be 'auto'"):
        keras_yat.YatDense(3, kernel_multiplier=2.0, kernel_from=keras_yat.YatDense(3))


def test_prototypes_need_weights():
    for layer in (keras_yat.YatDense(3), keras_yat.YatEmbedding(3, 2), keras_yat.YatGRUCell(3)):
        with pytest.raises(ValueError, match="no weights yet"):
            layer.prototypes()


def test_adapt_sets_the_prototypes():
    x = draw((50, 6))
    layer = keras_yat.YatDense(4)
    layer.adapt(x)
    found = to_numpy(layer.prototypes()).T
    distances = np.linalg.norm(found[:, None] - x, axis=-1)
    np.testing.assert_allclose(np.min(distances, axis=1), 0.0, atol=1e-5)
