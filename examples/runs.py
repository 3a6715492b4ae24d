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
from examples import config, data, durable, models


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
        return durable.read(file) if file.exists() else None

    @property
    def label(self) -> str:
        return f"{self.folder.parent.parent.name}, {self.folder.parent.name}, {self.folder.name}"


@dataclass(frozen=True)
class Split:
    """Inputs and their classes."""

    x: np.ndarray
    y: np.ndarray


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
    x, y = images.x_train, images.y_train
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


class Batches(keras.utils.PyDataset):
    """Batches in an order determined by seed and epoch, so that a run can be resumed."""

    def __init__(self, split: Split, batch_size: int, seed: int, epoch: int, augment: list[str]):
        super().__init__()
        self._split, self._size, self._augment = split, batch_size, augment
        self._seed, self._epoch = seed, epoch
        self._draw()

    def _draw(self):
        rng = np.random.default_rng([self._seed, self._epoch])
        self._order = rng.permutation(len(self._split.y))
        self._moves = rng.integers(0, 9, size=(len(self._order), 2))
        self._flips = rng.random(len(self._order)) < 0.5

    def __len__(self):
        return -(-len(self._order) // self._size)

    def __getitem__(self, index):
        here = slice(index * self._size, (index + 1) * self._size)
        chosen = self._order[here]
        x = self._split.x[chosen]
        if "crop" in self._augment:
            x = _shift(x, self._moves[here])
        if "flip" in self._augment:
            x = np.where(self._flips[here, None, None, None], x[:, :, ::-1], x)
        return x, self._split.y[chosen]

    def on_epoch_end(self):
        self._epoch += 1
        self._draw()


def _shift(x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Crops each image, padded with 4 zeros on each side, at its offset of 0 to 8 pixels."""
    wide = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, x.shape[1:3], axis=(1, 2))
    chosen = windows[np.arange(len(x)), moves[:, 0], moves[:, 1]]
    return np.moveaxis(chosen, 1, -1)


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
    if training.optimizer == "adam":
        found = keras.optimizers.Adam(rate)
    else:
        found = keras.optimizers.SGD(rate, momentum=training.momentum)
    if training.precision == "mixed_float16":
        # Keras would add it too, but a model saved so loads under any policy.
        return keras.optimizers.LossScaleOptimizer(found)
    return found


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
        _check_settings(run)
        if run.metrics is None:
            _train(run, splits, on_epoch_end)
        for file in run.folder.glob("epoch_*.weights.h5"):
            file.unlink()
    found = run.metrics
    assert found is not None
    return found


def _check_settings(run: Run) -> None:
    content = {
        "seed": run.seed,
        "backend": keras.backend.backend(),
        **run.recipe.model_dump(mode="json"),
    }
    ignore = ("title", "source", "published", "parameters")
    durable.check_settings(run.folder / "run.json", content, "another run", ignore)


def _train(run, splits, on_epoch_end):
    training = run.recipe.training
    history, recorded = _load_state(run.folder)
    done = len(history.get("loss", []))
    keras.utils.clear_session()
    keras.utils.set_random_seed(run.seed)
    batches = Batches(splits.train, training.batch_size, run.seed, done, run.recipe.data.augment)
    model = build(run.recipe, splits.train.x.shape[1:], splits.classes, len(batches))
    if done:
        restore(model, run.folder / f"epoch_{done}.weights.h5")
        on_epoch_end(done, {name: values[-1] for name, values in history.items()})
    model.fit(
        batches,
        validation_data=(splits.validation.x, splits.validation.y),
        validation_batch_size=1000,
        shuffle=False,
        initial_epoch=done,
        epochs=training.epochs,
        verbose=0,
        callbacks=[recorded, _Checkpoint(run.folder, history, on_epoch_end)],
    )
    _finish(run, model, splits, history)


def _finish(run, model, splits, history):
    x, y = splits.test.x, splits.test.y
    found = model.evaluate(x, y, batch_size=1000, verbose=0, return_dict=True)
    part = run.folder / "part.keras"
    model.save(part)
    part.replace(run.folder / "model.keras")
    metrics = {
        **{f"test_{name}": value for name, value in found.items()},
        "parameters": count(model.trainable_weights),
        "data": splits.origin,
        "keras": keras.__version__,
        "seconds": history["seconds"],
    }
    durable.write(run.folder / "metrics.json", metrics)


def count(weights: list[Any]) -> int:
    """The number of entries of the weights."""
    return sum(int(np.prod(weight.shape)) for weight in weights)


def restore(model: keras.Model, weights: Path | str) -> None:
    """Loads weights and the optimizer's state, for which the optimizer is built first."""
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
    with durable.reading(weights):
        model.load_weights(weights)


def _load_state(folder: Path) -> tuple[dict[str, list[float]], Any]:
    """The history of metrics and that of parameters; empty ones for a new run."""
    file, path = folder / "history.json", folder / "parameters.npz"
    if not file.exists():
        return {}, keras_yat.callbacks.ParameterHistory(path=path, log=False)
    with durable.reading(path):
        recorded = keras_yat.callbacks.ParameterHistory.load(path, log=False)
    return durable.read(file), recorded


class _Checkpoint(keras.callbacks.Callback):
    """Saves the state that a run needs to resume, after each epoch.

    The history is written last: its length determines which of the other files are valid.
    """

    def __init__(self, folder, history, report):
        super().__init__()
        self._folder, self._history, self._report = folder, history, report

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        took = time.perf_counter() - self._start
        self._history.setdefault("seconds", []).append(took)
        done = epoch + 1
        part = self._folder / "part.weights.h5"
        self.model.save_weights(part)
        part.replace(self._folder / f"epoch_{done}.weights.h5")
        durable.write(self._folder / "history.json", self._history)
        for file in self._folder.glob("epoch_*.weights.h5"):
            if file.name != f"epoch_{done}.weights.h5":
                file.unlink()
        self._report(done, {name: values[-1] for name, values in self._history.items()})
