"""Activations by name."""

import inspect

import keras
import pytest

import keras_yat
from keras_yat import activations


def test_names_are_the_public_functions():
    functions = set(activations.__all__) - {"get", "names"}
    assert set(activations.names()) == functions
    assert activations.names() == sorted(activations.names())


@pytest.mark.parametrize("name", activations.names())
def test_a_name_gives_a_new_layer_with_the_defaults_of_its_function(name):
    layer, other = activations.get(name), activations.get(name)
    assert isinstance(layer, keras.layers.Layer)
    assert layer is not other
    assert not {id(w) for w in layer.weights} & {id(w) for w in other.weights}
    assert type(layer) in vars(keras_yat).values()
    function = inspect.signature(getattr(activations, name)).parameters
    constructor = inspect.signature(type(layer)).parameters
    for argument in list(function.values())[1:]:
        assert constructor[argument.name].default == argument.default, argument.name
        assert list(constructor).index(argument.name) == list(function).index(argument.name) - 1


def test_identifiers_of_keras():
    assert activations.get("relu") is keras.activations.relu
    assert activations.get(None) is keras.activations.linear
    layer = keras_yat.Mila()
    assert activations.get(layer) is layer
    config = keras.saving.serialize_keras_object(keras_yat.Mila(beta=0.5))
    assert activations.get(config).get_config()["beta"] == 0.5
    by_dict = keras.layers.Dense(2, activation={"class_name": "keras_yat>Mila", "config": {}})
    assert isinstance(by_dict.activation, keras_yat.Mila)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Nami", "'nami'"),
        ("namii", "'nami'"),
        ("ScaledSoftSign", "'scaled_softsign'"),
        ("SiLu", "'silu'"),
        ("normlincomb", "'norm_lincomb'"),
        ("soft-tanh", "'soft_tanh'"),
    ],
)
def test_an_unknown_name_suggests_similar_names(name, near):
    with pytest.raises(ValueError, match=rf"did you mean .*{near}.*Received: identifier='{name}'"):
        activations.get(name)


def test_a_name_without_similar_names_lists_all_names():
    with pytest.raises(ValueError, match=r"one of coslu, delu, .*xielu\. Received"):
        activations.get("qqqqqq")


def test_a_class_raises_an_error():
    with pytest.raises(ValueError, match=r"Nami\(\), not the class"):
        activations.get(keras_yat.Nami)


@pytest.mark.parametrize("name", activations.names())
def test_functions_are_fixed_activations_that_save(name, tmp_path):
    function = getattr(activations, name)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation=function)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].activation is function
