"""What a study is put together from: models, held values, folders, ports, data, differences."""

import itertools
import math
import os
import re
import socket
import statistics
import tempfile
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras_tuner.src.distribute import utils as distribute
from scipy import stats

from examples import trials
from keras_yat import search
from tests.helpers import BACKEND, to_numpy
from tests.test_tuning_config import (
    ARMS,
    DEFAULTS,
    FILES,
    STUDIES,
    WHOLE,
    with_defaults,
    with_value,
)
from tuning import cluster, config, data, launch, models, report, study

pytestmark = pytest.mark.once

# The files of this package.

# Shape of an example, and number of classes. Of sequences any number of steps will do.
IMAGES = {
    "digits": ((8, 8, 1), 10),
    "mnist": ((28, 28, 1), 10),
    "fashion_mnist": ((28, 28, 1), 10),
}
SEQUENCES = {
    **{name: ((4, shape[1]), classes) for name, (shape, classes) in IMAGES.items()},
    "japanese_vowels": ((4, 12), 9),
    "osu_leaf": ((4, 1), 6),
    "basic_motions": ((4, 6), 4),
}


def substitute(found):
    """Two examples of the same shape as those of a study."""
    recurrent = found.model.kind == "recurrent"
    shape, classes = (SEQUENCES if recurrent else IMAGES)[found.data.name]
    x = [np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")]
    if found.data.name == "japanese_vowels":
        x.append(np.array([[True] * 4, [True, False, False, False]]))
    part = data.Part(x, np.array([0, classes - 1]))
    return data.Parts(part, part, part, "")


def drawn(space, seed):
    """A random value for each hyperparameter of `space` that is active."""
    hp = keras_tuner.HyperParameters()
    for place, each in enumerate(space):
        hp.merge([each])
        if hp.is_active(each):
            hp.values[each.name] = each.random_sample(1000 * seed + place)
    return hp


def test_there_are_files():
    assert len(FILES) >= 4
    assert len(ARMS) > len(FILES)


@pytest.fixture
def quick():
    """JAX would spend most of the time on optimizing what it compiles."""
    if BACKEND != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("file", "name"), ARMS, ids=[f"{f.stem}: {name}" for f, name in ARMS])
def test_every_arm_of_every_file_works(file, name):
    found = config.load(file)
    # JAX compiles each layer for each size.
    narrow = found.model.model_copy(update={"units": [4] * len(found.model.units)})
    found = found.model_copy(update={"model": narrow})
    parts, arm = substitute(found), found.arms[name]
    start = keras_tuner.HyperParameters()
    models.build(start, found, arm, parts)
    for seed in range(-1, 5):
        hp = start.copy() if seed < 0 else drawn(start.space, seed)
        values = dict(hp.values)
        model = models.build(hp, found, arm, parts)
        # Nothing that a value brings with it was not known before.
        assert hp.values == values
        assert len(hp.space) == len(start.space)
        outputs = to_numpy(model(parts.test.inputs))
        assert outputs.shape == (2, parts.classes)
        assert np.all(np.isfinite(outputs)), values
        assert model.optimizer is not None


# Hyperparameters that have one value.


def held(hold=(), values=None):
    hp = keras_tuner.HyperParameters()
    return hp, models.Held(hp, config.Arm(hold=list(hold), set=values or {}))


def ask(hp):
    return {
        "a/choice": hp.Choice("a/choice", ["x", "y", "z"], default="y"),
        "a/first": hp.Choice("a/first", [3, 5]),
        "a/float": hp.Float("a/float", 0.1, 1.0, sampling="log", default=0.5),
        "a/low": hp.Float("a/low", min_value=0.25, max_value=1.0),
        "b/int": hp.Int("b/int", 2, 9, default=4),
        "b/least": hp.Int("b/least", 2, max_value=9),
        "b/flag": hp.Boolean("b/flag", default=True),
        "b/off": hp.Boolean("b/off"),
    }


