"""Search spaces under Optuna."""

import keras
import numpy as np
import optuna
import pytest

from keras_yat import search
from tests import helpers
from tests.helpers import draw
from tests.spaces import EVERY, check_values, plain

pytestmark = pytest.mark.once

optuna.logging.set_verbosity(optuna.logging.WARNING)


def study(**settings):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **settings)


@pytest.mark.parametrize("name", EVERY)
def test_each_space(name):
    """The configuration has the sampled values, and a finished trial builds it again."""
    built = []

    def objective(trial):
        hp = search.from_optuna(trial)
        built.append(EVERY[name](hp, name="space"))
        assert hp.values == trial.params
        # Hyperparameters of options that are not chosen are no part of the trial.
        for path in hp.values:
            for parent, chosen in hp.values.items():
                if path.startswith(f"{parent}/") and isinstance(chosen, str):
                    assert path.startswith(f"{parent}/{chosen}")
        check_values(built[-1], hp.values, "space")
        return float(len(built))

    found = study()
    found.optimize(objective, n_trials=4)
    for layer, trial in zip(built, found.trials, strict=True):
        for again in (trial, optuna.trial.FixedTrial(trial.params)):
            hp = search.from_optuna(again)
            copy = EVERY[name](hp, name="space")
            assert type(copy) is type(layer)
            assert plain(copy.get_config()) == plain(layer.get_config())
            assert hp.values == trial.params


def test_a_study_of_models():
    x, y = draw((32, 6)), draw((32, 2), 1)

    def build(hp):
        hidden = search.yat_dense(hp, hp.Int("units", 2, 8, sampling="log"))
        model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(2)])
        model.compile(search.optimizer(hp), "mse")
        return model

    def objective(trial):
        model = build(search.from_optuna(trial))
        return model.fit(x, y, verbose=0).history["loss"][-1]

    found = study(direction="minimize")
    found.optimize(objective, n_trials=3)
    assert np.isfinite(found.best_value)
    best = build(search.from_optuna(found.best_trial))
    assert best.layers[0].units == found.best_params["units"]


def test_scopes():
    hp = search.from_optuna(optuna.trial.FixedTrial({"kind": "b", "size": 3, "flag": True}))
    assert hp.Choice("kind", ["a", "b"]) == "b"
    with hp.conditional_scope("kind", ["a"]):
        assert hp.Boolean("flag") is None
        assert hp.Fixed("constant", 1) is None
        with hp.conditional_scope("kind", "b"):
            assert hp.Int("size", 1, 5) is None
    with hp.conditional_scope("kind", "b"):
        assert hp.Int("size", 1, 5) == 3
        assert hp.Boolean("flag") is True
        assert hp.Fixed("constant", 1) == 1
    assert hp.values == {"kind": "b", "size": 3, "flag": True, "constant": 1}
    assert hp.get("size") == 3


@pytest.mark.parametrize("trial", [None, {"epsilon": 1.0}, optuna.create_study()], ids=type)
def test_refuses_other_objects(trial):
    with pytest.raises(ValueError, match="`trial` must be an Optuna trial"):
        search.from_optuna(trial)


def test_optuna_is_not_imported():
    code = "import sys, keras_yat; sys.exit('optuna' in sys.modules)"
    assert helpers.run("-c", code).returncode == 0


def test_ray_tune_declares_a_space_and_gets_values():
    """As `ray.tune.search.optuna.OptunaSearch` does: a function of a trial, then values."""
    declared = study()
    trial = declared.ask()
    search.activation(search.from_optuna(trial), "hidden")
    again = optuna.trial.FixedTrial(trial.params)
    assert isinstance(search.activation(search.from_optuna(again), "hidden"), keras.Operation)
