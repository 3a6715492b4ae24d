"""The search algorithms of a study."""

from typing import Any

import keras
import keras_tuner

from examples import durable
from tuning import config
from tuning._keras_tuner_compat import Bayesian, Grid, Hyperband, Random

OBJECTIVE = "val_accuracy"


def fingerprint(study: config.Study, arm: str) -> str:
    """Marks the files of an arm: a text that differs for different settings."""
    common = study.model_dump(mode="json", exclude={"title", "final", "arms"})
    own = {"arm": arm, **study.arms[arm].model_dump(mode="json")}
    return durable.fingerprint([keras.backend.backend(), common, own])


def oracle(study: config.Study) -> tuple[Any, int]:
    """The oracle of an arm, and the largest number of its trials."""
    settings: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "seed": study.tuner.seed + 1,  # Keras Tuner treats 0 as no seed
        # Failed trials do not end a study; they are reported at its end.
        "max_consecutive_failed_trials": 10**9,
    }
    found: Any
    if study.tuner.kind == "hyperband":
        found = Hyperband(
            max_epochs=study.training.epochs,
            factor=study.tuner.factor,
            hyperband_iterations=study.tuner.iterations,
            **settings,
        )
        count = found.count()
    else:
        count = study.tuner.trials or 0
        if study.tuner.kind == "bayesian":
            # The default, three per hyperparameter, would be random search only with many of them.
            settings["num_initial_points"] = max(3, count // 4)
        cls = {"random": Random, "bayesian": Bayesian, "grid": Grid}[study.tuner.kind]
        found = cls(max_trials=count, **settings)
    # A progress bar replaces its log.
    found.verbose = 0
    return found, count
