"""The final test of each arm: new trainings with the best values."""

from pathlib import Path
from typing import Any

import keras
from pydantic import ConfigDict, with_config
from tqdm import tqdm
from typing_extensions import TypedDict

from examples import durable
from tuning import config, models
from tuning.tuner import Tuner, fit

FIRST_SEED = 1000
"""Trials use the seeds from 0. New seeds avoid the selection bias of the best trial."""


@with_config(ConfigDict(extra="allow"))
class Tested(TypedDict):
    """The content of the files."""

    of: str
    test_accuracy: float
    val_accuracy: list[float]
    learned: list[dict[str, Any]]


def test(study: config.Study, name: str, tuner: Tuner, folder: Path) -> list[dict[str, Any]]:
    """Trains the best values of an arm from new seeds, on training and validation data.

    Finished trainings are not repeated.

    Returns:
        The history of each training, with the test accuracy and the learned activation
        parameters.
    """
    (trial,) = tuner.oracle.get_best_trials()
    mark = f"{tuner.mark(trial)}, final"
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
        history = _read(file, mark)
        if history is None:
            history = {**_train(study, tuner, trial.hyperparameters, seed), "of": mark}
            durable.write(file, history)
        found.append(history)
    return found


def _read(file: Path, mark: str) -> dict[str, Any] | None:
    """A finished training, or None if it is to be done."""
    if not file.exists():
        return None
    try:
        return durable.read(file, Tested, mark)
    except durable.Damaged as damage:
        durable.report(f"{damage.what} It is trained again.")
        return None


def _train(study, tuner, values, seed):
    keras.utils.clear_session(free_memory=True)
    keras.utils.set_random_seed(seed)
    model = tuner.hypermodel.build(values.copy())
    splits = tuner.splits
    history = fit(model, splits.train_and_validation, splits.test, study, study.training.epochs)
    learned = [
        {w.path.split("/")[-1]: keras.ops.convert_to_numpy(w).tolist() for w in layer.weights}
        for layer in models.activations_of(model)
    ]
    # Of the last epoch: the best epoch would be selected on the test data.
    return {**history, "test_accuracy": history["val_accuracy"][-1], "learned": learned}
