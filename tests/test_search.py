"""Search spaces: they reach everything, start at the defaults, and all that they allow works."""

import contextlib
import functools
import inspect
import math
import random
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import keras_tuner
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner import HyperParameters

import keras_yat
from keras_yat import _register, activations, layers, search
from keras_yat._space import Choice, Float, Made, Several, With
from keras_yat.layers.activation._base import TrainableActivation
from tests.helpers import BACKEND, draw, to_numpy
from tests.layers.catalogue import ALL, TRAINABLE


class Case(NamedTuple):
    """How a layer is reached: a function, what it gets, and the shapes of an input."""

    function: object
    arguments: tuple
    shapes: list

    def __call__(self, hp, **kwargs):
        return self.function(hp, *self.arguments, **kwargs)


def _cases():
    yield "YatDense", Case(search.yat_dense, (4,), [(2, 6)])
    for rank in (1, 2, 3):
        shapes = [(2, *[5] * rank, 3)]
        for transpose in (False, True):
            name = f"YatConv{rank}D{'Transpose' if transpose else ''}"
            function = functools.partial(search.yat_conv, rank=rank, transpose=transpose)
            yield name, Case(function, (4, 3), shapes)
    for label, name in {"lstm": "YatLSTM", "gru": "YatGRU", "simple_rnn": "YatSimpleRNN"}.items():
        function = functools.partial(search.yat_recurrent, among=[label])
        yield name, Case(function, (4,), [(2, 5, 3)])
        yield f"{name}Cell", Case(functools.partial(function, cell=True), (4,), [(2, 3)])
    yield "YatMultiHeadAttention", Case(search.yat_attention, (2, 4), [(2, 5, 6), (2, 5, 6)])
    yield "YatEmbedding", Case(search.yat_embedding, (6, 4), [(2, 5)])


CASES = dict(_cases())
# All that the functions can declare.
EVERY = {
    **CASES,
    "activation": functools.partial(
        search.activation, search_bounds=True, search_trainable=True, axis=-1
    ),
    "recurrent": functools.partial(search.yat_recurrent, units=4),
    "optimizer": search.optimizer,
}
FLOAT = keras_tuner.engine.hyperparameters.Float
# JAX compiles each initializer for each shape: there one of a kind.
ONE_OF_A_KIND = ["YatConv1D", "YatGRU", "YatGRUCell", "YatMultiHeadAttention", "YatEmbedding"]
BUILT = ONE_OF_A_KIND if BACKEND == "jax" else list(CASES)
EACH_ACTIVATION = pytest.mark.parametrize("label", list(ALL))
EACH_TRAINABLE = pytest.mark.parametrize("label", list(TRAINABLE))
EACH_CASE = pytest.mark.parametrize("name", list(CASES))
EACH_CALL = pytest.mark.parametrize("name", list(EVERY))
# Third parties' own.
OF_KERAS_TUNER = pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning")
# Random search asks for what is below 1, Bayesian optimization for 1 too.
ENDS = [0.0, math.nextafter(1.0, 0.0), 1.0]
PROBABILITIES = st.one_of(st.sampled_from(ENDS), st.floats(0.0, 1.0))


def declared(call):
    hp = HyperParameters()
    call(hp)
    return hp


def names_of(hp):
    return {each.name for each in hp.space}


def assigned(call, chosen=None, probability=None):
    """Values for all that is active: those `chosen`, others by `probability()`, or the defaults."""
    hp, chosen = declared(call), {} if chosen is None else chosen
    assert chosen.keys() <= names_of(hp)
    hp.values = {}
    for each in hp.space:
        if not hp.is_active(each):
            continue
        if each.name in chosen:
            hp.values[each.name] = chosen[each.name]
        elif probability is None:
            hp.values[each.name] = each.default
        else:
            hp.values[each.name] = each.prob_to_value(probability())
    assert chosen.items() <= hp.values.items()
    return hp


def made(call, chosen=None, probability=None):
    """What `call` makes of values, all of which are among its hyperparameters."""
    hp = assigned(call, chosen, probability)
    values, space = dict(hp.values), names_of(hp)
    result = call(hp)
    assert hp.values == values
    assert names_of(hp) == space
    return result, values