START = {
    "a/choice": "y",
    "a/first": 3,
    "a/float": 0.5,
    "a/low": 0.25,
    "b/int": 4,
    "b/least": 2,
    "b/flag": True,
    "b/off": False,
}
OTHERS = {
    "a/choice": "z",
    "a/first": 5,
    "a/float": 0.7,
    "a/low": 0.3,
    "b/int": 7,
    "b/least": 3,
    "b/flag": False,
    "b/off": True,
}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ([], []),
        (["*"], list(START)),
        (["a/*"], ["a/choice", "a/first", "a/float", "a/low"]),
        (["b/int", "?/low"], ["b/int", "a/low"]),
        (["*/f*"], ["a/first", "a/float", "b/flag"]),
        (["[b]/*", "b/int"], ["b/int", "b/least", "b/flag", "b/off"]),
        (["A/*", "a", "int"], []),
    ],
)
def test_what_a_pattern_holds_stays_at_its_default(patterns, names):
    hp, wrapped = held(patterns)
    assert ask(wrapped) == START == hp.values
    constant = {each.name for each in hp.space if type(each).__name__ == "Fixed"}
    assert constant == set(names)
    for seed in range(8):
        other = drawn(hp.space, seed)
        assert ask(models.Held(other, config.Arm(hold=patterns))) == other.values
        for name in START:
            # With the same type: True is not 1.
            assert name not in names or repr(other.values[name]) == repr(START[name])
    others = [drawn(hp.space, seed).values for seed in range(8)]
    moved = {name for name in START if any(other[name] != START[name] for other in others)}
    assert moved == set(START) - set(names)


@pytest.mark.parametrize("name", list(START))
def test_a_value_of_ones_own(name):
    # It is nearer than a pattern.
    for patterns in ([], ["*"]):
        hp, wrapped = held(patterns, {name: OTHERS[name]})
        assert ask(wrapped) == {**START, name: OTHERS[name]} == hp.values
        for seed in range(3):
            assert repr(drawn(hp.space, seed).values[name]) == repr(OTHERS[name])


@pytest.mark.parametrize("value", ["w", "X", 3, ""])
def test_a_value_that_is_no_option(value):
    _, wrapped = held(values={"kind": value})
    told = f"set: kind must be one of ['x', 'y']. Received: {value!r}"
    with pytest.raises(ValueError, match=re.escape(told)):
        wrapped.Choice("kind", ["x", "y"])


@pytest.mark.parametrize(("hold", "values"), [(["kind"], {}), ([], {"kind": "two"})])
def test_what_belongs_to_a_held_choice(hold, values):
    hp, wrapped = held([*hold, "*/b"], values)
    chosen = values.get("kind", "one")

    def build(hp):
        assert hp.Choice("kind", ["one", "two"]) == chosen
        result = {}
        for label in ("one", "two"):
            with hp.conditional_scope("kind", [label]):
                result[label] = (
                    hp.Float(f"{label}/a", 0.0, 1.0, default=0.5),
                    hp.Int(f"{label}/b", 1, 9, default=3),
                )
        return result

    other = {"one": "two", "two": "one"}[chosen]
    assert build(wrapped) == {chosen: (0.5, 3), other: (None, None)}
    assert hp.values == {"kind": chosen, f"{chosen}/a": 0.5, f"{chosen}/b": 3}
    for seed in range(3):
        values = drawn(hp.space, seed).values
        assert {**values, f"{chosen}/a": 0.5} == hp.values
        assert values[f"{chosen}/a"] != 0.5


def test_held_activations_start_as_the_layers_themselves():
    plain = keras_tuner.HyperParameters()
    search.activation(plain, among=["nami", "mila", "sinlu"])
    hp, _ = held()
    labels = set()
    for seed in range(8):
        wrapped = models.Held(hp, config.Arm(hold=["activation/*/*"]))
        layer = search.activation(wrapped, among=["nami", "mila", "sinlu"])
        assert [each.name for each in hp.space] == [each.name for each in plain.space]
        searched = [each.name for each in hp.space if type(each).__name__ != "Fixed"]
        assert searched == ["activation"]
        ours, own = layer.get_config(), type(layer)().get_config()
        assert {**ours, "name": None} == {**own, "name": None}
        labels.add(hp.values["activation"])
        hp = drawn(hp.space, seed)
    assert labels == {"nami", "mila", "sinlu"}


