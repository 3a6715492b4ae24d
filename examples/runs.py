"""Runs: one network trained from one seed, in a folder of its own, to be resumed at any epoch.

A folder has

- `run.json`: what it is of: the recipe, the activation, the seed, the backend;
- `history.json`: the loss and the metrics after each epoch, on training and validation data;
- `parameters.npz`: the activations' parameters before the training and after each epoch
  (`keras_yat.callbacks.ParameterHistory`);
- `model.keras` and `metrics.json`, once it is done: the trained model, and its test metrics.

In between there is `epoch_N.weights.h5`, from which it goes on.
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
    """A recipe, the seed of the weights and of the order of the data, and where it is kept."""

    recipe: config.Recipe
    seed: int
    folder: Path

    @property
    def metrics(self) -> dict[str, Any] | None:
        """What it ended with, if it has ended."""
        file = self.folder / "metrics.json"
        return durable.read(file) if file.exists() else None

    @property
    def label(self) -> str:
        return f"{self.folder.parent.parent.name}, {self.folder.parent.name}, {self.folder.name}"


@dataclass(frozen=True)
class Part:
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Parts:
    """What a run is trained on, scored on after each epoch, and tested on."""

    train: Part
    validation: Part
    test: Part
    classes: int
    origin: str


def load(settings: config.Data) -> Parts:
    """The data that a recipe names, split and scaled as it says; always in the same way.

    Raises:
        SystemExit: if the data cannot be had.
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
    train, validation, test = (Part(x, y.astype("int32")) for x, y in found)
    return Parts(train, validation, test, classes=int(y.max()) + 1, origin=images.origin)


class Batches(keras.utils.PyDataset):
    """Batches in an order that seed and epoch decide, so that a run goes on where it was cut."""

    def __init__(self, part: Part, batch_size: int, seed: int, epoch: int, augment: list[str]):
        super().__init__()
        self._part, self._size, self._augment = part, batch_size, augment
        self._seed, self._epoch = seed, epoch
        self._begin()

    def _begin(self):
        rng = np.random.default_rng([self._seed, self._epoch])
        self._order = rng.permutation(len(self._part.y))
        self._moves = rng.integers(0, 9, size=(len(self._order), 2))
        self._flips = rng.random(len(self._order)) < 0.5

    def __len__(self):
        return -(-len(self._order) // self._size)

    def __getitem__(self, index):
        here = slice(index * self._size, (index + 1) * self._size)
        chosen = self._order[here]
        x = self._part.x[chosen]
        if "crop" in self._augment:
            x = _cropped(x, self._moves[here])
        if "flip" in self._augment:
            x = np.where(self._flips[here, None, None, None], x[:, :, ::-1], x)
        return x, self._part.y[chosen]

    def on_epoch_end(self):
        self._epoch += 1
        self._begin()


def _cropped(x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Each image out of a frame of 4 zeros on each side, at its move of 0 to 8 pixels."""
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
            # The loss itself has the penalty on kernels in it.
            keras.metrics.SparseCategoricalCrossentropy(name="crossentropy", from_logits=True),
        ],
    )
    return model


def optimizer(training: config.Training, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer and its schedule, where an epoch has so many steps."""
    schedules = keras.optimizers.schedules
    rate: Any = training.learning_rate
    if training.schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps, training.factor, staircase=True)
    elif training.schedule == "steps":
        values = [rate * training.factor**i for i in range(len(training.at) + 1)]
        # The step at a boundary still has the rate before it.
        rate = schedules.PiecewiseConstantDecay([steps * e - 1 for e in training.at], values)
    elif training.schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps * training.epochs)
    if training.optimizer == "adam":
        found = keras.optimizers.Adam(rate)
    else:
        found = keras.optimizers.SGD(rate, momentum=training.momentum)
    if training.precision == "mixed_float16":
        # As Keras would, but then the saved model loads under any policy.
        return keras.optimizers.LossScaleOptimizer(found)
    return found


def train(run: Run, parts: Parts, tell: Callable[[int, dict[str, float]], None]) -> dict[str, Any]:
    """Trains a run, or what is left of it, and returns its metrics.

    `tell` is called with the number of epochs that are done, and the last one's metrics:
    at first if some were done before, and after each epoch.

    Raises:
        SystemExit: if its folder has another run, or another process is at work there.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with durable.alone(run.folder, "trains"):
        _note(run)
        if run.metrics is None:
            _train(run, parts, tell)
        for file in run.folder.glob("epoch_*.weights.h5"):
            file.unlink()
    found = run.metrics
    assert found is not None
    return found


def _note(run: Run) -> None:
    content = {
        "seed": run.seed,
        "backend": keras.backend.backend(),
        **run.recipe.model_dump(mode="json"),
    }
    told = ("title", "source", "published", "parameters")
    durable.same(run.folder / "run.json", content, "another run", told)


def _train(run, parts, tell):
    training = run.recipe.training
    history, recorded = _state(run.folder)
    done = len(history.get("loss", []))
    keras.utils.clear_session()
    keras.utils.set_random_seed(run.seed)
    batches = Batches(parts.train, training.batch_size, run.seed, done, run.recipe.data.augment)
    model = build(run.recipe, parts.train.x.shape[1:], parts.classes, len(batches))
    if done:
        restore(model, run.folder / f"epoch_{done}.weights.h5")
        tell(done, {name: values[-1] for name, values in history.items()})
    model.fit(
        batches,
        validation_data=(parts.validation.x, parts.validation.y),
        validation_batch_size=1000,
        shuffle=False,
        initial_epoch=done,
        epochs=training.epochs,
        verbose=0,
        callbacks=[recorded, _Keep(run.folder, history, tell)],
    )
    _finish(run, model, parts, history)


def _finish(run, model, parts, history):
    found = model.evaluate(parts.test.x, parts.test.y, batch_size=1000, verbose=0, return_dict=True)
    part = run.folder / "part.keras"
    model.save(part)
    part.replace(run.folder / "model.keras")
    metrics = {
        **{f"test_{name}": value for name, value in found.items()},
        "parameters": count(model.trainable_weights),
        "data": parts.origin,
        "keras": keras.__version__,
        "seconds": history["seconds"],
    }
    durable.write(run.folder / "metrics.json", metrics)


def count(weights: list[Any]) -> int:
    """How many numbers there are in the weights."""
    return sum(int(np.prod(weight.shape)) for weight in weights)


def restore(model: keras.Model, weights: Path | str) -> None:
    """Loads weights, and the state of the optimizer, which has to be there for that."""
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
    with durable.reading(weights):
        model.load_weights(weights)


def _state(folder: Path) -> tuple[dict[str, list[float]], Any]:
    """The history so far, and the parameters."""
    file, path = folder / "history.json", folder / "parameters.npz"
    if not file.exists():
        return {}, keras_yat.callbacks.ParameterHistory(path=path, log=False)
    with durable.reading(path):
        recorded = keras_yat.callbacks.ParameterHistory.load(path, log=False)
    return durable.read(file), recorded


class _Keep(keras.callbacks.Callback):
    """Keeps what a run needs to go on after each epoch.

    The history is written last: it says which of the other files count.
    """

    def __init__(self, folder, history, tell):
        super().__init__()
        self._folder, self._history, self._tell = folder, history, tell

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
        self._tell(done, {name: values[-1] for name, values in self._history.items()})
