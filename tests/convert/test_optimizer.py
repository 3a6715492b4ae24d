"""`optimizer`: another rate for the parameters of activations, and no weight decay."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_yat
from keras_yat import convert
from tests.helpers import to_numpy


def model_of():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, activation=keras_yat.Mila(axis=-1, name="act"), name="dense"),
            layers.PReLU(name="prelu"),
            keras_yat.CosLU(name="coslu"),
            layers.Dense(1, name="head"),
        ]
    )


def one_step(model, optimizer):
    """The weights before and after a step, by name of layer and weight."""
    x = np.ones((4, 4), "float32")
    model(x)
    model.compile(optimizer, "mse")
    before = {weight.path: to_numpy(weight) for weight in model.weights}
    model.train_on_batch(x, np.zeros((4, 1), "float32"))
    return {
        "/".join(weight.path.split("/")[-2:]): (before[weight.path], to_numpy(weight))
        for weight in model.weights
    }


ACTIVATIONS = {"act/beta", "prelu/alpha", "coslu/alpha", "coslu/beta"}


def test_another_rate():
    model = model_of()
    base = keras.optimizers.SGD(1e-3, weight_decay=0.5)
    optimizer = convert.optimizer(model, base, learning_rate=1e-1)
    assert isinstance(optimizer, keras.optimizers.MultiOptimizer)
    rates = {o.name: float(o.learning_rate) for o in optimizer.optimizers}
    np.testing.assert_allclose(sorted(rates.values()), [1e-3, 1e-1], rtol=1e-6)
    reference = model_of()
    reference(np.ones((4, 4)))
    model(np.ones((4, 4)))
    reference.set_weights(model.get_weights())
    moved = one_step(model, optimizer)
    plain = one_step(reference, keras.optimizers.SGD(1e-3))
    for name, (before, after) in moved.items():
        step = plain[name][1] - plain[name][0]
        factor, decay = (100.0, 0.0) if name in ACTIVATIONS else (1.0, 0.5e-3)
        np.testing.assert_allclose(
            after, before * (1.0 - decay) + factor * step, rtol=1e-4, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("name", ["adamw", "sgd", "lion"])
def test_no_weight_decay(name):
    model = model_of()
    model(np.ones((4, 4)))
    base = keras.optimizers.get(name)
    base.weight_decay = 0.5
    optimizer = convert.optimizer(model, base)
    assert optimizer is base
    optimizer.build(model.trainable_weights)
    zero = [keras.ops.zeros(weight.shape) for weight in model.trainable_weights]
    before = {weight.path: to_numpy(weight) for weight in model.trainable_weights}
    optimizer.apply(zero, model.trainable_weights)
    for weight in model.trainable_weights:
        same = np.array_equal(to_numpy(weight), before[weight.path])
        is_activation = "/".join(weight.path.split("/")[-2:]) in ACTIVATIONS
        assert same == (is_activation or not before[weight.path].any()), weight.path


def test_a_compiled_model_loads_with_its_rates(tmp_path):
    model = model_of()
    schedule = keras.optimizers.schedules.CosineDecay(1e-1, 100)
    optimizer = convert.optimizer(model, "adamw", learning_rate=schedule)
    one_step(model, optimizer)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.optimizer.optimizers) == 2
    own = next(o for o in loaded.optimizer.optimizers if o.name.endswith("of_activations"))
    assert len(own.variables) == 1 + 2 * len(ACTIVATIONS)  # its steps, and two of each
    x, y = np.ones((4, 4), "float32"), np.zeros((4, 1), "float32")
    for each in (model, loaded):
        each.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_before_the_first_call():
    """The activation in a stock layer gets its weights, and their path, in the first call."""
    model = model_of()
    base = keras.optimizers.SGD(momentum=0.9)
    optimizer = convert.optimizer(model, base, learning_rate=0.5)
    model.compile(optimizer, "mse")
    model.fit(np.ones((4, 4)), np.zeros((4, 1)), verbose=0)
    own = next(o for o in optimizer.optimizers if o.name.endswith("of_activations"))
    assert len(own.variables) == 2 + len(ACTIVATIONS)  # steps, rate, and a momentum of each


def test_bad_input():
    model = model_of()
    used = keras.optimizers.SGD()
    used.build([keras.Variable([1.0])])
    cases = [
        (layers.Dense(3), "sgd", {}, "`model` must be a built Keras model"),
        (keras.Sequential([keras_yat.Mila()]), "sgd", {}, "`model` must be a built"),
        (keras.Sequential([keras.Input((4,)), layers.Dense(3)]), "sgd", {}, "have trained"),
        (model, "sgt", {}, "`base` must be an optimizer"),
        (model, used, {}, "`base` must be an optimizer that has not been used"),
        (model, "sgd", {"learning_rate": 0.0}, "`learning_rate` must be a finite number"),
        (model, "sgd", {"learning_rate": "fast"}, "`learning_rate` must be"),
        (model, "sgd", {}, "have been called"),
    ]
    for given, base, options, message in cases:
        with pytest.raises(ValueError, match=message):
            convert.optimizer(given, base, **options)
    clash = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, activation=keras_yat.Mila(name="x"), name="x")]
    )
    with pytest.raises(
        ValueError, match=r"whose names no other layer has. Received: model='.*x/kernel"
    ):
        convert.optimizer(clash, "sgd", learning_rate=0.1)