# What a model-building function of one's own may do with an hp.
USES = {
    "get": lambda hp: (hp.Int("n", 1, 3), hp.get("n")),
    "item": lambda hp: (hp.Int("n", 1, 3), hp["n"]),
    "in": lambda hp: (hp.Int("n", 1, 3), "n" in hp, "m" in hp),
    "values": lambda hp: (hp.Int("n", 1, 3), dict(hp.values)),
    "fixed": lambda hp: hp.Fixed("n", 3),
    "by name": lambda hp: hp.Int(name="n", min_value=1, max_value=7, step=2, sampling="linear"),
    "by position": lambda hp: hp.Float("n", 1.0, 7.0, None, "log", 2.0),
    "ordered": lambda hp: hp.Choice("n", [1, 2], ordered=False),
    "ordered, by position": lambda hp: hp.Choice("n", [1, 2], False, 2),
    "parent of a choice": lambda hp: (
        hp.Boolean("n"),
        hp.Choice("m", [1, 2], parent_name="n", parent_values=[True]),
    ),
    "parent of a flag": lambda hp: (
        hp.Int("n", 1, 3),
        hp.Boolean("m", parent_name="n", parent_values=[1]),
    ),
    "parent of a number": lambda hp: (
        hp.Boolean("n"),
        hp.Float("m", 0.0, 1.0, parent_name="n", parent_values=[False]),
    ),
}


@pytest.mark.parametrize("use", list(USES))
@pytest.mark.parametrize("hold", [[], ["*"]], ids=["searched", "held"])
def test_an_hp_that_holds_is_used_like_any(use, hold):
    plain = keras_tuner.HyperParameters()
    hp, wrapped = held(hold)
    assert USES[use](wrapped) == USES[use](plain)
    assert hp.values == plain.values
    assert [each.name for each in hp.space] == [each.name for each in plain.space]
    assert [each.conditions for each in hp.space] == [each.conditions for each in plain.space]


# One folder, one study.


def checked(content):
    return config.Study.model_validate(content)


FULL = {
    **DEFAULTS,
    "tuner": {"kind": "random", "trials": 3, "seed": 0},
    "arms": {"one": {"set": {"optimizer": "adam"}}, "two": {}},
}


def test_the_same_study_goes_on(tmp_path):
    for _ in range(3):
        study._same_study(checked(FULL), "jax", tmp_path)
    told = {**FULL, "title": "Another", "final": {"seeds": 20}}
    study._same_study(checked(told), "jax", tmp_path)
    # What is a default need not be said, and the order is free.
    short = {
        "arms": {"two": {"layers": "keras"}, "one": {"set": {"optimizer": "adam"}}},
        "tuner": {"trials": 3},
    }
    study._same_study(checked(short), "jax", tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("data.name", "mnist", "data.name: 'digits', now 'mnist'"),
        ("data.validation", 0.3, "data.validation: 0.2, now 0.3"),
        ("data.examples", 50, "data.examples: None, now 50"),
        ("model.kind", "recurrent", "model.kind: 'dense', now 'recurrent'"),
        ("model.units", [64], "model.units: [64, 64], now [64]"),
        ("training.epochs", 11, "training.epochs: 10, now 11"),
        ("training.batch_size", 8, "training.batch_size: 32, now 8"),
        ("training.seeds", 2, "training.seeds: 1, now 2"),
        ("tuner.kind", "grid", "tuner.kind: 'random', now 'grid'"),
        ("tuner.trials", 4, "tuner.trials: 3, now 4"),
        ("tuner.seed", 1, "tuner.seed: 0, now 1"),
        ("arms.one.layers", "yat", "arms.one.layers: 'keras', now 'yat'"),
        ("arms.one.activation", ["relu"], "arms.one.activation: None, now ['relu']"),
        ("arms.one.hold", ["*"], "arms.one.hold: [], now ['*']"),
        ("arms.one.build", "a:b", "arms.one.build: None, now 'a:b'"),
        ("arms.one.set.optimizer", "sgd", "arms.one.set.optimizer: 'adam', now 'sgd'"),
        ("arms.two.set.x", 1, "arms.two.set.x: None, now 1"),
    ],
)
def test_another_study_is_refused(key, value, line, tmp_path):
    study._same_study(checked(FULL), "jax", tmp_path)
    other = {**with_value(FULL, key, value), "title": "Another", "final": {"seeds": 20}}
    for _ in range(2):  # being refused changes nothing
        with pytest.raises(SystemExit) as told:
            study._same_study(checked(other), "jax", tmp_path)
        first, *lines, last = str(told.value).splitlines()
        assert first.startswith(f"{tmp_path} has the trials of another study")
        assert lines == [f"  {line}"]
        assert "--out" in last
    study._same_study(checked(FULL), "jax", tmp_path)


