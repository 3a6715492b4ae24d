"""Search spaces: they cover every layer, start at its defaults, and all their values work."""

import functools
import inspect

import keras
import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import activations, layers, search
from keras_yat._space import Build, Choice, Float, Option
from tests.helpers import draw, to_numpy
from tests.layers.catalogue import ALL, TRAINABLE
from tests.reference_recurrent import KINDS
from tests.spaces import (
    BUILT,
    CASES,
    EACH_ACTIVATION,
    EACH_CALL,
    EACH_CASE,
    EACH_TRAINABLE,
    EVERY,
    FLOAT,
    PROBABILITIES,
    all_of_them,
    check_values,
    declared,
    names_of,
    plain,
    sample,
)

pytestmark = pytest.mark.once

# Every layer and argument is covered.


# The head of an embedding has no arguments to search.
NOT_SEARCHED: set[str] = set()


def test_every_layer_is_reached():
    reached = {type(case(HyperParameters())).__name__ for case in CASES.values()}
    (choice,) = [h for h in declared(search.activation).space if h.name == "activation"]
    for label in choice.values:
        layer, _ = sample(search.activation, {"activation": label})
        reached.add(type(layer).__name__)
    assert reached == set(layers.__all__) - NOT_SEARCHED


@EACH_CASE
def test_a_function_gives_the_layer(name):
    assert type(CASES[name](HyperParameters())) is getattr(keras_yat, name)


def test_a_layer_without_a_search_function_is_found(monkeypatch):
    monkeypatch.setattr(layers, "__all__", [*layers.__all__, "YatOther"])
    with pytest.raises(AssertionError, match="YatOther"):
        test_every_layer_is_reached()


def test_every_activation_is_an_option():
    (choice,) = [h for h in declared(search.activation).space if h.name == "activation"]
    assert list(choice.values) == activations.names()


@EACH_ACTIVATION
def test_the_chosen_activation_is_built(label):
    layer, _ = sample(search.activation, {"activation": label})
    assert type(layer) is ALL[label]


def test_every_recurrent_layer_is_an_option():
    hp = declared(functools.partial(search.yat_recurrent, units=4))
    (choice,) = [h for h in hp.space if h.name == "yat_recurrent"]
    made_of = {
        type(sample(EVERY["recurrent"], {"yat_recurrent": label})[0]) for label in choice.values
    }
    assert made_of == {getattr(layers, f"Yat{kind}") for kind in KINDS}


def searched(of, space):
    """A class and the name of an argument, for everything that `space` searches."""
    for name, item in space.items():
        yield of, name
        yield from _searched_in(of, item)


def _searched_in(of, item):
    if isinstance(item, Option):
        yield from _searched_in(of, item.value)
        yield from searched(of, item.further)
    elif isinstance(item, Build):
        yield from searched(item.make, item.space)
    elif isinstance(item, Choice):
        for option in item.options.values():
            yield from _searched_in(of, option)


@pytest.mark.parametrize("name", layers.__all__)
def test_searched_names_are_arguments(name):
    cls = getattr(keras_yat, name)
    found = list(searched(cls, getattr(cls, "search_space", {})))
    assert found or name in {"HELU", *NOT_SEARCHED}
    for of, argument in found:
        assert argument in inspect.signature(of).parameters, f"{of.__name__} has no {argument}"


@EACH_TRAINABLE
def test_every_parameter_is_searched(label):
    cls = TRAINABLE[label]
    parameters = [weight.name for weight in cls().weights]
    assert parameters
    if "like" in cls.search_space:
        parameters = ["like"]  # the parameters are fitted to it
    assert set(parameters) <= cls.search_space.keys()
    hp = declared(search.activation)
    for name in parameters:
        assert any(f"{n}/".startswith(f"activation/{label}/{name}/") for n in names_of(hp)), name


def test_every_power_is_searched():
    squashers = [cls for cls in ALL.values() if "power" in inspect.signature(cls).parameters]
    assert layers.Softermax in squashers
    assert all("power" in cls.search_space for cls in squashers)


# The defaults are those of the arguments.


