"""Runs: one network trained from one seed, in one folder, resumable after any epoch.

A folder has

- `run.json`: the settings: recipe, activation, seed and backend;
- `history.json`: loss and metrics after each epoch, on training and validation data;
- `parameters.npz`: the activation parameters before the training and after each epoch
  (`keras_yat.callbacks.ParameterHistory`);
- `model.keras` and `metrics.json`, when it is finished: the trained model and its test metrics.

An unfinished run has `epoch_N.weights.h5`, from which it resumes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_yat
from examples import config, data, durable, models, state
from examples.batches import Batches, Split

STATE = ("history.json", "model.keras", "parameters.npz", "epoch_*.weights.h5")


@dataclass(frozen=True)
class Run:
    """A recipe, the seed of the weights and of the order of the data, and the folder."""

    recipe: config.Recipe
    seed: int
    folder: Path

    @property
    def metrics(self) -> dict[str, Any] | None:
        """The test metrics, or None if the run is not finished."""
        file = self.folder / "metrics.json"
        return state.metrics(self.folder, self.fingerprint) if file.exists() else None

    @property
    def settings(self) -> dict[str, Any]:
        """What the numbers depend on, and the recipe's descriptions."""
        backend = keras.backend.backend()
        return {"seed": self.seed, "backend": backend, **self.recipe.model_dump(mode="json")}

    @property
    def fingerprint(self) -> str:
        """Marks the files of the run."""
        return state.fingerprint(self.settings)

    @property
    def label(self) -> str:
        return f"{self.folder.parent.parent.name}, {self.folder.parent.name}, {self.folder.name}"


@dataclass(frozen=True)
class Splits:
    """The training, validation and test data of a run."""

    train: Split
    validation: Split
    test: Split
    classes: int
    origin: str


def load(settings: config.Data) -> Splits:
    """Loads, splits and standardizes the data of a recipe, deterministically.

    Raises:
        SystemExit: if the data are not available.
    """
    from sklearn.model_selection import train_test_split

    images = data.load(settings.name)
    x, y = images.x_train[: settings.images], images.y_train[: settings.images]
    x_train, x_validation, y_train, y_validation = train_test_split(
        x, y, test_size=settings.validation, stratify=y, random_state=settings.seed
    )
    found = [(x_train, y_train), (x_validation, y_validation), (images.x_test, images.y_test)]
    if settings.standardize:
        center = x_train.mean(axis=(0, 1, 2), dtype="float64").astype("float32")
        spread = x_train.std(axis=(0, 1, 2), dtype="float64").astype("float32")
        found = [((x - center) / spread, y) for x, y in found]
    train, validation, test = (Split(x, y.astype("int32")) for x, y in found)
    return Splits(train, validation, test, classes=int(y.max()) + 1, origin=images.origin)


def build(recipe: config.Recipe, shape: tuple[int, ...], classes: int, steps: int) -> keras.Model:
    """The compiled model; `steps` is the number of batches in an epoch."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.training.precision)
    try:
        model = models.build(recipe.model, shape, classes, recipe.training.l2)
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile(
        optimizer(recipe.training, steps),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            "accuracy",
            # The loss includes the penalty on kernels.
            keras.metrics.SparseCategoricalCrossentropy(name="crossentropy", from_logits=True),
        ],
    )
    return model


def optimizer(training: config.Training, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer with its schedule, for `steps` batches in an epoch."""
    rate = schedule(training, steps)
    if training.optimizer == "adam":
        found = keras.optimizers.Adam(rate)
    else:
        found = keras.optimizers.SGD(rate, momentum=training.momentum)
    if training.precision == "mixed_float16":
        # Keras would add it too, but a model saved so loads under any policy.
        return keras.optimizers.LossScaleOptimizer(found)
    return found


def schedule(training: config.Training, steps: int) -> Any:
    """The learning rate: a number, or a function of the step."""
    schedules = keras.optimizers.schedules
    rate: Any = training.learning_rate
    if training.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps, training.factor, staircase=True)
    elif training.schedule == "steps":
        values = [rate * training.factor**i for i in range(len(training.at) + 1)]
        # The step at a boundary still uses the rate before the boundary.
        rate = schedules.PiecewiseConstantDecay([steps * e - 1 for e in training.at], values)
    elif training.schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps * training.epochs)
    return rate