def test_arms_that_come_and_go_and_another_backend(tmp_path):
    study._same_study(checked(FULL), "jax", tmp_path)
    other = {**FULL, "arms": {"one": FULL["arms"]["one"], "three": {}}}
    with pytest.raises(SystemExit) as told:
        study._same_study(checked(other), "torch", tmp_path)
    _, *lines, _ = str(told.value).splitlines()
    assert "  backend: 'jax', now 'torch'" in lines
    starts = [re.match(r"  arms\.(\w+): (None, now \{|\{.*, now None$)", line) for line in lines]
    assert [start[1] for start in starts if start] == ["two", "three"]
    assert len(lines) == 3


@settings(max_examples=60, deadline=None)
@given(STUDIES, STUDIES, st.sampled_from([*DEFAULTS, "arms"]))
def test_a_study_is_the_same_or_another(one, other, table):
    """The two have all in common but one table."""
    other = {**one, **({table: other[table]} if table in other else {})}
    same = with_defaults(one).get(table) == with_defaults(other).get(table)
    with tempfile.TemporaryDirectory() as folder:
        study._same_study(checked(one), "jax", Path(folder))
        study._same_study(checked(one), "jax", Path(folder))
        if same or table in ("title", "final"):
            study._same_study(checked(other), "jax", Path(folder))
            return
        with pytest.raises(SystemExit) as told:
            study._same_study(checked(other), "jax", Path(folder))
    lines = str(told.value).split("\n", 1)[1]
    assert lines.startswith(f"  {table}")


# Roles and ports.

VARIABLES = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID")


@pytest.fixture
def variables(monkeypatch):
    """`variables(ip, port, name)` sets them, those that are not None."""

    def put(*values):
        for variable, value in zip(VARIABLES, values, strict=True):
            monkeypatch.delenv(variable, raising=False)
            if value is not None:
                monkeypatch.setenv(variable, value)

    return put


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ((None, None, None), None),
        (("127.0.0.1", "8000", "chief"), "chief"),
        (("10.0.0.1", "8000", "the-chief-0"), "chief"),
        (("10.0.0.1", "1", "tuner0"), "worker"),
        (("host", "65535", "Chief"), "worker"),
    ],
)
def test_roles(values, role, variables):
    variables(*values)
    assert cluster.role() == role
    # As Keras Tuner sees it.
    assert distribute.has_chief_oracle() == (role is not None)
    assert distribute.is_chief_oracle() == (role == "chief")


@pytest.mark.parametrize(
    "there", [t for t in itertools.product([True, False], repeat=3) if 0 < sum(t) < 3]
)
@pytest.mark.parametrize("other", [None, ""], ids=["absent", "empty"])
def test_some_variables_are_not_enough(there, other, variables):
    full = ("127.0.0.1", "8000", "tuner0")
    variables(*(value if given else other for value, given in zip(full, there, strict=True)))
    pairs = list(zip(VARIABLES, there, strict=True))
    named, missing = (", ".join(v for v, t in pairs if t is which) for which in (True, False))
    with pytest.raises(SystemExit, match=f"^{named} set, but not {missing}\\.$"):
        cluster.role()


