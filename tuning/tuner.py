"""The tuner: a trial trains a model from each of several seeds and keeps all results."""

import contextlib
import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import keras
from keras_tuner.errors import FailedTrialError, FatalError
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from examples import durable
from tuning import cluster, config, models, oracles
from tuning._keras_tuner_compat import REPEATED, BaseTuner
from tuning.data import Split, Splits

ATTEMPTS = 10
"""Number of starts after which a trial that ends its process counts as failed."""


@with_config(ConfigDict(extra="allow"))
class History(TypedDict):
    """The content of seed_N.json: the metrics after each epoch."""

    of: str
    loss: Annotated[list[float], Field(min_length=1)]
    val_accuracy: Annotated[list[float], Field(min_length=1)]


class Tuner(BaseTuner):
    """One arm of a study.

    In addition to Keras Tuner's files, a trial's folder has the history (`seed_0.json`) and the
    weights after the best epoch (`seed_0.weights.h5`) of each seed, the weights of the best
    seed (`checkpoint.weights.h5`, for `get_best_models()`) and the reason of a failure
    (`failure.txt`). An interrupted trial resumes at the interrupted seed.
    """

    def __init__(self, oracle: Any, study: config.Study, name: str, splits: Splits, folder: Path):
        self.study, self.arm, self.splits = study, study.arms[name], splits
        oracle.of = self.of = oracles.fingerprint(study, name)
        super().__init__(
            oracle=oracle,
            hypermodel=lambda hp: models.build(hp, study, self.arm, splits),
            directory=folder,
            project_name=config.folder_name(name),
        )
        self._idle = False
        if not self.is_worker():
            self._repeat_damaged()
        self.save()

    def _repeat_damaged(self) -> None:
        for trial in self.oracle.ended():
            try:
                results(self, trial)
            except durable.Damaged as damage:
                durable.report(f"{damage.what} {REPEATED.format(trial.trial_id)}")
                self.oracle.repeat(trial.trial_id)

    def pre_create_trial(self) -> None:
        cluster.progress()
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
        histories = results(self, trial)
        if not histories:
            raise FileNotFoundError(f"{self.get_trial_dir(trial.trial_id)} has no results")
        keras.utils.clear_session()
        model = self._built(trial)
        copy, (file, mark) = self.checkpoint(trial.trial_id), self._best(trial, histories)
        try:
            durable.load_weights(model, copy, mark)
        except durable.Damaged as damage:
            durable.load_weights(model, file, mark)
            durable.report(f"{damage.what} It is copied again from {file.name}.")
            _copy(file, copy)
        return model

    def _best(self, trial: Any, histories: list[dict]) -> tuple[Path, str]:
        """The weights of the best seed, and their mark."""
        scores = [max(history["val_accuracy"]) for history in histories]
        return self._weights(trial, scores.index(max(scores)))

    def _weights(self, trial: Any, seed: int) -> tuple[Path, str]:
        """The weights of a seed, and their mark."""
        file = Path(self.get_trial_dir(trial.trial_id), f"seed_{seed}.weights.h5")
        return file, f"{self.mark(trial)}, seed {seed}"

    def epochs(self, trial: Any) -> int:
        """The last epoch of a trial: Hyperband has several rounds."""
        return trial.hyperparameters.values.get("tuner/epochs", self.study.training.epochs)

    def mark(self, trial: Any) -> str:
        """The fingerprint of a trial, which marks its results."""
        return durable.fingerprint([self.of, trial.hyperparameters.values, self.epochs(trial)])

    def _built(self, trial: Any) -> keras.Model:
        model = self.hypermodel.build(trial.hyperparameters)
        if not model.built:
            raise FailedTrialError("the model must be built: begin it with keras.Input")
        return model

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        folder = Path(self.get_trial_dir(trial.trial_id))
        try:
            with _attempt(folder / "attempts.txt"):
                return self._reporting(trial, folder)
        except (OSError, MemoryError) as error:
            # An error of the machine, not of the trial: the trial is repeated on resuming.
            raise FatalError(f"trial {trial.trial_id}: {type(error).__name__}: {error}") from error

    def _reporting(self, trial: Any, folder: Path) -> list[dict[str, float]]:
        try:
            return self._trained(trial, folder)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # The only way for a worker to report the reason to the chief.
            (folder / "failure.txt").write_text(f"{type(error).__name__}: {error}\n")
            raise

    def _trained(self, trial: Any, folder: Path) -> list[dict[str, float]]:
        found = [self._of_seed(trial, folder, s) for s in range(self.study.training.seeds)]
        for seed, history in enumerate(found):
            if not all(map(math.isfinite, history["loss"])):
                raise FailedTrialError(f"the loss of seed {seed} is not finite: {history['loss']}")
        _copy(self._best(trial, found)[0], self.checkpoint(trial.trial_id))
        return [{oracles.OBJECTIVE: max(history["val_accuracy"])} for history in found]

    def _of_seed(self, trial: Any, folder: Path, seed: int) -> dict[str, Any]:
        """The history of a seed, which is trained if that is not done."""
        result = folder / f"seed_{seed}.json"
        if result.exists():
            weights, _ = self._weights(trial, seed)
            try:
                with durable.reading(weights):
                    weights.stat()
                return durable.read(result, History, self.mark(trial))
            except durable.Damaged as damage:
                durable.report(f"{damage.what} The seed is trained again.")
        keras.utils.clear_session(free_memory=True)
        keras.utils.set_random_seed(seed)
        history = self._fit(trial, seed, *self._begun(trial, seed))
        durable.write(result, {**history, "of": self.mark(trial)})
        return history

    def _begun(self, trial: Any, seed: int) -> tuple[keras.Model, int]:
        """The model of a trial, and the number of epochs that it is trained for.

        Hyperband continues the training of an earlier trial, if its weights are here.
        """
        model, values = self._built(trial), trial.hyperparameters.values
        if "tuner/trial_id" not in values:
            return model, 0
        file, mark = self._weights(self.oracle.get_trial(values["tuner/trial_id"]), seed)
        if not file.exists():
            return model, 0
        try:
            durable.load_weights(model, file, mark)
        except durable.Damaged as damage:
            durable.report(f"{damage.what} Trial {trial.trial_id} is trained from its start.")
            return self._built(trial), 0
        return model, values["tuner/initial_epoch"]

    def _fit(self, trial: Any, seed: int, model: keras.Model, begun: int) -> dict[str, Any]:
        weights, mark = self._weights(trial, seed)
        # After the chief was killed two workers may run the same trial for a while.
        own = weights.with_name(f"{self.tuner_id}_{weights.name}")
        train, validation = self.splits.train, self.splits.validation
        start = time.perf_counter()
        keep, epochs = _Best(own, mark), self.epochs(trial)
        history = fit(model, train, validation, self.study, epochs, begun, callbacks=[keep])
        own.replace(weights)
        return {**history, "seconds": time.perf_counter() - start}


