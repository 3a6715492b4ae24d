"""What the best values of an arm are worth: new trainings, and a test."""

from pathlib import Path
from typing import Any

import keras
from tqdm import tqdm

from examples import durable
from tuning import config, models
from tuning.tuner import Tuner, fit

FIRST_SEED = 1000
"""Trials have the seeds from 0 on: those that were chosen by may have been lucky."""


def test(study: config.Study, name: str, tuner: Tuner, folder: Path) -> list[dict[str, Any]]:
    """Trains the best values of an arm from new seeds, on all but the test data.

    Returns the history of each training, with its test accuracy and what its
    activations' parameters became. What is done already is not done again.
    """
    (best,) = tuner.get_best_hyperparameters()
    place = folder / config.folder_name(name) / "final"
    place.mkdir(exist_ok=True)
    found = []
    for seed in tqdm(
        range(FIRST_SEED, FIRST_SEED + study.final.seeds),
        desc=f"{name}, best values",
        unit="training",
        dynamic_ncols=True,
    ):
        file = place / f"seed_{seed}.json"
        if not file.exists():
            durable.write(file, _train(study, tuner, best, seed))
        found.append(durable.read(file))
    return found


def _train(study, tuner, values, seed):
    keras.utils.clear_session(free_memory=True)
    keras.utils.set_random_seed(seed)
    model = tuner.hypermodel.build(values.copy())
    parts = tuner.parts
    history = fit(model, parts.both, parts.test, study, study.training.epochs)
    learned = [
        {w.path.split("/")[-1]: keras.ops.convert_to_numpy(w).tolist() for w in layer.weights}
        for layer in models.activations_of(model)
    ]
    # The last epoch's: the best one would be chosen by the test.
    return {**history, "test_accuracy": history["val_accuracy"][-1], "learned": learned}