@pytest.mark.parametrize("port", ["http", "-1", "80.5", "0x50", "8000 ", "0", "70000"])
def test_a_port_must_be_one(port, variables):
    variables("127.0.0.1", port, "tuner0")
    told = f"KERASTUNER_ORACLE_PORT must be a port's number, not {port!r}"
    with pytest.raises(SystemExit, match=re.escape(told)):
        cluster.role()


@pytest.mark.parametrize("empty", [("", None, None), ("", "", "")], ids=["address", "all"])
def test_a_role_is_what_keras_tuner_takes_it_for(empty, variables):
    variables(*empty)
    assert cluster.role() is None
    assert not distribute.has_chief_oracle()


def test_each_arm_has_a_port(variables, capsys):
    variables("127.0.0.1", "8000", "tuner0")
    for place in range(3):
        with cluster.arm(place):
            assert os.environ["KERASTUNER_ORACLE_PORT"] == str(8000 + place)
            print("what Keras Tuner prints")
        assert os.environ["KERASTUNER_ORACLE_PORT"] == "8000"
    variables(None, None, None)
    with cluster.arm(2):
        assert "KERASTUNER_ORACLE_PORT" not in os.environ
        print("on one machine")
    assert capsys.readouterr().out == "on one machine\n"


def test_an_arm_that_is_left_by_an_error_gives_its_port_back(variables):
    variables("127.0.0.1", "8000", "tuner0")
    with pytest.raises(ZeroDivisionError), cluster.arm(2):
        1 / 0  # noqa: B018
    assert os.environ["KERASTUNER_ORACLE_PORT"] == "8000"


def test_no_chief_answers(variables, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.01)
    port = launch.free_ports("127.0.0.1", 2)
    variables("127.0.0.1", str(port), "tuner0")
    told = f"No chief answers at 127.0.0.1, ports {port + 1} to {port + 1}, for 0.01 seconds."
    with pytest.raises(SystemExit, match=re.escape(told)):
        cluster.open_arm(1, 2)


@pytest.mark.parametrize("count", [1, 5])
def test_free_ports_are_free(count):
    port = launch.free_ports("127.0.0.1", count)
    assert 1024 <= port <= 65535 - count
    for place in range(port, port + count):
        with socket.socket() as each:
            each.bind(("127.0.0.1", place))


def test_ports_are_free_one_after_the_other(monkeypatch):
    offered = iter([65533, 5000, 6000, 7000])
    tried = []

    class Socket:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def bind(self, address):
            tried.append(address[1])
            if address[1] in (5002, 6000):
                raise OSError("in use")

        def getsockname(self):
            return "127.0.0.1", next(offered)

    monkeypatch.setattr(launch.socket, "socket", Socket)
    assert launch.free_ports("127.0.0.1", 3) == 7000
    assert tried == [0, 0, 5000, 5001, 5002, 0, 6000, 0, 7000, 7001, 7002]


# The data.


def of_data(name="digits", kind="dense", **others):
    table = {"name": str(name), **others}
    return checked({**WHOLE, "data": table, "model": {"kind": kind}})


def rows(count, classes=3, start=0):
    """Examples that all differ, and their classes, which can be read off them."""
    number = np.arange(start, start + count)
    return np.stack([number, number % classes], axis=1) / 1.0, number % classes


def saved(folder, train, test, **others):
    file = Path(folder, "own.npz")
    arrays = {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}
    np.savez(file, **{**arrays, **others})
    return file


def equal(one, other):
    np.testing.assert_equal(one.y, other.y)
    for a, b in zip(one.x, other.x, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "shape"), [("dense", (8, 8, 1)), ("recurrent", (8, 8))])
