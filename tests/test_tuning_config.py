"""What the TOML file of a study may say."""

import copy
import json
import math
import re
import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.helpers import ROOT
from tuning import config

pytestmark = pytest.mark.once

FILES = sorted((ROOT / "tuning" / "configs").glob("*.toml"))
ARMS = [(file, arm) for file in FILES for arm in tomllib.loads(file.read_text())["arms"]]

TUNERS = ("random", "bayesian", "hyperband", "grid")
CELLS = ("lstm", "gru", "simple_rnn")
OPTIMIZERS = ("adam", "adamw", "rmsprop", "sgd")
# As in tuning/README.md.
ARM = {
    "layers": "keras",
    "activation": None,
    "cells": ["lstm", "gru"],
    "optimizer": ["adam"],
    "per_channel": False,
    "search_bounds": False,
    "search_trainable": False,
    "hold": [],
    "set": {},
    "build": None,
}
DEFAULTS = {
    "title": "",
    "data": {"name": "digits", "validation": 0.2, "examples": None},
    "model": {"kind": "dense", "units": [64, 64]},
    "training": {"epochs": 10, "batch_size": 32, "seeds": 1},
    "tuner": {"kind": "random", "trials": None, "seed": 0, "factor": 3, "iterations": 1},
    "final": {"seeds": 3},
}
TABLES = {(): [*DEFAULTS, "arms"], ("arms", "one"): list(ARM)}
TABLES |= {(name,): list(table) for name, table in DEFAULTS.items() if name != "title"}
WHOLE = {"tuner": {"trials": 3}, "arms": {"one": {}}}


# Files as a person may write them.


