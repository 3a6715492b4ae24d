"""Arguments of the search functions: names, fixed arguments, bounds, errors."""

import functools
import random

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import layers, search
from keras_yat._space import Float
from tests.helpers import to_numpy
from tests.layers.catalogue import ALL, TRAINABLE
from tests.spaces import (
    CASES,
    EACH_TRAINABLE,
    FLOAT,
    declared,
    names_of,
    sample,
)

pytestmark = pytest.mark.once

# Names.


def test_layers_of_the_same_name_share_hyperparameters():
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


def test_layers_of_two_names_have_separate_hyperparameters():
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
        ("yat_depthwise_conv", CASES["YatDepthwiseConv2D"]),
        ("yat_separable_conv", CASES["YatSeparableConv2D"]),
        ("yat_recurrent", CASES["YatGRU"]),
        ("yat_attention", CASES["YatMultiHeadAttention"]),
        ("yat_embedding", CASES["YatEmbedding"]),
        ("yat_linear_attention", CASES["YatLinearAttention"]),
        ("yat_graph_conv", CASES["YatGraphConv"]),
        ("yat_graph_attention", CASES["YatGraphAttention"]),
        ("optimizer", search.optimizer),
        ("nami", lambda hp, **kwargs: search.layer(hp, keras_yat.Nami, **kwargs)),
    ],
    ids=[
        "activation",
        "yat_dense",
        "yat_conv",
        "yat_depthwise_conv",
        "yat_separable_conv",
        "yat_recurrent",
        "yat_attention",
        "yat_embedding",
        "yat_linear_attention",
        "yat_graph_conv",
        "yat_graph_attention",
        "optimizer",
        "layer",
    ],
)
def test_a_name_is_the_prefix_of_all_hyperparameters(name, call):
    default = names_of(declared(call))
    given = names_of(declared(functools.partial(call, name="other")))
    assert all(f"{n}/".startswith(f"{name}/") for n in default)
    assert given == {f"other{n.removeprefix(name)}" for n in default}


def test_a_name_with_other_options_raises_an_error():
    hp = HyperParameters()
    search.activation(hp, "hidden", ["nami", "relu"])
    with pytest.raises(ValueError, match="`name` must belong to one search space"):
        search.activation(hp, "hidden", ["mila", "relu"])


# Given arguments are fixed.


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
def test_given_arguments_are_fixed(name, fixed):
    """A given argument is not searched, and works with every searched value."""
    call = functools.partial(CASES[name], **fixed)
    for path in names_of(declared(call)):
        assert not fixed.keys() & set(path.split("/")), path
    rng = random.Random(0)
    for _ in range(20):
        config = sample(call, probability=rng.random)[0].get_config()
        for argument, value in fixed.items():
            if not isinstance(config[argument], dict):
                assert config[argument] == value


@pytest.mark.parametrize(("normalization", "name"), [("softmax", "alpha"), ("softermax", "power")])
def test_further_arguments_of_a_given_option_are_searched(normalization, name):
    call = functools.partial(CASES["YatMultiHeadAttention"], normalization=normalization)
    assert any(name in path.split("/") for path in names_of(declared(call)))


def test_arguments_by_position_are_fixed():
    hp = HyperParameters()
    layer = search.layer(hp, keras_yat.Nami, 0.2)
    assert layer.get_config()["w"] == 0.2
    assert hp.values == {"nami/a": 1.0, "nami/b": 1.5}


def test_given_parameters_are_fixed():
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
        layer, _ = sample(call, probability=lambda p=probability: p)
        assert -0.5 <= layer.get_config()["beta"] <= 0.5


@given(
    low=st.floats(-100.0, 100.0),
    size=st.floats(0.01, 100.0),
    log=st.booleans(),
    limits=st.tuples(*[st.one_of(st.none(), st.floats(-1e3, 1e3))] * 2),
)
def test_a_range_within_limits(low, size, log, limits):
    """Never empty or inverted, and within the limits."""
    log = log and low > 0.0
    least, most = limits
    if None not in limits and not least < most:
        return
    found = Float(low, low + size, log).within(limits)
    assert found.low < found.high
    assert least is None or found.low >= least
    assert most is None or found.high <= most
    assert not found.log or found.low > 0.0