def check_same_start(layer, other):
    """Two activations have the same configuration, and parameters of the same values."""
    config, expected = plain(layer.get_config()), plain(other.get_config())
    assert [w.name for w in layer.weights] == [w.name for w in other.weights]
    for weight, like in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(like))
        # A combination has one number for all functions, or one for each.
        value, start = config.pop(weight.name), expected.pop(weight.name)
        assert value in (start, [start] * len(np.atleast_1d(to_numpy(weight))))
    assert config == expected


@EACH_ACTIVATION
@pytest.mark.parametrize("more", [False, True])
def test_an_activation_starts_at_its_defaults(label, more):
    layer = search.activation(
        HyperParameters(), among=[label], search_bounds=more, search_trainable=more
    )
    check_same_start(layer, ALL[label]())


@EACH_ACTIVATION
def test_an_activation_by_class_starts_at_its_defaults(label):
    check_same_start(search.layer(HyperParameters(), ALL[label]), ALL[label]())


@EACH_CASE
def test_a_layer_starts_at_its_defaults(name):
    case = CASES[name]
    expected = getattr(keras_yat, name)(*case.arguments)
    assert plain(case(HyperParameters()).get_config()) == plain(expected.get_config())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "SGD"])
def test_an_optimizer_starts_at_its_defaults(name):
    found = search.optimizer(HyperParameters(), among=[name.lower()])
    expected = getattr(keras.optimizers, name)(**({"nesterov": True} if name == "SGD" else {}))
    assert type(found) is type(expected)
    assert plain(found.get_config()) == plain(expected.get_config())


@EACH_CALL
def test_a_default_is_in_its_range(name):
    numbers = 0
    for each in declared(EVERY[name]).space:
        if isinstance(each, FLOAT):
            numbers += 1
            assert each.min_value < each.max_value
            assert each.min_value <= each.default <= each.max_value, each.name
        else:
            assert each.default in each.values, each.name
    assert numbers


def test_a_grid_starts_with_the_plain_layers():
    hp = declared(all_of_them)
    oracle = keras_tuner.oracles.GridSearchOracle("val_loss", max_trials=1)
    oracle.update_space(hp)
    assert oracle.populate_space("0")["values"] == hp.values


# All values work.


@pytest.mark.spread
@pytest.mark.parametrize("name", [*CASES, "activation", "optimizer"])
def test_every_option_and_both_ends_of_each_range(name):
    for each in declared(EVERY[name]).space:
        above = {condition.name: condition.values[0] for condition in each.conditions}
        ends = isinstance(each, FLOAT) and [each.prob_to_value(0.0), each.prob_to_value(1.0)]
        for value in ends or each.values:
            item, values = sample(EVERY[name], {**above, each.name: value})
            check_values(item, values, next(iter(values)).split("/")[0])


@pytest.mark.spread
@EACH_ACTIVATION
@given(data=st.data())
def test_an_activation_computes_with_any_values(label, data):
    axis = data.draw(st.sampled_from([None, -1])) if label in TRAINABLE else None
    call = functools.partial(
        search.activation, among=[label], axis=axis, search_bounds=True, search_trainable=True
    )
    layer, values = sample(call, probability=lambda: data.draw(PROBABILITIES))
    assert type(layer) is ALL[label]
    output = to_numpy(layer(draw((4, 6), scale=3.0)))
    assert np.all(np.isfinite(output))
    check_values(layer, values, f"activation/{label}")
    numbers = {n: v for n, v in values.items() if isinstance(v, float)}
    assert len(numbers) == len(names_of_floats(call))


def names_of_floats(call):
    floats = keras_tuner.engine.hyperparameters.Float
    return [each.name for each in declared(call).space if isinstance(each, floats)]


@given(data=st.data())
def test_a_dense_layer_computes_with_any_values(data):
    layer, values = sample(CASES["YatDense"], probability=lambda: data.draw(PROBABILITIES))
    check_values(layer, values, "yat_dense")
    output = to_numpy(layer(draw((4, 6)), training=True))
    assert output.shape == (4, 4)
    assert np.all(np.isfinite(output))


@EACH_CASE
@given(data=st.data())
def test_a_layer_is_created_with_any_values(name, data):
    layer, values = sample(CASES[name], probability=lambda: data.draw(PROBABILITIES))
    # The first hyperparameter starts with the prefix.
    check_values(layer, values, next(iter(values)).split("/")[0])


