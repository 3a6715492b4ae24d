"""Search spaces in use: with a tuner, by name, with given arguments, of new classes."""

import contextlib
import functools
import random
from pathlib import Path

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import _register, layers, search
from keras_yat._space import Build, Choice, Float, FloatList
from keras_yat.activations._base import TrainableActivation
from tests.helpers import to_numpy
from tests.layers.catalogue import ALL, TRAINABLE
from tests.spaces import (
    CASES,
    EACH_CALL,
    EACH_TRAINABLE,
    EVERY,
    FLOAT,
    OF_KERAS_TUNER,
    all_of_them,
    check_values,
    declared,
    made,
    names_of,
)

pytestmark = pytest.mark.once

# A tuner finds the space, in few builds.


def at_most(count, function):
    """`function` as a model-building function, which refuses to be called more than `count` times.

    A tuner that looks for what is never active may call it without an end.
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
def test_a_trial_of_a_tuner_makes_what_it_says(tmp_path):
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


def test_a_function_under_a_condition_of_the_user(tmp_path):
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


def test_names_of_a_scope_of_the_user():
    hp = HyperParameters()
    hp.values["block/hidden"] = "mila"
    with hp.name_scope("block"):
        layer = search.activation(hp, "hidden", ["nami", "mila"])
    assert isinstance(layer, keras_yat.Mila)
    assert hp.values == {"block/hidden": "mila", "block/hidden/mila/beta": -0.25}


class Bare:
    """Only the methods of `HyperParameters` that the functions say they need."""

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
def test_any_object_with_the_methods_will_do(name):
    assert type(EVERY[name](Bare())) is type(EVERY[name](HyperParameters()))


# Names.


def test_one_name_is_one_set_of_values_for_two_layers():
    hp = HyperParameters()
    first = search.activation(hp, "hidden", ["nami"])
    hp.values["hidden/nami/w"] = 0.4
    space = names_of(hp)
    again = [search.activation(hp, "hidden", ["nami"]) for _ in range(2)]
    assert names_of(hp) == space
    assert len(hp.space) == len(space)
    assert [layer.get_config()["w"] for layer in (first, *again)] == [0.3, 0.4, 0.4]
    assert again[0] is not again[1]
    assert again[0].w is not again[1].w
    dense = [search.yat_dense(hp, 4) for _ in range(2)]
    assert dense[0] is not dense[1]
    assert dense[0].kernel_initializer is not dense[1].kernel_initializer


def test_two_names_have_values_of_their_own():
    hp = HyperParameters()

    def both():
        return [search.activation(hp, name) for name in ("first", "second")]

    both()
    assert len(hp.space) == 2 * len(declared(search.activation).space)
    hp.values |= {"first": "mila", "first/mila/beta": 0.5}
    hp.ensure_active_values()
    first, second = both()
    assert first.get_config()["beta"] == 0.5
    assert type(second) is ALL[hp.get("second")] is layers.CosLU


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("activation", functools.partial(search.activation, among=["nami"])),
        ("yat_dense", CASES["YatDense"]),
        ("yat_conv", CASES["YatConv2D"]),
        ("yat_recurrent", CASES["YatGRU"]),
        ("yat_attention", CASES["YatMultiHeadAttention"]),
        ("yat_embedding", CASES["YatEmbedding"]),
        ("optimizer", search.optimizer),
        ("nami", lambda hp, **kwargs: search.layer(hp, keras_yat.Nami, **kwargs)),
    ],
    ids=[
        "activation",
        "yat_dense",
        "yat_conv",
        "yat_recurrent",
        "yat_attention",
        "yat_embedding",
        "optimizer",
        "layer",
    ],
)
def test_a_name_is_in_front_of_all_names(name, call):
    default = names_of(declared(call))
    given = names_of(declared(functools.partial(call, name="other")))
    assert all(f"{n}/".startswith(f"{name}/") for n in default)
    assert given == {f"other{n.removeprefix(name)}" for n in default}


def test_one_name_with_other_options_is_refused():
    hp = HyperParameters()
    search.activation(hp, "hidden", ["nami", "relu"])
    with pytest.raises(ValueError, match="`name` must belong to one search space"):
        search.activation(hp, "hidden", ["mila", "relu"])


# Arguments that are given are fixed.


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("YatDense", {"normalize": "kernel", "epsilon": 0.1}),
        ("YatDense", {"kernel_initializer": "he_normal"}),
        ("YatDense", {"alpha": 2.0}),
        ("YatConv2D", {"learn_epsilon": True, "padding": "same"}),
        ("YatMultiHeadAttention", {"alpha": None}),
        ("YatEmbedding", {"drop_connect": 0.25, "mask_zero": True}),
        ("YatGRU", {"activation": "tanh", "return_sequences": True}),
        ("YatLSTMCell", {"recurrent_activation": "sigmoid"}),
        ("YatDense", {"alpha_initializer": "ones"}),
        ("YatSimpleRNN", {"alpha_initializer": "ones"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_given_is_fixed(name, fixed):
    """It is not searched, and goes with all that is."""
    call = functools.partial(CASES[name], **fixed)
    for path in names_of(declared(call)):
        assert not fixed.keys() & set(path.split("/")), path
    rng = random.Random(0)
    for _ in range(20):
        config = made(call, probability=rng.random)[0].get_config()
        for argument, value in fixed.items():
            if not isinstance(config[argument], dict):
                assert config[argument] == value


@pytest.mark.parametrize(("normalization", "name"), [("softmax", "alpha"), ("softermax", "power")])
def test_what_goes_with_a_given_option_is_searched(normalization, name):
    call = functools.partial(CASES["YatMultiHeadAttention"], normalization=normalization)
    assert any(name in path.split("/") for path in names_of(declared(call)))


def test_arguments_by_position_are_fixed():
    hp = HyperParameters()
    layer = search.layer(hp, keras_yat.Nami, 0.2)
    assert layer.get_config()["w"] == 0.2
    assert hp.values == {"nami/a": 1.0, "nami/b": 1.5}


def test_parameters_that_are_given_are_fixed():
    hp = HyperParameters()
    layer = search.activation(hp, among=["nami"], w=0.2, dtype="float16", trainable=False)
    assert layer.get_config()["w"] == 0.2
    assert layer.dtype == "float16"
    assert not layer.trainable
    assert hp.values == {"activation": "nami", "activation/nami/a": 1.0, "activation/nami/b": 1.5}


@pytest.mark.parametrize("label", ["lincomb", "norm_lincomb"])
def test_a_combination_of_given_functions_has_a_coefficient_for_each(label):
    hp = HyperParameters()
    layer = search.activation(hp, among=[label], functions=["gelu", "tanh"])
    np.testing.assert_array_equal(to_numpy(layer.coefficients), [0.5, 0.5])
    path = f"activation/{label}/coefficients"
    assert {n for n in hp.values if n.startswith(path)} == {f"{path}/0", f"{path}/1"}


def test_starting_values_are_in_given_bounds():
    call = functools.partial(search.activation, among=["mila"], bounds={"beta": (-0.5, 0.5)})
    for probability in (0.0, 0.5, 1.0):
        layer, _ = made(call, probability=lambda p=probability: p)
        assert -0.5 <= layer.get_config()["beta"] <= 0.5


def test_activations_of_keras_are_options():
    call = functools.partial(search.activation, among=["relu", "nami", "relu"], dtype="float16")
    hp = HyperParameters()
    layer = call(hp)
    assert isinstance(layer, keras.layers.Activation)
    assert layer.get_config()["activation"] == "relu"
    assert layer.dtype == "float16"
    assert list(hp.space[0].values) == ["relu", "nami"]
    assert isinstance(made(call, {"activation": "nami"})[0], keras_yat.Nami)


@EACH_TRAINABLE
def test_parameters_for_each_channel(label):
    layer = search.activation(HyperParameters(), among=[label], axis=-1)
    layer.build((2, 5))
    assert all(weight.shape[-1] == 5 for weight in layer.weights)


# Bounds, and whether parameters are trained.


@EACH_TRAINABLE
def test_bounds_are_searched(label):
    call = functools.partial(search.activation, among=[label], search_bounds=True)
    found = {
        option: made(call, {f"activation/{label}/bounds": option})[0].bounds
        for option in ("default", "free", "range")
    }
    cls = TRAINABLE[label]
    assert found["default"] == cls().bounds
    assert found["free"] == dict.fromkeys(found["default"], (None, None))
    limits = {}
    for each in declared(call).space:
        if isinstance(each, FLOAT):
            limits[each.name.split("/")[2]] = (each.min_value, each.max_value)
    assert found["range"] == limits


@EACH_TRAINABLE
@pytest.mark.parametrize("axis", [None, -1])
def test_whether_parameters_are_trained_is_searched(label, axis):
    call = functools.partial(search.activation, among=[label], axis=axis, search_trainable=True)
    count = len(TRAINABLE[label]().weights)
    for option, expected in {"learned": count, "constant": 0}.items():
        layer, _ = made(call, {f"activation/{label}/trainable": option})
        dense = keras.layers.Dense(3, activation=layer)
        model = keras.Sequential([keras.Input((2,)), dense])
        if axis is not None:
            layer.build((None, 3))
        assert len(layer.weights) == count
        assert len(layer.trainable_weights) == expected
        assert len(model.trainable_weights) == 2 + expected


def test_neither_is_searched_unless_asked_for():
    names = names_of(declared(search.activation))
    assert not any({"bounds", "trainable"} & set(n.split("/")) for n in names)


# Errors.


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda hp: search.activation(hp, among=["namy"]),
            r"`among` must name an activation of Keras or one of coslu, .*did you mean 'nami'",
        ),
        (
            lambda hp: search.activation(hp, among=[]),
            "`among` must be one or more names, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=["nami", 3]),
            "`among` must be one or more names, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=[keras_yat.Nami()]),
            "`among` must be one or more names, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=[["nami"]]),
            "`among` must be one or more names, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=3),
            "`among` must be one or more names, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, search_bounds="yes"),
            "`search_bounds` must be True or False",
        ),
        (
            lambda hp: search.activation(hp, search_trainable=1),
            "`search_trainable` must be True or False",
        ),
        (
            lambda hp: search.optimizer(hp, among=["adam", "adan"]),
            "`among` must be one of 'adam', 'adamw', 'rmsprop', 'sgd'",
        ),
        (lambda hp: search.optimizer(hp, among=()), "`among` must be one or more names, such as adam"),
        (
            lambda hp: search.yat_recurrent(hp, 4, among=["rnn"]),
            "`among` must be one of 'lstm', 'gru', 'simple_rnn'",
        ),
        (lambda hp: search.yat_recurrent(hp, 4, among=[]), "`among` must be one or more names, such as lstm"),
        (lambda hp: search.yat_recurrent(hp, 4, cell=1), "`cell` must be True or False"),
        (lambda hp: search.yat_conv(hp, 4, 3, rank=4), "`rank` must be one of 1, 2, 3"),
        (
            lambda hp: search.yat_conv(hp, 4, 3, transpose=None),
            "`transpose` must be True or False",
        ),
        (
            lambda hp: search.layer(hp, keras.layers.Dense, 4),
            "`cls` must be a class with a `search_space`",
        ),
        (
            lambda hp: search.layer(hp, keras_yat.Nami()),
            "`cls` must be a class with a `search_space`",
        ),
        (lambda hp: search.yat_dense(hp, 0), "`units` must be"),
    ],
    ids=[
        "unknown activation",
        "no activation",
        "a number among names",
        "a layer among names",
        "a list among names",
        "a number for names",
        "bounds",
        "trainable",
        "unknown optimizer",
        "no optimizer",
        "unknown recurrent",
        "no recurrent",
        "cell",
        "rank",
        "transpose",
        "a class without a space",
        "no class",
        "units",
    ],
)
def test_errors_say_what_is_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call(HyperParameters())


# A search as a user writes it.


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


# Classes of a user's own.


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


def test_a_class_of_ones_own_is_searched():
    hp = HyperParameters()
    layer = search.layer(hp, Waves, 3)
    assert (layer.units, layer.height, layer.phases) == (3, 1.0, [0.25, 0.25])
    assert (layer.shape, layer.start) == ("cosine", None)
    # In the middle of the scale, which is that of logarithms for the height.
    layer, _ = made(functools.partial(search.layer, cls=Waves, units=3), probability=lambda: 0.5)
    assert (layer.height, layer.phases) == (1.0, [0.5, 0.5])
    call = functools.partial(search.layer, cls=Waves, units=3, name="own", height=2.0)
    chosen = {"own/phases/1": 0.75, "own/shape": "sine", "own/start": "drawn"}
    layer, values = made(call, chosen)
    assert (layer.height, layer.phases, layer.shape) == (2.0, [0.25, 0.75], "sine")
    assert layer.start.value == values["own/start/drawn/value"] == 0.5
    assert "own/height" not in values


class Leaky(TrainableActivation):
    """`max(x, slope·x)`."""

    function = staticmethod(lambda x, slope: keras.ops.maximum(x, slope * x))
    published_bounds = {"slope": (0.0, 1.0)}
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
    layer, _ = made(call, {**chosen, "activation/leaky/bounds": "range"})
    assert isinstance(layer, Leaky)
    assert layer.bounds == {"slope": (0.1, 0.9)}
    np.testing.assert_array_equal(to_numpy(layer(np.float32([-2.0, 2.0]))), [-1.0, 2.0])


def test_a_subclass_that_hands_its_arguments_on_has_the_defaults():
    class Own(keras_yat.Mila):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    assert search.layer(HyperParameters(), Own).get_config()["beta"] == -0.25
