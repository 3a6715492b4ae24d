"""Responses to a batch against models that return them, and dead units."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_yat
from keras_yat.callbacks import LivePlot, _responses
from keras_yat.callbacks._responses import dead_units, responses, sources
from tests.helpers import to_numpy
from tests.test_live_plot import FIT, X, Y, compiled, model_with_state


class Own(keras.Model):
    """A subclassed model without the argument `training`."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3, activation="relu", name="dense")
        self.mila = keras_yat.Mila(name="mila")

    def call(self, x):
        return self.mila(self.dense(x))


def test_everything_is_restored_after_an_error():
    model = model_with_state()
    before = [to_numpy(each) for each in model.variables]
    vars(model.layers[0])["call"] = own = model.layers[0].call
    with _responses._recording(model, sources(model)):
        assert vars(model.layers[0])["call"] is not own
    assert vars(model.layers[0])["call"] is own
    with pytest.raises(ValueError, match="incompatible"):
        responses(model, ops.ones((2, 7)), sources(model))
    vars(model.layers[-1])["call"] = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        responses(model, ops.ones((2, 4)), sources(model))
    for one, two in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(one, to_numpy(two))


@pytest.mark.slow
def test_responses_of_a_functional_model_with_nested_and_shared_layers():
    inner = keras.Sequential([keras.Input((3,)), layers.ReLU(name="same")], name="inner")
    shared = keras_yat.Mila(name="same")
    x = inputs = keras.Input((4,))
    yat = keras_yat.YatDense(3, activation="tanh", name="yat")(x)
    first = inner(layers.Dense(3, activation=keras_yat.Nami(name="nami"))(yat))
    once = shared(first)
    second = shared(layers.Dense(3)(once))
    steps = layers.Reshape((3, 1))(second)
    turned = keras_yat.SinLU(axis=1, name="turned")(steps)
    wrapped = layers.TimeDistributed(layers.Dense(2, activation="elu", name="elu"))(turned)
    loop = layers.SimpleRNN(2, activation=keras_yat.Mila(name="in"), name="loop")(wrapped)
    model = keras.Model(inputs, [yat, first, once, second, turned, loop])
    outputs = list(map(to_numpy, model(X)))
    yat, first, once, twice, turned, loop = outputs
    found = responses(model, ops.convert_to_tensor(X), sources(model))
    known = {"yat", "yat/tanh", "nami", "same", "same:2", "turned", "elu", "loop"}
    # `TimeDistributed` may be one operation for all times.
    assert known - {"elu"} <= found.keys() <= known
    np.testing.assert_allclose(found["yat/tanh"], yat, atol=1e-6)
    np.testing.assert_allclose(np.tanh(found["yat"]), yat, atol=1e-5)
    np.testing.assert_allclose(np.maximum(found["nami"], 0.0), first, atol=1e-6)
    by_class = {type(s.layer).__name__: n for n, s in sources(model).items() if n[:4] == "same"}
    np.testing.assert_allclose(found[by_class["ReLU"]], first, atol=1e-6)
    # A call for each use, in order.
    mila = found[by_class["Mila"]]
    np.testing.assert_allclose(mila, np.concatenate([once, twice]), atol=1e-6)
    np.testing.assert_allclose(found["turned"], turned.transpose(0, 2, 1)[:, 0], atol=1e-6)
    np.testing.assert_allclose(found["loop"], loop, atol=1e-6)


def test_responses_of_a_subclassed_model_and_structures():
    model = Own()
    expected = to_numpy(model(X))
    found = responses(model, ops.convert_to_tensor(X), sources(model))
    np.testing.assert_allclose(found["mila"], expected, atol=1e-6)
    assert [*found] == ["dense", "mila"]
    inputs = {name: keras.Input((4,), name=name) for name in ("a", "b")}
    outputs = layers.ReLU(name="relu")(layers.Subtract()(list(inputs.values())))
    several = compiled(keras.Model(inputs, layers.Dense(2)(outputs)))
    live = LivePlot({"a": X, "b": X[::-1]})
    several.fit({"a": X, "b": X}, Y, callbacks=[live], **FIT)
    counts, edges = live.histograms["relu"]
    values = np.maximum(X - X[::-1], 0.0)
    np.testing.assert_array_equal(counts[-1], np.histogram(values, edges[-1].astype("f"))[0])
    assert counts.shape == (2, 40)


def test_responses_of_rematerialized_layers():
    with keras.RematScope(mode="full"):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu", name="dense")])
    found = responses(model, ops.convert_to_tensor(X), sources(model))
    values = np.maximum(X @ to_numpy(model.layers[0].kernel), 0.0)
    np.testing.assert_allclose(found["dense"], values, atol=1e-6)


def test_dead_units_by_hand():
    values = np.array([[0.0, 1.0, 0.0, 2.0, -1.0], [0.0, 1.0 + 1e-7, 1e-4, 3.0, 1.0]])
    found = dead_units(values, False, 0.01).tolist()
    assert found == [True, True, False, False, False]
    assert dead_units(values, True, 0.01).tolist() == [True, True, True, False, False]
    assert dead_units(values, True, 0.0).tolist() == [True, True, False, False, False]
    assert not dead_units(np.full((2, 1), np.nan), True, 0.1).any()


def test_dead_units_of_layers():
    relu = layers.Dense(4, activation="relu", name="relu")
    model = compiled(keras.Sequential([keras.Input((4,)), relu, keras_yat.YatDense(2, name="y")]))
    kernel, bias = np.eye(4), np.array([0.0, -99.0, 99.0, 0.0])
    relu.set_weights([kernel, bias])
    live = LivePlot(X, dead_below=0.5)
    model.fit(X, Y, callbacks=[live], **FIT)
    assert live.dead["relu"][0] == 0.25
    yat = to_numpy(model.layers[-1](relu(X)))
    expected = np.abs(yat).max(axis=0) < 0.5 * np.abs(yat).mean()
    assert live.dead["y"][-1] == expected.mean()
    assert [*live.dead] == ["relu", "y"]