class _Best(keras.callbacks.Callback):
    """Keeps the weights after the best epoch."""

    def __init__(self, file: Path, mark: str):
        super().__init__()
        self._file, self._mark, self._best = file, mark, -math.inf

    def on_epoch_end(self, epoch, logs=None):
        if not logs[oracles.OBJECTIVE] <= self._best:
            self._best = logs[oracles.OBJECTIVE]
            durable.save_weights(self.model, self._file, self._mark)


class _Progress(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        cluster.progress()

    def on_test_batch_begin(self, batch, logs=None):
        cluster.progress()


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
        callbacks=[*(callbacks or []), _Progress()],
    )
    return {name: list(map(float, values)) for name, values in found.history.items()}


@contextlib.contextmanager
def _attempt(file: Path) -> Iterator[None]:
    """Context of an attempt. Its line in `file` begins with "begun" only if it was killed."""
    with file.open("a") as lines:
        place = lines.tell()
        print("begun", time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid(), file=lines)
    try:
        before = file.read_text(errors="replace").splitlines()[:-1]
        killed = sum(not line.startswith("ended") for line in before)
        if killed >= ATTEMPTS:
            raise FailedTrialError(f"its process ended {killed} times during the trial")
        yield
    finally:
        # Over the same bytes: there may be no room on the disk.
        with contextlib.suppress(OSError), file.open("r+b") as lines:
            lines.seek(place)
            lines.write(b"ended")


def _copy(file: Path, to: Path) -> None:
    with durable.replacing(to) as part:
        shutil.copy(file, part)


def results(tuner: Tuner, trial: Any) -> list[dict[str, Any]]:
    """The saved histories of a trial, one for each seed; none if it ran on another disk.

    Raises:
        Damaged: if one of them is damaged, or missing after a completed trial.
    """
    folder = Path(tuner.get_trial_dir(trial.trial_id))
    files = [folder / f"seed_{seed}.json" for seed in range(tuner.study.training.seeds)]
    if {file.name for file in folder.iterdir()} <= {"trial.json"}:
        return []
    needed = [file for file in files if trial.status == "COMPLETED" or file.exists()]
    return [durable.read(file, History, tuner.mark(trial)) for file in needed]


def failure(tuner: Tuner, trial: Any) -> str:
    """The reason of a trial's failure."""
    file = Path(tuner.get_trial_dir(trial.trial_id), "failure.txt")
    if file.exists():
        return file.read_text(errors="replace").strip()
    return (trial.message or "unknown reason").strip().splitlines()[-1]