def plain(config):
    """`config` without the names of layers and the seeds, which are drawn."""
    if isinstance(config, dict):
        return {k: plain(v) for k, v in config.items() if k not in ("name", "seed")}
    return [plain(v) for v in config] if isinstance(config, (list, tuple)) else config


def value_in(config, path):
    """What `config` has at `path`, a name in which there are labels of options too."""
    item, around = config, config
    for part in path.split("/"):
        if isinstance(item, list):
            item = item[int(part)]
            continue
        inside = [d for d in (item, around) if isinstance(d, dict)]
        inside += [d["config"] for d in inside if isinstance(d.get("config"), dict)]
        found = next((d for d in inside if part in d), None)
        if found is not None:
            item, around = found[part], found
    return item


def check_values(layer, values, prefix):
    """Every number and flag of `values` is in the configuration of the layer, or optimizer."""
    config = layer.get_config()
    for name, value in values.items():
        if not isinstance(value, str):
            # The rates of an optimizer are float32.
            expected = pytest.approx(value, rel=1e-6)
            assert value_in(config, name.removeprefix(f"{prefix}/")) == expected, name


# Everything can be searched.


def test_every_layer_is_reached():
    reached = {type(case(HyperParameters())).__name__ for case in CASES.values()}
    (choice,) = [h for h in declared(search.activation).space if h.name == "activation"]
    for label in choice.values:
        layer, _ = made(search.activation, {"activation": label})
        reached.add(type(layer).__name__)
    assert reached == set(layers.__all__)


@EACH_CASE
def test_a_function_gives_the_layer(name):
    assert type(CASES[name](HyperParameters())) is getattr(keras_yat, name)


def test_a_layer_that_nothing_reaches_is_noticed(monkeypatch):
    monkeypatch.setattr(layers, "__all__", [*layers.__all__, "YatOther"])
    with pytest.raises(AssertionError, match="YatOther"):
        test_every_layer_is_reached()


def test_every_activation_is_an_option():
    (choice,) = [h for h in declared(search.activation).space if h.name == "activation"]
    assert list(choice.values) == activations.names()


@EACH_ACTIVATION
def test_the_chosen_activation_is_made(label):
    layer, _ = made(search.activation, {"activation": label})
    assert type(layer) is ALL[label]


def test_every_recurrent_layer_is_an_option():
    hp = declared(functools.partial(search.yat_recurrent, units=4))
    (choice,) = [h for h in hp.space if h.name == "yat_recurrent"]
    made_of = {
        type(made(EVERY["recurrent"], {"yat_recurrent": label})[0]) for label in choice.values
    }
    assert made_of == {layers.YatLSTM, layers.YatGRU, layers.YatSimpleRNN}


def searched(of, space):
    """(a class, the name of an argument of it), for all that `space` searches."""
    for name, item in space.items():
        yield of, name
        yield from _searched_in(of, item)


def _searched_in(of, item):
    if isinstance(item, With):
        yield from _searched_in(of, item.value)
        yield from searched(of, item.further)
    elif isinstance(item, Made):
        yield from searched(item.make, item.space)
    elif isinstance(item, Choice):
        for option in item.options.values():
            yield from _searched_in(of, option)


@pytest.mark.parametrize("name", layers.__all__)
def test_what_is_searched_are_arguments(name):
    cls = getattr(keras_yat, name)
    found = list(searched(cls, cls.search_space))
    assert found or cls is layers.HELU
    for of, argument in found:
        assert argument in inspect.signature(of).parameters, f"{of.__name__} has no {argument}"


@EACH_TRAINABLE
def test_every_parameter_is_searched(label):
    cls = TRAINABLE[label]
    parameters = [weight.name for weight in cls().weights]
    assert parameters
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
    """Two activations have the same configuration; of parameters only the values count."""
    config, expected = plain(layer.get_config()), plain(other.get_config())
    assert [w.name for w in layer.weights] == [w.name for w in other.weights]
    for weight, like in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(like))
        # One number for all functions of a combination, or one for each.
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