def toml(value):
    """A value as TOML has it, tables in line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(key)} = {toml(each)}' for key, each in value.items())}}}"
    return repr(value)


def written(content, folder):
    file = Path(folder, "study.toml")
    lines = [f"{toml(key)} = {toml(value)}\n" for key, value in content.items()]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def with_value(content, key, value):
    """`content` with `value` at the dotted `key`."""
    content = copy.deepcopy(content)
    *place, last = key.split(".")
    table = content
    for part in place:
        table = table.setdefault(part, {})
    table[last] = value
    return content


def refusal(content, folder):
    """The file, and what is told of it."""
    file = written(content, folder)
    with pytest.raises(SystemExit) as told:
        config.load(file)
    return file, str(told.value)


def check_refusal(content, folder, key, *parts):
    """One line is told: the file, the key, and `parts`."""
    file, told = refusal(content, folder)
    assert told.startswith(f"{file}: {key}: "), told
    for part in parts:
        assert part in told
    assert len(told.splitlines()) == 1, told


COUNTS = st.integers(1, 10**6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS
)


def some(**fields):
    """Tables with some of the fields, in any order."""
    tables = st.fixed_dictionaries({}, optional=fields)
    return tables.flatmap(lambda table: st.permutations(list(table.items()))).map(dict)


def one_or_more(*names):
    return st.lists(st.sampled_from(names), min_size=1, max_size=4)


TUNED = st.one_of(
    some(kind=st.sampled_from(["random", "bayesian", "grid"]), seed=st.integers(0, 10**6)).flatmap(
        lambda table: COUNTS.map(lambda trials: {**table, "trials": trials})
    ),
    some(seed=st.integers(0, 10**6), factor=st.integers(2, 9), iterations=COUNTS).map(
        lambda table: {"kind": "hyperband", **table}
    ),
)
ONE_ARM = some(
    layers=st.sampled_from(["keras", "yat"]),
    activation=st.lists(TEXTS, min_size=1, max_size=3),
    cells=one_or_more(*CELLS),
    optimizer=one_or_more(*OPTIMIZERS),
    per_channel=st.booleans(),
    search_bounds=st.booleans(),
    search_trainable=st.booleans(),
    hold=st.lists(TEXTS, max_size=3),
    set=st.dictionaries(TEXTS, VALUES, max_size=3),
    build=st.from_regex(r"[a-z_]+(\.[a-z_]+)*:[a-z_]+", fullmatch=True),
)
STUDIES = st.builds(
    lambda table, tuner, arms: {**table, "tuner": tuner, "arms": arms},
    some(
        title=TEXTS,
        data=some(
            name=TEXTS,
            validation=st.floats(0.0, 1.0, exclude_min=True, exclude_max=True),
            examples=COUNTS,
        ),
        model=some(
            kind=st.sampled_from(["dense", "convolution", "recurrent"]),
            units=st.lists(COUNTS, min_size=1, max_size=4),
        ),
        training=some(epochs=COUNTS, batch_size=COUNTS, seeds=COUNTS),
        final=some(seeds=COUNTS),
    ),
    TUNED,
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,9}", fullmatch=True),
        ONE_ARM,
        min_size=1,
        max_size=3,
    ).filter(lambda arms: len({name.replace(" ", "_") for name in arms}) == len(arms)),
)


def with_defaults(content):
    """All that a study of such a file has."""
    found = copy.deepcopy(DEFAULTS)
    for name, table in content.items():
        if name == "arms":
            found[name] = {arm: {**ARM, **given} for arm, given in table.items()}
        else:
            found[name] = {**found[name], **table} if isinstance(table, dict) else table
    return found


def sorted_json(content):
    """Text by which 1, 1.0 and True differ."""
    return json.dumps(content, sort_keys=True)


@settings(max_examples=80, deadline=None)
@given(STUDIES)
def test_a_file_is_what_it_says(content):
    with tempfile.TemporaryDirectory() as folder:
        loaded = config.load(written(content, folder))
    assert sorted_json(loaded.model_dump()) == sorted_json(with_defaults(content))
    assert list(loaded.arms) == list(content["arms"])


def check_unknown(content, place, key, folder):
    """It is refused in the table at `place`, with all that is allowed there."""
    allowed = TABLES[("arms", "one") if len(place) == 2 else place]
    wrong = copy.deepcopy(content)
    table = wrong
    for part in place:
        table = table.setdefault(part, {})
    table[key] = 1
    file, told = refusal(wrong, folder)
    assert told.startswith(f"{file}: {'.'.join([*place, key])}: unknown key"), told
    assert told.endswith(f"; allowed: {', '.join(allowed)}"), told


@settings(max_examples=80, deadline=None)
@given(STUDIES, st.sampled_from(list(TABLES)), st.integers(0, 2), TEXTS)
def test_an_unknown_key_is_refused_wherever_it_is(content, place, number, key):
    assume(key not in TABLES[place])
    if place == ("arms", "one"):
        names = list(content["arms"])
        place = ("arms", names[number % len(names)])
    with tempfile.TemporaryDirectory() as folder:
        check_unknown(content, place, key, folder)


@pytest.mark.parametrize("key", ["", " ", "a.b", "arms", "one", "model", "[key]", "Seeds"])
def test_an_unknown_key_like_another(key, tmp_path):
    for place, allowed in TABLES.items():
        if key not in allowed:
            check_unknown(WHOLE, place, key, tmp_path)


@pytest.mark.parametrize("place", list(TABLES), ids=[".".join(p) or "file" for p in TABLES])
def test_a_near_name_is_suggested(place, tmp_path):
    for name in TABLES[place]:
        key = ".".join([*place, name + name[-1]])
        check_refusal(
            with_value(WHOLE, key, 1), tmp_path, key, f"unknown key (did you mean {name}?); "
        )


def test_no_name_is_suggested_where_none_is_near(tmp_path):
    _, told = refusal({**WHOLE, "colour": "blue"}, tmp_path)
    assert "colour: unknown key; allowed: title, data, model" in told


WRONG_TYPES = [
    ("title", "valid string", [3, True, ["a"]]),
    *((name, "valid dictionary", ["a", 3, [1]]) for name in DEFAULTS if name != "title"),
    ("arms", "valid dictionary", ["a", [{}]]),
    ("arms.one", "valid dictionary", ["a", 3, []]),
    ("data.name", "valid string", [3, {}]),
    ("data.validation", "", ["0.3", True, [0.2]]),
    ("data.examples", "valid integer", [150.0, "150", True]),
    ("model.kind", "'dense', 'convolution' or 'recurrent'", ["conv", 3, ["dense"]]),
    ("model.units", "valid list", [64, "64", {}]),
    ("training.epochs", "valid integer", [2.0, "2", True, [2]]),
    ("training.batch_size", "valid integer", [2.0, False]),
    ("training.seeds", "valid integer", [2.5, "two"]),
    ("tuner.kind", "'random', 'bayesian', 'hyperband' or 'grid'", ["Random", 1]),
    ("tuner.trials", "valid integer", [3.0, "3", True]),
    ("tuner.seed", "valid integer", [0.0, "0", False]),
    ("tuner.factor", "valid integer", [3.0, "3"]),
    ("tuner.iterations", "valid integer", [1.0, True]),
    ("final.seeds", "valid integer", [3.0, "3", True]),
    ("arms.one.layers", "'keras' or 'yat'", ["Yat", True]),
    ("arms.one.activation", "valid list", ["relu", 3]),
    ("arms.one.cells", "valid list", ["lstm", {}]),
    ("arms.one.optimizer", "valid list", ["adam", 3]),
    ("arms.one.per_channel", "valid boolean", ["yes", 1, 0.0, "false"]),
    ("arms.one.search_bounds", "valid boolean", ["on", 0]),
    ("arms.one.search_trainable", "valid boolean", ["true", 1.0]),
    ("arms.one.hold", "valid list", ["activation/*", True]),
    ("arms.one.set", "valid dictionary", ["activation", [1]]),
    ("arms.one.build", "valid string", [3, ["a:b"]]),
]


@pytest.mark.parametrize(
    ("key", "allowed", "values"), WRONG_TYPES, ids=[row[0] for row in WRONG_TYPES]
)
def test_a_value_of_another_type_is_refused(key, allowed, values, tmp_path):
    for value in values:
        content = with_value(WHOLE, key, value)
        check_refusal(content, tmp_path, key, allowed, f"Received: {value!r}")


@pytest.mark.parametrize(
    ("key", "list_of", "place", "allowed"),
    [
        ("model.units", [64, "64"], 1, "valid integer"),
        ("model.units", [64.0], 0, "valid integer"),
        ("model.units", [8, 8, 0], 2, "greater than or equal to 1"),
        ("arms.one.activation", ["relu", 3], 1, "valid string"),
        ("arms.one.cells", ["lstm", "LSTM"], 1, "'lstm', 'gru' or 'simple_rnn'"),
        ("arms.one.optimizer", ["lion"], 0, "'adam', 'adamw', 'rmsprop' or 'sgd'"),
        ("arms.one.hold", ["a", "b", False], 2, "valid string"),
    ],
)
def test_a_wrong_item_of_a_list_is_told_with_its_place(key, list_of, place, allowed, tmp_path):
    received = f"Received: {list_of[place]!r}"
    content = with_value(WHOLE, key, list_of)
    check_refusal(content, tmp_path, f"{key}.{place}", allowed, received)


def test_what_is_set_must_be_one_value(tmp_path):
    content = {**WHOLE, "arms": {"one": {"set": {"optimizer": ["adam"]}}}}
    check_refusal(content, tmp_path, "arms.one.set.optimizer", "Received: ['adam']")


OUT_OF_RANGE = [
    ("data.validation", "greater than 0", [0.0, 0, -0.5]),
    ("data.validation", "less than 1", [1.0, 1, 20, math.inf, math.nan]),
    ("data.examples", "greater than or equal to 1", [0, -3]),
    ("training.epochs", "greater than or equal to 1", [0, -1]),
    ("training.batch_size", "greater than or equal to 1", [0]),
    ("training.seeds", "greater than or equal to 1", [0]),
    ("tuner.trials", "greater than or equal to 1", [0, -1]),
    ("tuner.seed", "greater than or equal to 0", [-1]),
    ("tuner.factor", "greater than or equal to 2", [1, 0]),
    ("tuner.iterations", "greater than or equal to 1", [0]),
    ("final.seeds", "greater than or equal to 1", [0]),
]


@pytest.mark.parametrize(
    ("key", "allowed", "values"), OUT_OF_RANGE, ids=[row[0] for row in OUT_OF_RANGE]
)
def test_a_number_out_of_range_is_refused(key, allowed, values, tmp_path):
    for value in values:
        content = with_value(WHOLE, key, value)
        check_refusal(content, tmp_path, key, allowed, f"Received: {value!r}")


@pytest.mark.parametrize("key", ["model.units", "activation", "cells", "optimizer", "arms"])
def test_where_there_must_be_one_at_least(key, tmp_path):
    key = key if key in ("arms", "model.units") else f"arms.one.{key}"
    nothing = {} if key == "arms" else []
    content = with_value(WHOLE, key, nothing)
    check_refusal(content, tmp_path, key, "at least 1 item", f"Received: {nothing}")


@pytest.mark.parametrize("name", ["", " a", "_a", "a.b", "a/b", "..", "a\nb", "a\n", "ä", "a:b"])
def test_arms_have_names_for_folders(name, tmp_path):
    file, told = refusal({**WHOLE, "arms": {name: {}}}, tmp_path)
    assert told.startswith(f"{file}: arms.{name}: string should match pattern '^[A-Za-z0-9]")
    assert told.endswith(f"Received: {name!r}")


@pytest.mark.parametrize(("one", "other"), [("a b", "a_b"), ("a  b", "a _b"), ("a ", "a_")])
def test_arms_have_folders_of_their_own(one, other, tmp_path):
    check_refusal({**WHOLE, "arms": {one: {}, other: {}}}, tmp_path, "arms", "names must differ")


@pytest.mark.parametrize("build", ["", "module", "module:", ":build", "a:b:c", "a.py: b", "a/b:c"])
def test_a_function_is_named_with_its_module(build, tmp_path):
    content = with_value(WHOLE, "arms.one.build", build)
    check_refusal(content, tmp_path, "arms.one.build", "match pattern", f"Received: {build!r}")


@pytest.mark.parametrize("kind", [None, *TUNERS])
def test_the_budget_goes_with_the_tuner(kind, tmp_path):
    table = {} if kind is None else {"kind": kind}
    of_hyperband = {"factor": 3, "iterations": 1}
    if kind == "hyperband":
        for others in ({}, *({key: value} for key, value in of_hyperband.items()), of_hyperband):
            content = {**WHOLE, "tuner": {**table, **others}}
            assert config.load(written(content, tmp_path)).tuner.kind == kind
        content = {**WHOLE, "tuner": {**table, "trials": 3}}
        check_refusal(content, tmp_path, "tuner.trials", "not with kind = 'hyperband'")
        return
    content = {**WHOLE, "tuner": table}
    needed = f"needed with kind = {kind or 'random'!r}, a whole number from 1"
    check_refusal(content, tmp_path, "tuner.trials", needed)
    for key, value in of_hyperband.items():
        content = {**WHOLE, "tuner": {**table, "trials": 3, key: value}}
        _, told = refusal(content, tmp_path)
        assert f": tuner.{key}" in told or f"and {key}: " in told
        assert "only with kind = 'hyperband'" in told


@pytest.mark.parametrize("missing", [["tuner"], ["arms"], ["tuner", "arms"]])
def test_tables_that_must_be_there(missing, tmp_path):
    content = {name: table for name, table in WHOLE.items() if name not in missing}
    file, told = refusal(content, tmp_path)
    assert told.splitlines() == [f"{file}: {name}: missing" for name in missing]


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    content = {
        "title": 3,
        "data": {"validation": 2.0, "exmples": 3},
        "tuner": {"kind": "simplex"},
        "arms": {"one": {"hodl": []}, "two": {"cells": []}, "a.b": {}},
    }
    file, told = refusal(content, tmp_path)
    lines = told.splitlines()
    keys = {line.removeprefix(f"{file}: ").split(": ")[0] for line in lines}
    assert keys == {
        "title",
        "data.validation",
        "data.exmples",
        "tuner.kind",
        "arms.one.hodl",
        "arms.two.cells",
        "arms.a.b",
    }
    assert len(lines) == len(keys)


def test_a_file_that_is_not_there(tmp_path):
    for file in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SystemExit, match=f"{re.escape(str(file))} could not be read: "):
            config.load(file)


@pytest.mark.parametrize("text", [b"tuner =", b"[a]\n[a]", b"a = 1\na = 2", b"title = '\xff'"])
def test_a_file_that_is_not_toml(text, tmp_path):
    file = tmp_path / "study.toml"
    file.write_bytes(text)
    with pytest.raises(SystemExit, match=f"{re.escape(str(file))} is not TOML: "):
        config.load(file)