def test_digits_are_split_the_same_way_each_time(kind, shape):
    parts, again = (data.load(of_data(kind=kind)) for _ in range(2))
    for one, other in zip(
        (parts.train, parts.validation, parts.test), (again.train, again.validation, again.test),
        strict=True,
    ):  # fmt: skip
        equal(one, other)
        assert [x.shape[1:] for x in one.x] == [shape]
        assert one.inputs is one.x[0]
    assert [len(part.y) for part in (parts.train, parts.validation, parts.test)] == [1149, 288, 360]
    assert parts.classes == 10
    assert parts.origin == "scikit-learn's digits"
    shares = [np.bincount(part.y) / len(part.y) for part in (parts.train, parts.validation)]
    np.testing.assert_allclose(shares[0], shares[1], atol=1.5 / 288)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5),
    st.integers(4, 60),
    st.floats(0.25, 0.75),
    st.one_of(st.none(), st.integers(60, 300)),
)
def test_a_split_loses_nothing_and_mixes_nothing(classes, each, share, examples):
    count = classes * each
    with tempfile.TemporaryDirectory() as folder:
        file = saved(folder, rows(count, classes), rows(7, classes, start=1000))
        own = {} if examples is None else {"examples": examples}
        parts = data.load(of_data(file, validation=share, **own))
    used = min(count, examples or count)
    numbers = [part.x[0][:, 0].astype(int) for part in (parts.train, parts.validation)]
    assert len(set(np.concatenate(numbers))) == used == sum(map(len, numbers))
    assert set(np.concatenate(numbers)) <= set(range(count))
    assert len(numbers[1]) == math.ceil(share * used)
    assert parts.test.x[0][:, 0].tolist() == list(range(1000, 1007))
    for part in (parts.train, parts.validation, parts.test, parts.both):
        assert part.x[0].dtype == "float32"
        assert part.x[0][:, 1].tolist() == part.y.tolist()
    both = np.concatenate(numbers)
    assert parts.both.x[0][:, 0].tolist() == both.tolist()
    for kind in range(classes):
        there = [np.count_nonzero(part.y == kind) for part in (parts.train, parts.validation)]
        assert there[1] == pytest.approx(share * sum(there), abs=1.5)
    assert parts.classes == classes
    assert parts.origin == str(file)


def test_masks_go_with_their_sequences(tmp_path, monkeypatch):
    lengths = np.arange(40) % 4 + 1
    x = np.where(np.arange(4) < lengths[:, None], 1.0 + lengths[:, None], 0.0)[..., None]
    y = lengths - 1
    np.savez(
        tmp_path / "japanese_vowels.npz",
        x_train=x, y_train=y, length_train=lengths, x_test=x, y_test=y, length_test=lengths,
    )  # fmt: skip
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    parts = data.load(of_data("japanese_vowels", kind="recurrent", validation=0.5))
    for part in (parts.train, parts.validation, parts.test, parts.both):
        sequences, mask = part.x
        assert part.inputs is part.x
        assert mask.dtype == bool
        assert mask.sum(axis=1).tolist() == (part.y + 1).tolist()
        np.testing.assert_array_equal(sequences[..., 0] != 0.0, mask)
    assert len(parts.both.y) == 40


def refused(found):
    with pytest.raises(SystemExit) as told:
        data.load(found)
    return str(told.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("letters", "dense"),
        ("letters", "recurrent"),
        ("japanese_vowels", "dense"),
        ("osu_leaf", "convolution"),
        ("Digits", "convolution"),
        ("", "dense"),
    ],
)
def test_data_that_does_not_go_with_the_model(name, kind):
    allowed = "digits, mnist, fashion_mnist, cifar10, cifar100"
    if kind == "recurrent":
        allowed += ", japanese_vowels, osu_leaf, basic_motions"
    assert refused(of_data(name, kind)) == (
        f"data.name: {name!r} does not go with this kind of model; allowed: {allowed}, "
        "or the path of an .npz"
    )


@pytest.mark.parametrize("others", [{"examples": 5}, {"validation": 0.01}, {"validation": 0.99}])
def test_too_few_for_each_class(others, tmp_path):
    file = saved(tmp_path, rows(30), rows(3))
    assert refused(of_data(file, **others)).startswith("data.validation: ")


X, Y = rows(30)


def one_array(file):
    with file.open("wb") as open_file:
        np.save(open_file, X)


def with_arrays(**others):
    """Another file, with `others` in the place of what is right."""
    return lambda file: saved(file.parent, (X, Y), (X, Y), **others)