def all_of_them(hp):
    return [call(hp, name=name) for name, call in EVERY.items()]


def test_a_grid_starts_with_the_plain_layers():
    hp = declared(all_of_them)
    oracle = keras_tuner.oracles.GridSearchOracle("val_loss", max_trials=1)
    oracle.update_space(hp)
    assert oracle.populate_space("0")["values"] == hp.values


# All that is allowed works.


@pytest.mark.parametrize("name", [*CASES, "activation", "optimizer"])
def test_every_option_and_every_end_of_a_range(name):
    for each in declared(EVERY[name]).space:
        above = {condition.name: condition.values[0] for condition in each.conditions}
        ends = isinstance(each, FLOAT) and [each.prob_to_value(0.0), each.prob_to_value(1.0)]
        for value in ends or each.values:
            item, values = made(EVERY[name], {**above, each.name: value})
            check_values(item, values, next(iter(values)).split("/")[0])


@EACH_ACTIVATION
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_an_activation_computes_with_any_values(label, data):
    axis = data.draw(st.sampled_from([None, -1])) if label in TRAINABLE else None
    call = functools.partial(
        search.activation, among=[label], axis=axis, search_bounds=True, search_trainable=True
    )
    layer, values = made(call, probability=lambda: data.draw(PROBABILITIES))
    assert type(layer) is ALL[label]
    output = to_numpy(layer(draw((4, 6), scale=3.0)))
    assert np.all(np.isfinite(output))
    check_values(layer, values, f"activation/{label}")
    numbers = {n: v for n, v in values.items() if isinstance(v, float)}
    assert len(numbers) == len(names_of_floats(call))


def names_of_floats(call):
    floats = keras_tuner.engine.hyperparameters.Float
    return [each.name for each in declared(call).space if isinstance(each, floats)]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_dense_layer_computes_with_any_values(data):
    layer, values = made(CASES["YatDense"], probability=lambda: data.draw(PROBABILITIES))
    check_values(layer, values, "yat_dense")
    output = to_numpy(layer(draw((4, 6)), training=True))
    assert output.shape == (4, 4)
    assert np.all(np.isfinite(output))


@EACH_CASE
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_layer_is_made_with_any_values(name, data):
    layer, values = made(CASES[name], probability=lambda: data.draw(PROBABILITIES))
    # The first that was declared tells the prefix.
    check_values(layer, values, next(iter(values)).split("/")[0])


@pytest.mark.parametrize("name", BUILT)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_a_layer_is_built_with_any_values(name, data):
    layer, _ = made(CASES[name], probability=lambda: data.draw(PROBABILITIES))
    layer.build(*CASES[name].shapes)
    assert layer.weights
    assert all(np.all(np.isfinite(to_numpy(weight))) for weight in layer.weights)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_an_optimizer_has_any_values(data):
    optimizer, values = made(search.optimizer, probability=lambda: data.draw(PROBABILITIES))
    label = values["optimizer"]
    assert type(optimizer).__name__.lower() == label
    assert f"optimizer/{label}/learning_rate" in values
    check_values(optimizer, values, "optimizer")


