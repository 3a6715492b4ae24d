"""Hyperparameters that are fixed by `hold` and `set`."""

import re

import keras_tuner
import pytest

from keras_yat import search
from tests.studies import drawn
from tuning import config, models

pytestmark = pytest.mark.once


def held(hold=(), values=None):
    hp = keras_tuner.HyperParameters()
    return hp, models.FixingHyperParameters(hp, config.Arm(hold=list(hold), set=values or {}))


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
        assert ask(models.FixingHyperParameters(other, config.Arm(hold=patterns))) == other.values
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
        wrapped = models.FixingHyperParameters(hp, config.Arm(hold=["activation/*/*"]))
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
