"""Search spaces in use: with a tuner, in scopes, for custom classes."""

import contextlib
import functools
from pathlib import Path

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import _register, search
from keras_yat._space import Build, Choice, Float, FloatList
from keras_yat.activations._base import TrainableActivation
from tests.helpers import to_numpy
from tests.layers.catalogue import ALL
from tests.spaces import (
    EACH_CALL,
    EVERY,
    OF_KERAS_TUNER,
    all_of_them,
    check_values,
    declared,
    names_of,
    sample,
)

pytestmark = pytest.mark.once

# A tuner finds the space in few builds.


def at_most(count, function):
    """`function` as a model-building function that fails after `count` calls.

    A tuner that searches for hyperparameters that are never active would call it forever.
    """
    times = iter(range(count))

    def build(hp):
        assert next(times, None) is not None, f"built more than {count} times"
        return function(hp)

    return build


def tuner_of(build, folder, **kwargs):
    settings = {"objective": "val_loss", "max_trials": 1, "seed": 1, "directory": folder}
    return keras_tuner.RandomSearch(build, **{**settings, **kwargs})


def test_a_tuner_builds_the_model_once_or_twice(tmp_path):
    tuner = tuner_of(at_most(2, all_of_them), tmp_path)
    found = names_of(tuner.oracle.get_space())
    assert found == names_of(declared(all_of_them))
    for label, cls in ALL.items():
        for name in cls.search_space:
            assert any(f"{n}/".startswith(f"activation/{label}/{name}/") for n in found), name


@OF_KERAS_TUNER
def test_a_trial_of_a_tuner_builds_its_layer(tmp_path):
    def build(hp):
        return search.activation(hp), search.yat_recurrent(hp, 4)

    tuner = tuner_of(at_most(2, build), tmp_path, max_trials=6)
    labels = set()
    for i in range(6):
        hp = tuner.oracle.create_trial(f"tuner{i}").hyperparameters
        layer, recurrent = build(hp)
        label, kind = hp.get("activation"), hp.get("yat_recurrent")
        labels.add(label)
        assert type(layer) is ALL[label]
        check_values(layer, _of(hp, "activation"), f"activation/{label}")
        check_values(recurrent, _of(hp, "yat_recurrent"), f"yat_recurrent/{kind}")
    assert len(labels) > 1


def _of(hp, name):
    return {n: v for n, v in hp.values.items() if n.startswith(f"{name}/")}


def test_a_function_in_a_conditional_scope(tmp_path):
    def build(hp):
        kind = hp.Choice("kind", ["stock", "yat"])
        with hp.conditional_scope("kind", ["yat"]):
            if kind == "yat":
                return search.yat_dense(hp, 4, name="hidden")
        return keras.layers.Dense(4)

    tuner = tuner_of(at_most(2, build), tmp_path)
    hp = tuner.oracle.get_space()
    assert "hidden/alpha/constant" in names_of(hp)
    hp.values = {"kind": "stock"}
    hp.ensure_active_values()
    assert hp.values == {"kind": "stock"}
    hp.values = {"kind": "yat", "hidden/alpha": "constant"}
    hp.ensure_active_values()
    assert build(hp).get_config()["alpha"] == hp.get("hidden/alpha/constant")


def test_a_function_in_a_name_scope():
    hp = HyperParameters()
    hp.values["block/hidden"] = "mila"
    with hp.name_scope("block"):
        layer = search.activation(hp, "hidden", ["nami", "mila"])
    assert isinstance(layer, keras_yat.Mila)
    assert hp.values == {"block/hidden": "mila", "block/hidden/mila/beta": -0.25}


class Bare:
    """The methods of `HyperParameters` that the search functions need, and no others."""

    def Float(self, name, min_value, max_value, sampling, default):  # noqa: N802
        return default

    def Boolean(self, name, default):  # noqa: N802
        return default

    def Choice(self, name, values, default):  # noqa: N802
        return default

    @contextlib.contextmanager
    def conditional_scope(self, parent_name, parent_values):
        yield


@EACH_CALL
def test_any_object_with_the_methods_works(name):
    assert type(EVERY[name](Bare())) is type(EVERY[name](HyperParameters()))


# A complete search.


def digits(count):
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.data[:count] / 16.0).astype("float32"), data.target[:count]


def build(hp):
    hidden = keras.layers.Dense(8, activation=search.activation(hp, "hidden", ["mila", "sinlu"]))
    model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss)
    return model