@pytest.mark.parametrize(
    ("name", "path", "label", "expected"),
    [
        ("YatDense", "yat_dense/normalize", "None", {"normalize": None}),
        ("YatDense", "yat_dense/normalize", "kernel", {"normalize": "kernel"}),
        ("YatDense", "yat_dense/alpha", "suited", {"alpha": "learned", "alpha_initializer": None}),
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
def test_an_option_is_what_its_label_says(name, path, label, expected):
    config = made(CASES[name], {path: label})[0].get_config()
    assert expected.items() <= config.items()
    if not expected:
        class_name = config[path.rsplit("/", 1)[-1]]["class_name"]
        assert class_name.lower() == label.replace("_", "")


@pytest.mark.parametrize("norm", ["l2", "l1", "sum"])
def test_a_norm_is_searched(norm):
    call = functools.partial(search.activation, among=["norm_lincomb"])
    layer, _ = made(call, {"activation/norm_lincomb/norm": norm})
    assert layer.norm == norm


# What belongs to an option is only there with it.


def of_chosen(names, values):
    """The `names` whose every option above them is that of `values`."""

    def fits(name):
        parts = name.split("/")
        above = ["/".join(parts[:i]) for i in range(1, len(parts))]
        return all(a not in names or values.get(a) == parts[i + 1] for i, a in enumerate(above))

    return {name for name in names if fits(name)}


@EACH_CALL
def test_a_trial_has_values_of_what_is_chosen_only(name):
    hp, trials = declared(EVERY[name]), 200
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=trials, seed=1)
    oracle.update_space(hp)
    seen = {}
    for trial in range(trials):
        values = oracle.populate_space(str(trial))["values"]
        assert values.keys() == of_chosen(names_of(hp), values)
        for n, value in values.items():
            seen.setdefault(n, set()).add(value)
    # All was met at least once.
    assert seen.keys() == names_of(hp)
    for each in hp.space:
        if isinstance(each, keras_tuner.engine.hyperparameters.Choice):
            assert seen[each.name] == set(each.values), each.name


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        (
            "activation",
            "activation",
            {
                "mila": {"mila/beta", "mila/bounds", "mila/trainable"},
                "delu": {"delu/n", "delu/bounds", "delu/trainable"},
                "score_tanh": {"score_tanh/power"},
                "helu": set(),
            },
        ),
        (
            "YatDense",
            "yat_dense/alpha",
            {
                "suited": set(),
                "none": set(),
                "constant": {"constant"},
                "searched": {"searched/alpha_initializer/value"},
            },
        ),
        (
            "YatDense",
            "yat_dense/kernel_initializer",
            {"yat_normal": {"yat_normal/input_scale"}, "glorot_uniform": set()},
        ),
        (
            "YatMultiHeadAttention",
            "yat_attention/normalization",
            {"softermax": {"softermax/power"}, "softmax": {"softmax/alpha"}},
        ),
        (
            "YatLSTM",
            "yat_recurrent/lstm/recurrent_activation",
            {"sigmoid": set(), "softer_sigmoid": {"softer_sigmoid/power"}},
        ),
    ],
    ids=["activation", "alpha", "initializer", "normalization", "gates"],
)
def test_an_option_takes_its_own_values_along(name, path, expected):
    for label, behind in expected.items():
        hp = declared(EVERY[name]).copy()
        hp.values[path] = label
        hp.ensure_active_values()
        # An alpha that is drawn may have values of its own.
        found = {n.removeprefix(f"{path}/") for n in hp.values if n.startswith(f"{path}/")}
        assert {n for n in found if "softmax/alpha/" not in n} == behind


def test_constant_is_not_searched_for_a_learned_alpha():
    hp = assigned(CASES["YatDense"], {"yat_dense/alpha": "searched"})
    assert "yat_dense/alpha/constant" not in hp
    assert hp.get("yat_dense/alpha/searched/alpha_initializer/value") == 1.0


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
            "`among` must be names, at least one, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=["nami", 3]),
            "`among` must be names, at least one, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=[keras_yat.Nami()]),
            "`among` must be names, at least one, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=[["nami"]]),
            "`among` must be names, at least one, such as coslu",
        ),
        (
            lambda hp: search.activation(hp, among=3),
            "`among` must be names, at least one, such as coslu",
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
        (lambda hp: search.optimizer(hp, among=()), "`among` must be names, .* such as adam"),
        (
            lambda hp: search.yat_recurrent(hp, 4, among=["rnn"]),
            "`among` must be one of 'lstm', 'gru', 'simple_rnn'",
        ),
        (lambda hp: search.yat_recurrent(hp, 4, among=[]), "`among` must be names, .* as lstm"),
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
        "phases": Several(Float(0.0, 1.0, default=0.25), 2),
        "shape": Choice.of("sine", "cosine"),
        "start": Choice(
            {
                "none": None,
                "drawn": Made(keras.initializers.Constant, {"value": Float(0.0, 1.0, default=0.5)}),
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
