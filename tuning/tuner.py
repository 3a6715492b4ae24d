"""The tuner: a trial is a training from each of several seeds, and all of them are kept."""

import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import keras
from keras_tuner.errors import FailedTrialError, FatalError

from examples import durable
from examples.runs import restore
from tuning import config, models, oracles
from tuning._keras_tuner_compat import BaseTuner
from tuning.data import Part, Parts

ATTEMPTS = 10
"""How often a trial is begun before it counts as one that kills its process."""


class Tuner(BaseTuner):
    """One arm of a study.

    A trial's folder has, beside what Keras Tuner puts there, for each seed the history
    (`seed_0.json`) and the weights after the best epoch (`seed_0.weights.h5`), those of the
    best seed as `checkpoint.weights.h5` for `get_best_models()`, and the reason of a
    failure (`failure.txt`). A trial that was cut goes on at the seed that was cut.
    """

    def __init__(self, oracle: Any, study: config.Study, name: str, parts: Parts, folder: Path):
        self.study, self.arm, self.parts = study, study.arms[name], parts
        super().__init__(
            oracle=oracle,
            hypermodel=lambda hp: models.build(hp, study, self.arm, parts),
            directory=folder,
            project_name=config.folder_name(name),
        )
        self._idle = False
        # Without this file nothing would be resumed.
        self.save()

    def pre_create_trial(self) -> None:
        # Keras Tuner asks again and again where there is nothing to do yet.
        if self._idle:
            time.sleep(0.5)
        self._idle = True

    def on_trial_begin(self, trial: Any) -> None:
        self._idle = False

    def on_trial_end(self, trial: Any) -> None:
        if self.is_worker() and "RpcError" in (trial.message or ""):
            raise ConnectionError("the chief went away")
        super().on_trial_end(trial)

    def load_model(self, trial: Any) -> keras.Model:
        keras.utils.clear_session()
        model = self._built(trial)
        restore(model, self.checkpoint(trial.trial_id))
        return model

    def _built(self, trial: Any) -> keras.Model:
        model = self.hypermodel.build(trial.hyperparameters)
        if not model.built:
            raise FailedTrialError("the model must know its input: begin it with keras.Input")
        return model

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        folder = Path(self.get_trial_dir(trial.trial_id))
        attempts = folder / "attempts.txt"
        try:
            _count_attempts(attempts)
            return self._trained(trial, folder)
        except KeyboardInterrupt:
            attempts.unlink(
                missing_ok=True
            )  # interrupted by a person: no sign of a trial that kills
            raise
        except (OSError, MemoryError) as error:
            # Of the machine, not of the trial, which is run again when the study goes on.
            raise FatalError(f"trial {trial.trial_id}: {type(error).__name__}: {error}") from error
        except Exception as error:
            # A worker has no other way to tell the chief.
            (folder / "failure.txt").write_text(f"{type(error).__name__}: {error}\n")
            raise

    def _trained(self, trial: Any, folder: Path) -> list[dict[str, float]]:
        values = trial.hyperparameters.values
        epochs = values.get("tuner/epochs", self.study.training.epochs)
        found = []
        for seed in range(self.study.training.seeds):
            result = folder / f"seed_{seed}.json"
            of = {"values": values, "epochs": epochs, "backend": keras.backend.backend()}
            history = durable.read(result) if result.exists() else {}
            if history.get("of") != of:
                keras.utils.clear_session(free_memory=True)
                keras.utils.set_random_seed(seed)
                model = self._built(trial)
                weights = folder / f"seed_{seed}.weights.h5"
                begun = 0
                if "tuner/trial_id" in values:
                    # Of Hyperband: the trial that this one goes on with, if it is here.
                    before = Path(self.get_trial_dir(values["tuner/trial_id"]), weights.name)
                    if before.exists():
                        restore(model, before)
                        begun = values["tuner/initial_epoch"]
                history = {**self._fit(model, weights, begun, epochs), "of": of}
                durable.write(result, history)
            found.append(history)
        scores = [max(history["val_accuracy"]) for history in found]
        for seed, history in enumerate(found):
            if not all(map(math.isfinite, history["loss"])):
                raise FailedTrialError(f"the loss of seed {seed} is not finite: {history['loss']}")
        best = folder / f"seed_{scores.index(max(scores))}.weights.h5"
        shutil.copy(best, self.checkpoint(trial.trial_id))
        return [{oracles.OBJECTIVE: score} for score in scores]

    def _fit(self, model: keras.Model, weights: Path, begun: int, epochs: int) -> dict:
        # Two workers may have the same trial for a while, after the chief was killed.
        own = weights.with_name(f"{self.tuner_id}_{weights.name}")
        keep = keras.callbacks.ModelCheckpoint(
            own, oracles.OBJECTIVE, mode="max", save_best_only=True, save_weights_only=True
        )
        start = time.perf_counter()
        part = self.parts.train
        history = fit(
            model, part, self.parts.validation, self.study, epochs, begun, callbacks=[keep]
        )
        own.replace(weights)
        return {**history, "seconds": time.perf_counter() - start}


def fit(
    model: keras.Model,
    part: Part,
    watched: Part,
    study: config.Study,
    epochs: int,
    begun: int = 0,
    callbacks: list | None = None,
) -> dict[str, list[float]]:
    """Trains a model; the history of its metrics, on `watched` too."""
    found = model.fit(
        part.inputs,
        part.y,
        validation_data=(watched.inputs, watched.y),
        batch_size=study.training.batch_size,
        initial_epoch=begun,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
    )
    return {name: list(map(float, values)) for name, values in found.history.items()}


def _count_attempts(file: Path) -> None:
    with file.open("a") as lines:
        print(time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid(), file=lines)
    count = len(file.read_text().splitlines())
    if count > ATTEMPTS:
        raise FailedTrialError(f"its process ended {count - 1} times in the middle of it")


def results(tuner: Tuner, trial: Any) -> list[dict[str, Any]]:
    """What is kept of each seed of a trial."""
    folder = Path(tuner.get_trial_dir(trial.trial_id))
    files = [folder / f"seed_{seed}.json" for seed in range(tuner.study.training.seeds)]
    return [durable.read(file) for file in files if file.exists()]


def failure(tuner: Tuner, trial: Any) -> str:
    """Why a trial failed."""
    file = Path(tuner.get_trial_dir(trial.trial_id), "failure.txt")
    if file.exists():
        return file.read_text().strip()
    return (trial.message or "no reason is known").strip().splitlines()[-1]
