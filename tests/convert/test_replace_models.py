"""`replace` and `freeze` on unusual models: shared, adapted, of a class of their own."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_yat
from keras_yat import convert
from tests.convert.test_replace import assert_equal, dense
from tests.helpers import draw, to_numpy

RULES = {"relu": keras_yat.ShiLU}


def test_a_layer_in_two_models_is_refused():
    """No configuration can express it: a copy would have two layers."""
    inner = dense("relu")
    outer = keras.Sequential([keras.Input((4,)), inner, layers.Dense(4)])
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], layers.Add()([outer(a), inner(b)]))
    with pytest.raises(ValueError, match="is used in several models or wrappers"):
        convert.replace(model, RULES)


def test_a_model_beside_its_wrapper_stays_one():
    inner = dense("relu")
    a, x = keras.Input((4,)), keras.Input((3, 4))
    model = keras.Model([a, x], [inner(a), layers.TimeDistributed(inner)(x)])
    assert len(convert.replace(model, RULES).weights) == len(model.weights) + 2
    assert len(convert.freeze(model).weights) == len(model.weights)


def test_vocabularies_are_kept():
    lookup, scale = layers.IntegerLookup(), layers.Normalization()
    lookup.adapt(np.array([3, 5, 7, 7]))
    scale.adapt(draw((20, 4), scale=3.0))
    ids, x = keras.Input((4,), dtype="int32"), keras.Input((4,))
    found = layers.Flatten()(layers.Embedding(6, 4)(lookup(ids)))
    found = layers.Concatenate()([found, scale(x)])
    model = keras.Model([ids, x], layers.Dense(3, activation="relu")(found))
    new = convert.replace(model, RULES)
    inputs = [np.array([[3, 5, 7, 9], [7, 7, 1, 3]], "int32"), draw((2, 4))]
    for each in (new, convert.freeze(new)):
        np.testing.assert_allclose(
            each.predict(inputs, verbose=0), model.predict(inputs, verbose=0), atol=1e-6
        )


@keras.saving.register_keras_serializable("tests")
class Built(keras.Model):
    """A class that builds its own graph."""

    def __init__(self, units=3, **kwargs):
        inputs = keras.Input((4,))
        super().__init__(inputs, layers.Dense(units, activation="relu", name="d")(inputs), **kwargs)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name}


class Shifted(Built):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1.0


class Scale(layers.Layer):
    """A layer without `get_config`, not registered."""

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x):
        return x * self.rate


def test_classes_of_the_user():
    built = Built()
    assert_equal(convert.replace(built, RULES), built, draw((2, 4)))
    with pytest.raises(ValueError, match="but overrides `call`"):
        convert.replace(Shifted(), RULES)
    inputs = keras.Input((4,))
    x = layers.Dense(3, activation="relu")(Scale(2.0, name="scale")(inputs))
    model = keras.Model(inputs, x)
    assert_equal(convert.replace(model, RULES), model, draw((2, 4)))


class MyMila(keras_yat.Mila):
    pass


def relu(x):
    """Not Keras's."""
    return x * x


def test_functions_are_told_apart_by_identity():
    model = dense(relu, "relu", lambda x: x * 2.0, lambda x: x * 3.0)
    shilu = convert.plan(model, {"relu": "shilu"})
    assert [change.path for change in shilu.replaced] == ["d1"]
    found = convert.replace(model, {relu: "shilu", "<lambda>": keras_yat.ShiLU})
    slopes = [float(to_numpy(found.layers[i].activation.alpha)) for i in (2, 3)]
    np.testing.assert_allclose(slopes[1], 1.5 * slopes[0], rtol=1e-3)
    assert convert.plan(model, {relu: "shilu"}).replaced[0].start == "least squares"


def test_operations_are_told_apart():
    inputs = keras.Input((4,))
    x = keras.ops.leaky_relu(inputs, negative_slope=0.1)
    x = keras.ops.leaky_relu(x, negative_slope=0.6)
    model = keras.Model(inputs, keras_yat.activations.mila(x, beta=0.5))
    plan = convert.plan(model, {"leaky_relu": "shilu", "mila": "coslu"})
    first, second = (change.residual for change in plan.replaced)
    assert first < 0.5 * second
    assert "further arguments" in plan.skipped[0].reason
    with pytest.raises(ValueError, match="further arguments"):
        convert.replace(model, {"mila": "coslu"})


def half(x):
    return x * 0.5


