"""Conditional hyperparameters: those of an option exist only with that option."""

import keras_tuner
import pytest

from tests.spaces import (
    CASES,
    EACH_CALL,
    EVERY,
    assigned,
    declared,
    names_of,
)

pytestmark = pytest.mark.once


def of_chosen(names, values):
    """The `names` whose options are all chosen in `values`."""

    def fits(name):
        parts = name.split("/")
        above = ["/".join(parts[:i]) for i in range(1, len(parts))]
        return all(a not in names or values.get(a) == parts[i + 1] for i, a in enumerate(above))

    return {name for name in names if fits(name)}


@EACH_CALL
def test_a_trial_has_hyperparameters_of_chosen_options_only(name):
    hp, trials = declared(EVERY[name]), 200
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=trials, seed=1)
    oracle.update_space(hp)
    seen = {}
    for trial in range(trials):
        values = oracle.populate_space(str(trial))["values"]
        assert values.keys() == of_chosen(names_of(hp), values)
        for n, value in values.items():
            seen.setdefault(n, set()).add(value)
    # Every hyperparameter was sampled at least once.
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
                "default": set(),
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
def test_hyperparameters_of_each_option(name, path, expected):
    for label, behind in expected.items():
        hp = declared(EVERY[name]).copy()
        hp.values[path] = label
        hp.ensure_active_values()
        # A searched alpha may have further hyperparameters.
        found = {n.removeprefix(f"{path}/") for n in hp.values if n.startswith(f"{path}/")}
        assert {n for n in found if "softmax/alpha/" not in n} == behind


def test_constant_is_not_searched_for_a_learned_alpha():
    hp = assigned(CASES["YatDense"], {"yat_dense/alpha": "searched"})
    assert "yat_dense/alpha/constant" not in hp
    assert hp.get("yat_dense/alpha/searched/alpha_initializer/value") == 1.0