WRONG_FILES = {
    "absent": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "text": lambda file: file.write_text("x_train"),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:300]),
    "one array": one_array,
    "no test data": lambda file: np.savez(file, x_train=X, y_train=Y),
    "objects": with_arrays(x_train=np.array([{}] * 30)),
    "words": with_arrays(x_train=np.full((30, 2), "a")),
    "one number": with_arrays(x_train=np.float32(3.0)),
    "too few classes": with_arrays(y_train=Y[1:]),
    "too few test classes": with_arrays(y_test=Y[1:]),
    "test data of another shape": with_arrays(x_test=X[:, :1]),
    "words as classes": with_arrays(y_train=Y.astype(str)),
    "classes from -1": with_arrays(y_train=Y - 1),
    "classes between": with_arrays(y_train=Y + 0.5),
    "classes in columns": with_arrays(y_train=np.eye(3)[Y]),
}


@pytest.mark.parametrize("wrong", list(WRONG_FILES))
def test_a_file_that_is_no_data(wrong, tmp_path):
    file = saved(tmp_path, (X, Y), (X, Y))
    WRONG_FILES[wrong](file)
    told = refused(of_data(file))
    assert told.startswith(f"data.name: {file} ")
    assert "x_train, y_train, x_test, y_test" in told


def test_fewer_examples_are_of_all_classes_too(tmp_path):
    x, y = rows(60)
    order = np.argsort(y, kind="stable")
    file = saved(tmp_path, (x[order], y[order]), rows(3))
    parts = data.load(of_data(file, examples=30))
    assert set(parts.train.y) == set(parts.validation.y) == {0, 1, 2}


# What a study says in the end.

ACCURACIES = st.lists(st.integers(0, 360).map(lambda right: right / 360), min_size=1, max_size=8)


@given(ACCURACIES)
def test_summaries(accuracies):
    mean, *spread = map(float, trials.summary(accuracies).split(" ± "))
    assert mean == pytest.approx(statistics.mean(accuracies), abs=6e-5)
    assert len(spread) == (len(accuracies) > 1)
    if spread:
        assert spread[0] == pytest.approx(statistics.stdev(accuracies), abs=6e-5)


def test_a_summary_has_four_places():
    assert trials.summary([0.9]) == "0.9000"
    assert trials.summary([0.5, 0.7]) == "0.6000 ± 0.1414"


@given(ACCURACIES, ACCURACIES)
@example([0.9, 0.9, 0.9], [0.8, 0.8])
@example([0.9, 0.9], [0.8, 0.85, 0.9])
@example([0.9], [0.8, 0.85])
def test_differences(one, other):
    """By the formulas of Welch and Satterthwaite."""
    found = report._difference(one, other)
    shape = re.fullmatch(r"([+-]\d\.\d{4})(?: \(([+-]\d\.\d{4}) to ([+-]\d\.\d{4})\))?", found)
    assert shape, found
    mean = statistics.mean(one) - statistics.mean(other)
    assert float(shape[1]) == pytest.approx(mean, abs=6e-5)
    parts = [statistics.variance(x) / len(x) if len(x) > 1 else math.nan for x in (one, other)]
    if not sum(parts) > 0.0:
        assert shape[2] is None
        return
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(x) - 1) for part, x in zip(parts, (one, other), strict=True)
    )
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert [float(shape[2]), float(shape[3])] == pytest.approx([mean - half, mean + half], abs=6e-5)


def test_a_difference_has_a_sign():
    assert report._difference([0.75], [0.5]) == "+0.2500"
    assert report._difference([0.5, 0.5], [0.75, 0.75]) == "-0.2500"
    # Of the same spread and number it is Student's: 2.7764 is that of 4 degrees of freedom.
    half = 2.7764451 * math.sqrt(2 * 0.01 / 3)
    assert report._difference([0.4, 0.5, 0.6], [0.3, 0.4, 0.5]) == (
        f"+0.1000 ({0.1 - half:+.4f} to {0.1 + half:+.4f})"
    )