def test_targets_that_are_not_registered():
    model = dense("relu", "relu")
    assert isinstance(convert.replace(model, {"relu": MyMila()}).layers[0].activation, MyMila)
    assert convert.replace(model, {"relu": half}).layers[0].activation is half
    standalone = keras.Sequential([keras.Input((4,)), layers.ReLU()])
    assert convert.replace(standalone, {"relu": half}).layers[0].activation is half
    # Its function is not known to be that of Mila: it stays.
    kept = convert.freeze(keras.Sequential([keras.Input((4,)), MyMila()]))
    assert [weight.name for weight in kept.weights] == ["beta"]


def test_activations_within_a_layer_of_another_package():
    import keras_hub

    inputs = keras.Input((5, 8))
    encoder = keras_hub.layers.TransformerEncoder(16, 2, activation="relu")
    model = keras.Model(inputs, encoder(inputs))
    new = convert.replace(model, {"relu": keras_yat.ShiLU(axis=-1)})
    assert_equal(new, model, draw((2, 5, 8)))


@pytest.mark.parametrize("mode", [None, "int8", "int4"])
def test_a_low_rank_term_is_copied(mode):
    model = keras.Sequential([keras.Input((8,)), keras_yat.YatDense(4), layers.ReLU()])
    layer = model.layers[0]
    if mode is not None:
        layer.quantize(mode)
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(draw((2, 4)))
    new = convert.replace(model, RULES)
    assert_equal(new, model, draw((3, 8)))


def test_a_low_rank_term_is_part_of_the_kernel_of_another_class():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="d")])
    layer = model.layers[0]
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(draw((2, 4)))
    new = convert.replace(model, {layers.Dense: keras_yat.YatDense}).layers[0]
    np.testing.assert_allclose(to_numpy(new.prototypes()), to_numpy(layer.kernel), atol=1e-6)


def test_cells_of_one_name_are_refused():
    cells = [layers.LSTMCell(4, activation=a, name="c") for a in ("relu", "silu")]
    model = keras.Sequential([keras.Input((5, 3)), layers.RNN(cells)])
    with pytest.raises(ValueError, match="have the name 'c': rename one"):
        convert.replace(model, RULES)


def test_kernels_that_are_shared_stay():
    owner = keras_yat.YatDense(4, name="owner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras_yat.YatDense(4, kernel_from=owner)(owner(inputs)))
    plan = convert.plan(model, {keras_yat.YatDense: layers.Dense})
    assert plan.replaced == []
    reasons = {change.path: change.reason for change in plan.skipped}
    assert set(reasons.values()) == {"shares its kernel with another layer"}
    assert "owner" in reasons


def test_the_activation_of_an_owner_that_comes_last():
    owner = keras_yat.YatDense(4, activation="relu", name="owner")
    inputs = keras.Input((4,))
    x = keras_yat.YatDense(4, kernel_from=owner, name="tied")(inputs)
    model = keras.Model(inputs, owner(x))
    new = convert.replace(model, RULES)
    assert isinstance(new.get_layer("owner").activation, keras_yat.ShiLU)
    assert new.get_layer("tied").kernel is new.get_layer("owner").kernel
    assert_equal(new, model, draw((2, 4)))


def test_a_window_larger_than_samples():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(2, 11)])
    new = convert.replace(model, {layers.Conv2D: keras_yat.YatConv2D})
    assert to_numpy(new(draw((1, 12, 12, 1)))).shape == (1, 2, 2, 2)


def test_separable_layers_drop_their_activation():
    inputs = keras.Input((6, 6, 2))
    model = keras.Model(inputs, layers.SeparableConv2D(3, 3, activation="relu", name="s")(inputs))
    plan = convert.plan(model, {layers.SeparableConv2D: keras_yat.YatSeparableConv2D})
    assert plan.replaced[0].start == "weights kept"
    new = convert.replace(model, {layers.SeparableConv2D: keras_yat.YatSeparableConv2D})
    assert new.get_layer("s").activation is keras.activations.linear


def test_each_pattern_has_to_select_something():
    with pytest.raises(ValueError, match=r"`where` must select layers of the model.*'zz'"):
        convert.replace(dense("relu"), RULES, where=["d0", "zz"])
    with pytest.raises(ValueError, match="`base` must be an optimizer"):
        convert.optimizer(keras.Sequential([keras.Input((4,)), keras_yat.Mila()]), None)
