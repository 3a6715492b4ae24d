"""The layers of the activations in models."""

import contextlib
import json

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat import activations
from tests import helpers
from tests.helpers import draw, to_numpy
from tests.layers.catalogue import EVERY_TRAINABLE


@pytest.mark.spread
@EVERY_TRAINABLE
def test_in_a_stock_layer(cls, tmp_path):
    """Parameters are counted, trained, frozen, saved and loaded like weights of the layer."""

    def build():
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(5, activation=cls()), keras.layers.Dense(1)]
        )

    model = build()
    own = sum(int(np.prod(w.shape)) for w in cls().weights)
    assert model.count_params() == 4 * 5 + 5 + own + 5 + 1
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mse")
    x, y = draw((16, 4)), draw((16, 1), seed=1)
    before = [to_numpy(w) for w in model.layers[0].activation.weights]
    model.fit(x, y, epochs=2, verbose=0)
    after = [to_numpy(w) for w in model.layers[0].activation.weights]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))

    model.layers[0].trainable = False
    assert len(model.trainable_variables) == 2
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    for w, old in zip(model.layers[0].activation.weights, after, strict=True):
        np.testing.assert_array_equal(to_numpy(w), old)

    expected = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    other = build()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(to_numpy(other(x)), expected)


@EVERY_TRAINABLE
def test_frozen(cls):
    layer = cls(trainable=False)
    layer(draw((2, 3)))
    assert not layer.trainable_variables
    assert len(layer.non_trainable_variables) == len(layer.weights) > 0
    assert cls.from_config(layer.get_config()).trainable is False


def test_a_layer_used_several_times_has_one_set_of_parameters(tmp_path):
    shared = keras_yat.Nami()
    inputs = keras.Input((4,))
    x = shared(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(shared(keras.layers.Dense(4)(x))))
    assert sum("nami" in w.path for w in model.weights) == 3
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert sum("nami" in w.path for w in again.weights) == 3
    np.testing.assert_array_equal(to_numpy(again(draw((2, 4)))), to_numpy(model(draw((2, 4)))))


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "GRU"])
def test_as_the_activation_of_a_recurrent_layer(layer):
    recurrent = getattr(keras.layers, layer)(3, activation=keras_yat.Nami())
    model = keras.Sequential([keras.Input((5, 2)), recurrent])
    model.compile("sgd", "mse")
    model.fit(draw((4, 5, 2)), draw((4, 3)), verbose=0)
    assert np.any(to_numpy(recurrent.cell.activation.w) != np.float32(0.3))


def test_lincomb_functions_keep_their_parameters(tmp_path):
    layer = keras_yat.LinComb(
        coefficients=[0.6, 0.4, 0.2],
        functions=["nami", keras_yat.Mila(axis=-1), keras_yat.activations.sinlu],
    )
    model = keras.Sequential([keras.Input((4,)), layer])
    assert {w.path.split("/")[-1] for w in layer.weights} == {"coefficients", "w", "a", "b", "beta"}
    helpers.scramble(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = draw((3, 4))
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))
    config = layer.get_config()["functions"]
    assert "nami" in str(config[0]).lower()
    assert "sinlu" in str(config[2])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float64"])
def test_lincomb_of_layers_in_any_precision(policy):
    """Given layers compute in the precision of their policy."""
    functions = ["relu", "nami", keras_yat.Nami(), keras.layers.LeakyReLU()]
    x = draw((4, 3))
    expected = to_numpy(keras_yat.LinComb(functions=functions)(x))
    with helpers.double_precision() if policy == "float64" else contextlib.nullcontext():
        layer = keras_yat.LinComb(functions=functions, dtype=policy)
        model = keras.Sequential([keras.Input((3,)), layer])
        output = layer(x)
        assert keras.backend.standardize_dtype(output.dtype) == layer.compute_dtype
        np.testing.assert_allclose(to_numpy(output), expected, rtol=2e-2, atol=2e-2)
        assert model.outputs[0].dtype == layer.compute_dtype


def test_lincomb_accepts_every_identifier():
    nami = {"class_name": "keras_yat>Nami", "config": {}}
    layer = keras_yat.LinComb(functions=[nami, "mila", keras.activations.gelu])
    assert isinstance(layer.functions[0], keras_yat.Nami)
    default = activations.get({"class_name": "keras_yat>LinComb", "config": {}})
    assert default.get_config()["functions"] == ["relu", "sigmoid", "tanh", "softsign"]


@pytest.mark.backends("torch")
def test_in_a_torch_module():
    """The parameters of a built activation are parameters of the torch module."""
    import torch

    module = torch.nn.Sequential(keras_yat.Nami(), keras_yat.LinComb(functions=["nami", "relu"]))
    module(torch.ones(2, 3))
    assert len(list(module.parameters())) == 3 + 1 + 3


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize")
@pytest.mark.parametrize("activation", [keras_yat.Nami, keras_yat.LinComb, keras_yat.SoftTanh])
def test_quantizing_a_model_before_its_first_call(activation):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, activation=activation()),
            keras.layers.Dense(5),
            activation(axis=-1) if activation is not keras_yat.SoftTanh else activation(),
        ]
    )
    expected = to_numpy(model(draw((6, 4))))
    fresh = keras.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    fresh.quantize("int8")
    assert fresh.layers[1].dtype_policy.name == "int8_from_float32"
    # Keras 3.15 does not quantize a layer that contains another layer.
    inside = fresh.layers[0].dtype_policy.name == "int8_from_float32"
    assert inside == (not keras.__version__.startswith("3.15."))
    np.testing.assert_allclose(to_numpy(fresh(draw((6, 4)))), expected, atol=0.05)


def test_softermax_over_several_axes_given_as_numpy_integers():
    layer = keras_yat.Softermax(axis=(np.int64(1), np.int64(2)))
    again = keras_yat.Softermax.from_config(json.loads(json.dumps(layer.get_config())))
    x = np.abs(draw((2, 3, 4)))
    np.testing.assert_allclose(to_numpy(again(x)).sum(axis=(1, 2)), 1.0, rtol=1e-5)
