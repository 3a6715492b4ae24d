"""`freeze`: constants instead of trained activations, equal outputs, no custom gradient."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_yat
from keras_yat import convert
from keras_yat._register import LAYERS
from keras_yat.activations._base import TrainableActivation
from tests.helpers import call, check_layer, draw, scramble, to_numpy, value_and_gradients

TRAINED = [n for n, cls in LAYERS.items() if issubclass(cls, TrainableActivation)]


def assert_equal(new, old, x):
    np.testing.assert_allclose(to_numpy(call(new, x)), to_numpy(call(old, x)), rtol=1e-6, atol=1e-6)


@pytest.mark.spread
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("name", TRAINED)
def test_every_activation(name, axis, tmp_path):
    model = keras.Sequential([keras.Input((3, 4)), LAYERS[name](axis=axis)])
    x = draw((2, 3, 4), scale=2.0)
    model(x)
    scramble(model)
    frozen = convert.freeze(model)
    assert frozen.weights == []
    assert_equal(frozen, model, x)
    frozen.save(tmp_path / "frozen.keras")
    assert_equal(keras.saving.load_model(tmp_path / "frozen.keras"), model, x)


def network():
    inputs = keras.Input((6, 6, 2))
    x = keras_yat.YatConv2D(3, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(4, 3, activation=keras_yat.Nami(axis=-1), name="stock")(x)
    combined = keras_yat.LinComb(functions=["mila", "relu", "delu"], name="combined")
    x = layers.Flatten()(combined(x))
    return keras.Model(inputs, keras_yat.YatDense(2, learn_epsilon=True, name="head")(x))


def test_a_network_keeps_its_other_weights():
    model = network()
    x = draw((2, 6, 6, 2))
    model(x)
    scramble(model)
    frozen = convert.freeze(model)
    assert_equal(frozen, model, x)
    assert [layer.name for layer in frozen.layers] == [layer.name for layer in model.layers]
    paths = {"/".join(weight.path.split("/")[-2:]) for weight in frozen.weights}
    assert {"conv/kernel", "conv/alpha", "head/epsilon", "norm/gamma", "stock/kernel"} <= paths
    assert not any(part in path for path in paths for part in ("nami", "combined", "mila"))
    assert frozen.trainable_weights == []
    # Copies: more training of the model leaves the frozen one as it is.
    before = to_numpy(call(frozen, x))
    for weight in model.weights:
        weight.assign(weight + 0.1)
    np.testing.assert_array_equal(to_numpy(call(frozen, x)), before)


def test_half_precision_and_nested_models():
    inner = keras.Sequential([keras.Input((4,)), keras_yat.CosLU(axis=-1)], name="inner")
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation=keras_yat.Mila(), dtype="mixed_bfloat16")(inputs)
    model = keras.Model(inputs, inner(x))
    x = draw((3, 4))
    model(x)
    frozen = convert.freeze(model)
    assert_equal(frozen, model, x)
    assert {weight.name for weight in frozen.weights} == {"kernel", "bias"}


@pytest.mark.backends("jax")
def test_the_graph_has_no_custom_gradient():
    import jax

    model = network()
    x = draw((1, 6, 6, 2))
    model(x)
    frozen = convert.freeze(model)
    assert "custom_vjp" in str(jax.make_jaxpr(lambda x: model(x))(x))
    assert "custom_vjp" not in str(jax.make_jaxpr(lambda x: frozen(x))(x))
    # The scope ends with the call.
    assert "custom_vjp" in str(jax.make_jaxpr(lambda x: model(x))(x))


def test_gradients_in_the_input_are_right():
    model = keras.Sequential([keras.Input((4,)), keras_yat.Mila(), keras_yat.YatDense(2)])
    x = draw((3, 4))
    model(x)
    (_, expected), (_, found) = (
        value_and_gradients(m, x)[:2] for m in (model, convert.freeze(model))
    )
    np.testing.assert_allclose(to_numpy(found[0]), to_numpy(expected[0]), rtol=1e-4, atol=1e-5)


CONSTANTS = [
    ({"function": "mila", "parameters": {"beta": 0.3}}, (4,)),
    (
        {"function": "sinlu", "parameters": {"alpha": [1.0, 2.0], "beta": [0.5, 0.1]}, "axis": 1},
        (2, 3),
    ),
    (
        {
            "function": "norm_lincomb",
            "parameters": {"coefficients": [1.0, -0.5]},
            "functions": ["relu", "tanh"],
            "norm": "l1",
        },
        (4,),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kwargs", "shape"), CONSTANTS)
def test_the_contract_of_a_layer(kwargs, shape, tmp_path):
    check_layer(convert.FrozenActivation, kwargs, shape, tmp_path)


def test_bad_input():
    with pytest.raises(ValueError, match="`model` must be a Keras model"):
        convert.freeze(keras_yat.Mila())
    with pytest.raises(ValueError, match="`model` must be built"):
        convert.freeze(keras.Sequential([keras_yat.Mila()]))
    with pytest.raises(ValueError, match="`function` must be one of"):
        convert.FrozenActivation("milo", {})
    with pytest.raises(ValueError, match=r"`parameters` must be a dict .* of mila: beta"):
        convert.FrozenActivation("mila", {"alpha": 1.0})
