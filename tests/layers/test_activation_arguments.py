"""Valid and invalid arguments of the layers of the activations."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests.helpers import draw, to_numpy, weight_gradients
from tests.layers.catalogue import ALL


@pytest.mark.parametrize("name", ["nami", "relun", "scaled_softsign"])
def test_an_update_is_projected_onto_the_bounds(name):
    """A parameter that starts at a bound is still trained."""
    layer = ALL[name]()
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(100.0), "mse")
    x = draw((32, 4), scale=2.0)
    for target in (-50.0, 50.0):
        model.fit(x, np.full_like(x, target), epochs=2, verbose=0)
        for parameter, (low, high) in layer.bounds.items():
            value = float(to_numpy(getattr(layer, parameter)))
            assert low is None or value >= np.float32(low)
            assert high is None or value <= np.float32(high)
    at_bound = keras_yat.Nami(w=0.1)
    gradients = weight_gradients(at_bound, draw((8,), scale=3.0))
    assert gradients["w"] != 0.0


def test_a_parameter_out_of_the_default_bounds_has_a_gradient():
    """Clipping in the forward pass would make the gradient 0."""
    layer = keras_yat.Nami(w=0.9, bounds={"w": None})
    assert weight_gradients(layer, -np.abs(draw((8,))))["w"] != 0.0


def test_bounds():
    layer = keras_yat.Nami(bounds={"w": (0.05, None), "a": None})
    assert layer.bounds == {"w": (0.05, None), "a": (None, None), "b": (0.5, 3.0)}
    assert layer.get_config()["bounds"] == {"w": [0.05, None], "a": None, "b": [0.5, 3.0]}


def test_initializers():
    """Values are drawn separately for each channel and parameter, within the bounds."""
    uniform = keras.initializers.RandomUniform(0.2, 0.4)
    layer = keras_yat.Nami(w=uniform, a=uniform, axis=-1, bounds={"a": (0.1, 3.0)})
    layer(draw((2, 50)))
    w, a = to_numpy(layer.w), to_numpy(layer.a)
    assert 0.2 <= w.min() < w.max() <= 0.4
    assert np.any(w != a)
    np.testing.assert_array_equal(to_numpy(layer.b), np.full(50, 1.5, "float32"))
    wide = keras_yat.Nami(w=keras.initializers.RandomUniform(-5.0, 5.0), axis=-1)
    wide(draw((2, 50)))
    assert to_numpy(wide.w).min() == np.float32(0.1)
    assert to_numpy(wide.w).max() == np.float32(0.5)
    assert keras_yat.Nami(a="ones").get_config()["a"]["class_name"] == "Ones"
    again = keras_yat.Nami.from_config(layer.get_config())
    assert again.get_config()["w"] == layer.get_config()["w"]


@pytest.mark.parametrize("kind", [np.array, np.float64, ops.convert_to_tensor, keras.Variable])
def test_a_starting_value_as_an_array(kind):
    layer = keras_yat.Nami(w=kind(0.25))
    assert layer.get_config()["w"] == 0.25
    with pytest.raises(ValueError, match="`w` must start within its bounds"):
        keras_yat.Nami(w=kind(0.75))


def test_starting_values_as_a_constant_list():
    values = keras.initializers.Constant([1.0, 0.0, 0.0, 0.0])
    layer = keras_yat.LinComb(coefficients=values)
    np.testing.assert_array_equal(to_numpy(layer.coefficients), [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="`w` must start within its bounds"):
        keras_yat.Nami(w=keras.initializers.Constant([0.2, 0.9]), axis=-1)


BAD = [
    (keras_yat.Nami, {"w": 0.05}, r"`w` must start within its bounds.*w=0.05, bounds=\(0.1, 0.5\)"),
    (keras_yat.Nami, {"w": keras.initializers.Constant(9.0)}, "`w` must start within its bounds"),
    (keras_yat.Nami, {"a": "zeros"}, "`a` must start within its bounds"),
    (keras_yat.ReLUN, {"n": 0.0}, "`n` must start within its bounds"),
    (keras_yat.Mila, {"beta": "abc"}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"beta": None}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"beta": float("nan")}, "`beta` must be a finite number"),
    (keras_yat.Mila, {"beta": True}, "`beta` must be a finite number"),
    (keras_yat.Mila, {"beta": np.ones((3, 4))}, "not the class, as an activation. Received"),
    (keras_yat.Mila, {"beta": [1.0, 2.0]}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"axis": 0}, "`axis` must be None or an int other than 0.*axis=0"),
    (keras_yat.Mila, {"axis": 1.5}, "`axis` must be None or an int"),
    (keras_yat.Mila, {"axis": [1]}, "`axis` must be None or an int"),
    (keras_yat.Mila, {"bounds": {"gamma": None}}, "`bounds` must name parameters: beta.*'gamma'"),
    (keras_yat.Mila, {"bounds": (0, 1)}, "`bounds` must be a dict"),
    (keras_yat.Mila, {"bounds": {"beta": (1, 0)}}, "low < high"),
    (keras_yat.Mila, {"bounds": {"beta": 3}}, r"`bounds\['beta'\]` must be None or a pair"),
    (keras_yat.Mila, {"bounds": {"beta": (0, 1, 2)}}, "must be None or a pair"),
    (keras_yat.LinComb, {"functions": []}, "`functions` must be a non-empty list"),
    (keras_yat.LinComb, {"functions": ["rellu"]}, "did you mean.*'relu'"),
    (keras_yat.LinComb, {"functions": [keras_yat.Nami]}, r"Nami\(\), not the class"),
    (keras_yat.Softermax, {"axis": ()}, "`axis` must contain at least one axis"),
    (keras_yat.LinComb, {"coefficients": [1.0]}, "`coefficients` must have 4 entries"),
    (keras_yat.LinComb, {"coefficients": [1, 2, 3, "x"]}, r"`coefficients\[3\]` must be a finite"),
    (keras_yat.NormLinComb, {"norm": "max"}, "`norm` must be one of 'l2', 'l1', 'sum'"),
    (keras_yat.Softermax, {"axis": "a"}, "`axis` must be an int or a tuple of ints"),
    (keras_yat.Softermax, {"epsilon": 0}, "`epsilon` must be a finite number greater than 0"),
    (keras_yat.SoftTanh, {"power": -1}, "`power` must be a finite number greater than 0"),
]


@pytest.mark.parametrize(("cls", "kwargs", "message"), BAD)
def test_bad_arguments(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        cls(**kwargs)


@pytest.mark.parametrize("axis", [2, -2, 5])
def test_an_axis_out_of_range(axis):
    with pytest.raises(ValueError, match=rf"`axis` must be an axis of the input .*axis={axis}"):
        keras_yat.Nami(axis=axis)(draw((2, 3)))


def test_an_axis_of_unknown_size():
    with pytest.raises(ValueError, match="`axis` must be an axis of known size"):
        keras_yat.Nami(axis=1)(keras.Input((None, 3)))
