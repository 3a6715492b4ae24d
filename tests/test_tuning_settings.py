"""The settings of a study's folder: a changed study is refused."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.studies import DEFAULTS, STUDIES, checked, with_defaults, with_value
from tuning import study

pytestmark = pytest.mark.once


FULL = {
    **DEFAULTS,
    "tuner": {"kind": "random", "trials": 3, "seed": 0},
    "arms": {"one": {"set": {"optimizer": "adam"}}, "two": {}},
}


def test_the_same_study_goes_on(tmp_path):
    for _ in range(3):
        study._check_settings(checked(FULL), "jax", tmp_path)
    told = {**FULL, "title": "Another", "final": {"seeds": 20}}
    study._check_settings(checked(told), "jax", tmp_path)
    # What is a default need not be said, and the order is free.
    short = {
        "arms": {"two": {"layers": "keras"}, "one": {"set": {"optimizer": "adam"}}},
        "tuner": {"trials": 3},
    }
    study._check_settings(checked(short), "jax", tmp_path)


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
    study._check_settings(checked(FULL), "jax", tmp_path)
    other = {**with_value(FULL, key, value), "title": "Another", "final": {"seeds": 20}}
    for _ in range(2):  # being refused changes nothing
        with pytest.raises(SystemExit) as told:
            study._check_settings(checked(other), "jax", tmp_path)
        first, *lines, last = str(told.value).splitlines()
        assert first.startswith(f"{tmp_path} has trials of another study with other settings")
        assert lines == [f"  {line}"]
        assert "--out" in last
    study._check_settings(checked(FULL), "jax", tmp_path)


def test_arms_that_come_and_go_and_another_backend(tmp_path):
    study._check_settings(checked(FULL), "jax", tmp_path)
    other = {**FULL, "arms": {"one": FULL["arms"]["one"], "three": {}}}
    with pytest.raises(SystemExit) as told:
        study._check_settings(checked(other), "torch", tmp_path)
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
        study._check_settings(checked(one), "jax", Path(folder))
        study._check_settings(checked(one), "jax", Path(folder))
        if same or table in ("title", "final"):
            study._check_settings(checked(other), "jax", Path(folder))
            return
        with pytest.raises(SystemExit) as told:
            study._check_settings(checked(other), "jax", Path(folder))
    lines = str(told.value).split("\n", 1)[1]
    assert lines.startswith(f"  {table}")