def arrays_in(path):
    found = []

    def keep(_, item):
        if isinstance(item, h5py.Dataset):
            found.append(np.asarray(item))

    with h5py.File(path) as file:
        file.visititems(keep)
    return found


@pytest.mark.nightly
@OF_KERAS_TUNER
def test_a_search_with_a_tuner(tmp_path):
    x, y = digits(96)
    tuner = tuner_of(build, tmp_path, max_trials=2)
    tuner.search(x[:64], y[:64], validation_data=(x[64:], y[64:]), batch_size=8, verbose=0)
    trials = tuner.oracle.trials.values()
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED"]
    assert all(np.isfinite(trial.score) for trial in trials)
    (best,) = tuner.oracle.get_best_trials(1)
    (model,) = tuner.get_best_models()
    activation = model.layers[0].activation
    label = best.hyperparameters.get("hidden")
    assert type(activation) is ALL[label]
    (file,) = Path(tuner.get_trial_dir(best.trial_id)).glob("*.weights.h5")
    saved = arrays_in(file)
    assert activation.weights
    for weight in activation.weights:
        value, start = to_numpy(weight), best.hyperparameters.get(f"hidden/{label}/{weight.name}")
        assert any(value.shape == a.shape and value == a for a in saved)
        assert abs(value - start) > 1e-4


# Custom classes.


class Waves(keras.layers.Layer):
    search_space = {
        "height": Float(0.5, 2.0, log=True),
        "phases": FloatList(Float(0.0, 1.0, default=0.25), 2),
        "shape": Choice.of("sine", "cosine"),
        "start": Choice(
            {
                "none": None,
                "drawn": Build(
                    keras.initializers.Constant, {"value": Float(0.0, 1.0, default=0.5)}
                ),
            }
        ),
    }

    def __init__(self, units, height=1.0, phases=(0.0, 0.0), shape="cosine", start=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.height, self.phases = units, height, list(phases)
        self.shape, self.start = shape, start


def test_a_custom_class_is_searched():
    hp = HyperParameters()
    layer = search.layer(hp, Waves, 3)
    assert (layer.units, layer.height, layer.phases) == (3, 1.0, [0.25, 0.25])
    assert (layer.shape, layer.start) == ("cosine", None)
    # In the middle of each scale, which is logarithmic for the height.
    layer, _ = sample(functools.partial(search.layer, cls=Waves, units=3), probability=lambda: 0.5)
    assert (layer.height, layer.phases) == (1.0, [0.5, 0.5])
    call = functools.partial(search.layer, cls=Waves, units=3, name="own", height=2.0)
    chosen = {"own/phases/1": 0.75, "own/shape": "sine", "own/start": "drawn"}
    layer, values = sample(call, chosen)
    assert (layer.height, layer.phases, layer.shape) == (2.0, [0.25, 0.75], "sine")
    assert layer.start.value == values["own/start/drawn/value"] == 0.5
    assert "own/height" not in values


class Leaky(TrainableActivation):
    """`max(x, slope·x)`."""

    function = staticmethod(lambda x, slope: keras.ops.maximum(x, slope * x))
    default_bounds = {"slope": (0.0, 1.0)}
    search_space = {"slope": Float(0.1, 0.9)}

    def __init__(self, slope=0.2, axis=None, bounds=None, **kwargs):
        super().__init__({"slope": slope}, axis, bounds, **kwargs)


def test_a_new_activation_is_searched(monkeypatch):
    monkeypatch.setitem(_register.LAYERS, "leaky", Leaky)
    call = functools.partial(search.activation, search_bounds=True, search_trainable=True)
    names = names_of(declared(call))
    assert {n for n in names if n.startswith("activation/leaky/")} == {
        "activation/leaky/slope",
        "activation/leaky/bounds",
        "activation/leaky/trainable",
    }
    chosen = {"activation": "leaky", "activation/leaky/slope": 0.5}
    layer, _ = sample(call, {**chosen, "activation/leaky/bounds": "range"})
    assert isinstance(layer, Leaky)
    assert layer.bounds == {"slope": (0.1, 0.9)}
    np.testing.assert_array_equal(to_numpy(layer(np.float32([-2.0, 2.0]))), [-1.0, 2.0])


def test_a_subclass_with_kwargs_has_the_defaults():
    class Own(keras_yat.Mila):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    assert search.layer(HyperParameters(), Own).get_config()["beta"] == -0.25