@pytest.mark.parametrize("name", BUILT)
@given(data=st.data())
def test_a_layer_is_built_with_any_values(name, data):
    layer, _ = sample(CASES[name], probability=lambda: data.draw(PROBABILITIES))
    layer.build(*CASES[name].shapes)
    assert layer.weights
    assert all(np.all(np.isfinite(to_numpy(weight))) for weight in layer.weights)


@given(data=st.data())
def test_an_optimizer_has_any_values(data):
    optimizer, values = sample(search.optimizer, probability=lambda: data.draw(PROBABILITIES))
    label = values["optimizer"]
    assert type(optimizer).__name__.lower() == label
    assert f"optimizer/{label}/learning_rate" in values
    check_values(optimizer, values, "optimizer")


@pytest.mark.parametrize(
    ("name", "path", "label", "expected"),
    [
        ("YatDense", "yat_dense/normalize", "None", {"normalize": None}),
        ("YatDense", "yat_dense/normalize", "kernel", {"normalize": "kernel"}),
        ("YatDense", "yat_dense/alpha", "default", {"alpha": "learned", "alpha_initializer": None}),
        ("YatDense", "yat_dense/alpha", "none", {"alpha": None, "alpha_initializer": None}),
        ("YatDense", "yat_dense/alpha", "constant", {"alpha": 1.0, "alpha_initializer": None}),
        ("YatDense", "yat_dense/alpha", "searched", {"alpha": "learned"}),
        ("YatDense", "yat_dense/kernel_initializer", "he_normal", {}),
        ("YatEmbedding", "yat_embedding/embeddings_initializer", "glorot_uniform", {}),
        ("YatGRU", "yat_recurrent/gru/recurrent_initializer", "he_normal", {}),
        ("YatGRU", "yat_recurrent/gru/activation", "tanh", {"activation": "tanh"}),
        ("YatLSTM", "yat_recurrent/lstm/activation", "soft_tanh", {}),
        ("YatLSTMCell", "yat_recurrent/lstm/recurrent_activation", "softer_sigmoid", {}),
        (
            "YatMultiHeadAttention",
            "yat_attention/normalization",
            "softermax",
            {"normalization": "softermax", "alpha": "learned"},
        ),
        ("YatMultiHeadAttention", "yat_attention/normalize", "sphere", {"normalize": "sphere"}),
        ("YatMultiHeadAttention", "yat_attention/kernel_initializer", "orthogonal", {}),
    ],
)
def test_options_match_their_labels(name, path, label, expected):
    config = sample(CASES[name], {path: label})[0].get_config()
    assert expected.items() <= config.items()
    if not expected:
        class_name = config[path.rsplit("/", 1)[-1]]["class_name"]
        assert class_name.lower() == label.replace("_", "")


@pytest.mark.parametrize("norm", ["l2", "l1", "sum"])
def test_a_norm_is_searched(norm):
    call = functools.partial(search.activation, among=["norm_lincomb"])
    layer, _ = sample(call, {"activation/norm_lincomb/norm": norm})
    assert layer.norm == norm


# Scales.


@pytest.mark.parametrize(("log", "sampling"), [(True, "log"), (False, "linear")])
def test_numbers_are_sampled_on_their_scale(log, sampling):
    hp = HyperParameters()
    Float(0.01, 100.0, log=log).sample(hp, "x", 1.0)
    (found,) = hp.space
    assert (found.min_value, found.max_value, found.sampling) == (0.01, 100.0, sampling)
    middle = np.median([found.random_sample(seed) for seed in range(400)])
    assert (0.5 < middle < 2.0) == log


def test_rates_and_epsilons_are_sampled_on_a_logarithmic_scale():
    hp = HyperParameters()
    search.yat_dense(hp, 4, "layer")
    search.optimizer(hp, "optimizer")
    scales = {each.name: getattr(each, "sampling", None) for each in hp.space}
    drawn = [n for n in scales if n.endswith(("/epsilon", "learning_rate", "/constant"))]
    assert len(drawn) >= 3
    assert {scales[name] for name in drawn} == {"log"}