def train(
    run: Run, splits: Splits, on_epoch_end: Callable[[int, dict[str, float]], None]
) -> dict[str, Any]:
    """Trains the remaining epochs of a run and returns its test metrics.

    Args:
        run: The run.
        splits: Its data.
        on_epoch_end: Called with the number of finished epochs and the metrics of the last
            one, after each epoch and first after resuming.

    Raises:
        SystemExit: if the folder has another run, or another process is training there.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with durable.lock(run.folder, "trains"):
        durable.remove_parts(run.folder)
        check_settings(run)
        found = _metrics(run)
        if found is None:
            found = _train(run, splits, on_epoch_end)
        for file in run.folder.glob("epoch_*.weights.h5"):
            file.unlink()
    return found


def check_settings(run: Run) -> None:
    """Writes the settings of a run into its folder, or compares them with those there.

    Raises:
        SystemExit: if the folder has another run.
    """
    file = run.folder / "run.json"
    durable.check_settings(file, run.settings, "another run", state.DESCRIPTIONS)


def _metrics(run: Run) -> dict[str, Any] | None:
    """As `run.metrics`. Damaged ones are measured again if there is a trained model."""
    try:
        return run.metrics
    except durable.Damaged as damage:
        if not (run.folder / "model.keras").exists():
            raise
        durable.report(damage.what)
        return None


def _train(run, splits, on_epoch_end):
    training = run.recipe.training
    history, recorded = _load_state(run)
    done = len(history.get("loss", []))
    keras.utils.clear_session()
    keras.utils.set_random_seed(run.seed)
    batches = Batches(splits.train, training.batch_size, run.seed, done, run.recipe.data.augment)
    model = build(run.recipe, splits.train.x.shape[1:], splits.classes, len(batches))
    trained, weights = run.folder / "model.keras", run.folder / f"epoch_{done}.weights.h5"
    if done == training.epochs and trained.exists() and not weights.exists():
        durable.report(f"{trained} is tested again, as its metrics are missing or damaged.")
        model.optimizer.build(model.trainable_variables)
        with durable.reading(trained):
            model.load_weights(trained)
        return _finish(run, model, splits, history)
    if done:
        durable.load_weights(model, weights, checkpoint(run, done))
        on_epoch_end(done, {name: values[-1] for name, values in history.items()})
    model.fit(
        batches,
        validation_data=(splits.validation.x, splits.validation.y),
        validation_batch_size=1000,
        shuffle=False,
        initial_epoch=done,
        epochs=training.epochs,
        verbose=0,
        callbacks=[recorded, _Checkpoint(run, batches, history, on_epoch_end)],
    )
    with durable.replacing(trained) as part:
        model.save(part)
    return _finish(run, model, splits, history)


def _finish(run, model, splits, history):
    x, y = splits.test.x, splits.test.y
    found = model.evaluate(x, y, batch_size=1000, verbose=0, return_dict=True)
    found = {f"test_{name}": value for name, value in found.items()}
    return finish(run, model, found, splits, history)


def finish(
    run: Run, model: Any, found: dict[str, Any], splits: Splits, history: dict[str, list[float]]
) -> dict[str, Any]:
    """Writes and returns the metrics of a trained model, those in `found` among them."""
    metrics = {
        **found,
        "parameters": count(model.trainable_weights),
        "data": splits.origin,
        "keras": keras.__version__,
        "seconds": history["seconds"],
        "of": run.fingerprint,
    }
    durable.write(run.folder / "metrics.json", metrics)
    return metrics


def count(weights: list[Any]) -> int:
    """The number of entries of the weights."""
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _load_state(run: Run) -> tuple[dict[str, list[float]], Any]:
    """The history of metrics and that of parameters; empty ones for a new run."""
    path = run.folder / "parameters.npz"
    found = {file.name for pattern in STATE for file in run.folder.glob(pattern)}
    # The history is written last.
    if found <= {"parameters.npz", "epoch_1.weights.h5"}:
        return {}, keras_yat.callbacks.ParameterHistory(path=path, log=False)
    history = state.history(run.folder, run.fingerprint)
    return history, state.parameters(run.folder, len(history["loss"]))


def checkpoint(run: Run, epoch: int) -> str:
    """Marks the weights of a run after an epoch."""
    return f"{run.fingerprint}, epoch {epoch}"


class _Checkpoint(keras.callbacks.Callback):
    """Saves the state that a run needs to resume, after each epoch.

    The history is written last: its length determines which of the other files are valid.
    """

    def __init__(self, run, batches, history, report):
        super().__init__()
        self._run, self._batches, self._history, self._report = run, batches, history, report

    def on_epoch_begin(self, epoch, logs=None):
        self._batches.begin(epoch)
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        took = time.perf_counter() - self._start
        self._history.setdefault("seconds", []).append(took)
        done = epoch + 1
        folder = self._run.folder
        weights = folder / f"epoch_{done}.weights.h5"
        durable.save_weights(self.model, weights, checkpoint(self._run, done))
        durable.write(folder / "history.json", {**self._history, "of": self._run.fingerprint})
        for file in folder.glob("epoch_*.weights.h5"):
            if file != weights:
                file.unlink()
        self._report(done, {name: values[-1] for name, values in self._history.items()})
