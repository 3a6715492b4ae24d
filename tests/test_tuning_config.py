"""Schema of a study's TOML file."""

import copy
import math
import re
import tempfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from examples import data
from tests.studies import (
    DEFAULTS,
    STUDIES,
    TABLES,
    TEXTS,
    TUNERS,
    WHOLE,
    check_refusal,
    refusal,
    sorted_json,
    with_defaults,
    with_value,
    written,
)
from tuning import config

pytestmark = pytest.mark.once


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


@pytest.mark.parametrize("kind", ["dense", "convolution", "recurrent"])
def test_the_data_set_must_be_of_the_kind_of_the_model(kind, tmp_path):
    allowed = data.names(data.ClassificationSet if kind == "recurrent" else data.ImageSet)
    for name in allowed:
        content = {**WHOLE, "data": {"name": name}, "model": {"kind": kind}}
        assert config.load(written(content, tmp_path)).data.name == name
    for name in {"letters", "Digits", "", *data.names(data.DataSet)} - set(allowed):
        content = {**WHOLE, "data": {"name": name}, "model": {"kind": kind}}
        told = f"should be one of {', '.join(allowed)}, or the path of an .npz"
        check_refusal(content, tmp_path, "data.name", told, f"Received: {name!r}")