def test_starting_values_beyond_the_searched_range():
    """Bounds that the range does not reach move it."""
    hp = HyperParameters()
    layer = search.activation(hp, among=["relun"], bounds={"n": (50.0, None)})
    (dimension,) = [each for each in hp.space if each.name == "activation/relun/n"]
    assert (dimension.min_value, dimension.max_value) == (50.0, 1000.0)
    assert float(to_numpy(layer.n)) == 50.0


def test_keras_activations_are_options():
    call = functools.partial(search.activation, among=["relu", "nami", "relu"], dtype="float16")
    hp = HyperParameters()
    layer = call(hp)
    assert isinstance(layer, keras.layers.Activation)
    assert layer.get_config()["activation"] == "relu"
    assert layer.dtype == "float16"
    assert list(hp.space[0].values) == ["relu", "nami"]
    assert isinstance(sample(call, {"activation": "nami"})[0], keras_yat.Nami)


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
        option: sample(call, {f"activation/{label}/bounds": option})[0].bounds
        for option in ("default", "free", "range")
    }
    cls = TRAINABLE[label]
    assert found["default"] == cls().bounds
    assert found["free"] == dict.fromkeys(found["default"], (None, None))
    limits = {}
    for each in declared(call).space:
        if isinstance(each, FLOAT):
            limits[each.name.split("/")[2]] = (each.min_value, each.max_value)
    assert found["range"] == (limits or found["default"])


@EACH_TRAINABLE
@pytest.mark.parametrize("axis", [None, -1])
def test_whether_parameters_are_trained_is_searched(label, axis):
    call = functools.partial(search.activation, among=[label], axis=axis, search_trainable=True)
    count = len(TRAINABLE[label]().weights)
    for option, expected in {"learned": count, "constant": 0}.items():
        layer, _ = sample(call, {f"activation/{label}/trainable": option})
        dense = keras.layers.Dense(3, activation=layer)
        model = keras.Sequential([keras.Input((2,)), dense])
        if axis is not None:
            layer.build((None, 3))
        assert len(layer.weights) == count
        assert len(layer.trainable_weights) == expected
        assert len(model.trainable_weights) == 2 + expected


def test_bounds_and_trainable_are_not_searched_by_default():
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
            lambda hp: search.activation(hp, search_trainable=2),
            "`search_trainable` must be True or False",
        ),
        (
            lambda hp: search.optimizer(hp, among=["adam", "adan"]),
            "`among` must be one of 'adam', 'adamw', 'rmsprop', 'sgd'",
        ),
        (
            lambda hp: search.optimizer(hp, among=()),
            "`among` must be one or more names, such as adam",
        ),
        (
            lambda hp: search.yat_recurrent(hp, 4, among=["rnn"]),
            "`among` must be one of 'lstm', 'gru', 'simple_rnn'.*Received: among='rnn'",
        ),
        (
            lambda hp: search.yat_recurrent(hp, 4, among=[]),
            "`among` must be one or more names, such as lstm",
        ),
        (lambda hp: search.yat_recurrent(hp, 4, cell=2), "`cell` must be True or False"),
        (lambda hp: search.yat_conv(hp, 4, 3, rank=4), "`rank` must be one of 1, 2, 3"),
        (lambda hp: search.yat_depthwise_conv(hp, 3, rank=3), "`rank` must be one of 1, 2"),
        (lambda hp: search.yat_separable_conv(hp, 4, 3, rank=3), "`rank` must be one of 1, 2"),
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
        "rank of a depthwise convolution",
        "rank of a separable convolution",
        "transpose",
        "a class without a space",
        "no class",
        "units",
    ],
)
def test_errors_name_the_argument(call, words):
    with pytest.raises(ValueError, match=words):
        call(HyperParameters())
