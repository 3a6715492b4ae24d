"""The tuner: a trial trains a model from each of several seeds and keeps all results."""

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
from tuning.data import Split, Splits

ATTEMPTS = 10
"""Number of starts after which a trial that ends its process counts as failed."""


class Tuner(BaseTuner):
    """One arm of a study.

    In addition to Keras Tuner's files, a trial's folder has the history (`seed_0.json`) and the
    weights after the best epoch (`seed_0.weights.h5`) of each seed, the weights of the best
    seed (`checkpoint.weights.h5`, for `get_best_models()`) and the reason of a failure
    (`failure.txt`). An interrupted trial resumes at the interrupted seed.
    """

    def __init__(self, oracle: Any, study: config.Study, name: str, splits: Splits, folder: Path):
        self.study, self.arm, self.splits = study, study.arms[name], splits
        super().__init__(
            oracle=oracle,
            hypermodel=lambda hp: models.build(hp, study, self.arm, splits),
            directory=folder,
            project_name=config.folder_name(name),
        )
        self._idle = False
        # Keras Tuner resumes only if this file exists.
        self.save()

    def pre_create_trial(self) -> None:
        # Keras Tuner polls without a pause while no trial is available.
        if self._idle:
            time.sleep(0.5)
        self._idle = True

    def on_trial_begin(self, trial: Any) -> None:
        self._idle = False

    def on_trial_end(self, trial: Any) -> None:
        if self.is_worker() and "RpcError" in (trial.message or ""):
            raise ConnectionError("the connection to the chief was lost")
        super().on_trial_end(trial)

    def load_model(self, trial: Any) -> keras.Model:
        keras.utils.clear_session()
        model = self._built(trial)
        restore(model, self.checkpoint(trial.trial_id))
        return model

    def _built(self, trial: Any) -> keras.Model:
        model = self.hypermodel.build(trial.hyperparameters)
        if not model.built:
            raise FailedTrialError("the model must be built: begin it with keras.Input")
        return model

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        folder = Path(self.get_trial_dir(trial.trial_id))
        attempts = folder / "attempts.txt"
        try:
            _count_attempts(attempts)
            return self._trained(trial, folder)
        except KeyboardInterrupt:
            attempts.unlink(missing_ok=True)  # interrupted by the user, not by the trial
            raise
        except (OSError, MemoryError) as error:
            # An error of the machine, not of the trial: the trial is repeated on resuming.
            raise FatalError(f"trial {trial.trial_id}: {type(error).__name__}: {error}") from error
        except Exception as error:
            # The only way for a worker to report the reason to the chief.
            (folder / "failure.txt").write_text(f"{type(error).__name__}: {error}\n")
            raise

    def _trained(self, trial: Any, folder: Path) -> list[dict[str, float]]:
        values = trial.hyperparameters.values
        epochs = values.get("tuner/epochs", self.study.training.epochs)
        found = []
        for seed in range(self.study.training.seeds):
            result = folder / f"seed_{seed}.json"
            settings = {"values": values, "epochs": epochs, "backend": keras.backend.backend()}
            history = durable.read(result) if result.exists() else {}
            if history.get("of") != settings:
                keras.utils.clear_session(free_memory=True)
                keras.utils.set_random_seed(seed)
                model = self._built(trial)
                weights = folder / f"seed_{seed}.weights.h5"
                begun = 0
                if "tuner/trial_id" in values:
                    # Hyperband: the trial whose training this one continues, if it is here.
                    before = Path(self.get_trial_dir(values["tuner/trial_id"]), weights.name)
                    if before.exists():
                        restore(model, before)
                        begun = values["tuner/initial_epoch"]
                history = {**self._fit(model, weights, begun, epochs), "of": settings}
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
        # After the chief was killed two workers may run the same trial for a while.
        own = weights.with_name(f"{self.tuner_id}_{weights.name}")
        keep = keras.callbacks.ModelCheckpoint(
            own, oracles.OBJECTIVE, mode="max", save_best_only=True, save_weights_only=True
        )
        start = time.perf_counter()
        history = fit(
            model,
            self.splits.train,
            self.splits.validation,
            self.study,
            epochs,
            begun,
            callbacks=[keep],
        )
        own.replace(weights)
        return {**history, "seconds": time.perf_counter() - start}


def fit(
    model: keras.Model,
    split: Split,
    validation: Split,
    study: config.Study,
    epochs: int,
    begun: int = 0,
    callbacks: list | None = None,
) -> dict[str, list[float]]:
    """Trains a model on a split; returns the history of training and validation metrics."""
    found = model.fit(
        split.inputs,
        split.y,
        validation_data=(validation.inputs, validation.y),
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
        raise FailedTrialError(f"its process ended {count - 1} times during the trial")


def results(tuner: Tuner, trial: Any) -> list[dict[str, Any]]:
    """The saved histories of a trial, one for each seed."""
    folder = Path(tuner.get_trial_dir(trial.trial_id))
    files = [folder / f"seed_{seed}.json" for seed in range(tuner.study.training.seeds)]
    return [durable.read(file) for file in files if file.exists()]


def failure(tuner: Tuner, trial: Any) -> str:
    """The reason of a trial's failure."""
    file = Path(tuner.get_trial_dir(trial.trial_id), "failure.txt")
    if file.exists():
        return file.read_text().strip()
    return (trial.message or "unknown reason").strip().splitlines()[-1]
