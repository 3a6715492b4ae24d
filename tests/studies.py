"""TOML files of studies, valid and invalid, for the tests of `tuning`."""

import copy
import json
import tomllib
from pathlib import Path

import keras_tuner
import pytest
from hypothesis import strategies as st

from examples import data
from tests.helpers import ROOT
from tuning import config

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
# Valid for each kind of model.
DATA_NAMES = [*data.names(data.ImageSet), "folder/mine.npz"]


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
    """The file, and the message that refuses it."""
    file = written(content, folder)
    with pytest.raises(SystemExit) as told:
        config.load(file)
    return file, str(told.value)


def check_refusal(content, folder, key, *parts):
    """The message is one line: the file, the key, and `parts`."""
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
            name=st.sampled_from(DATA_NAMES),
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


def checked(content):
    """The study of a file's content."""
    return config.Study.model_validate(content)


def drawn(space, seed):
    """A random value for each hyperparameter of `space` that is active."""
    hp = keras_tuner.HyperParameters()
    for place, each in enumerate(space):
        hp.merge([each])
        if hp.is_active(each):
            hp.values[each.name] = each.random_sample(1000 * seed + place)
    return hp
