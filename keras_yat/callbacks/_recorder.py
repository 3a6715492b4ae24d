"""When values are recorded: before training, after each epoch, and every few steps."""

from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat._keras_compat import Callback
from keras_yat._register import recorded_name

Logs = dict[str, Any] | None


class Recorder(Callback):
    """Abstract: records values of a model during training.

    A subclass defines `_names` and `_values`. A `fit` with `initial_epoch=e` continues the
    record: values from before epoch e are kept, later ones are recorded again.
    """

    def __init__(self, steps: int | None):
        super().__init__()
        self._steps = None if steps is None else _validate.count("steps", steps)
        self._epochs: list[float] = []
        self._records: dict[str, list[np.ndarray]] = {}

    def _names(self) -> list[str]:
        """The names of the values, which tell one model from another."""
        raise NotImplementedError

    def _values(self) -> dict[str, np.ndarray]:
        """The values, by name. They are copies."""
        raise NotImplementedError

    @property
    def epochs(self) -> np.ndarray:
        return np.array(self._epochs)

    def on_train_begin(self, logs: Logs = None) -> None:
        found = self._names()
        if set(found) != self._records.keys():  # another model, or the first one
            self._epochs, self._records = [], {name: [] for name in found}
        self._begun = False
        self._together = self.model.steps_per_execution
        self._length = (self.params or {}).get("steps")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if not self._begun:
            self._begun = True
            self._drop(epoch)
            self._record(epoch)
        self._epoch, self._first, self._count = epoch, len(self._epochs), 0
        self._counts: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        # Not at the end of the previous step: Keras may report it late, from another thread.
        if self._steps and batch and batch % self._steps < self._together:
            # The length of the epoch may be known only at its end.
            self._record(self._epoch + batch / (self._length or batch + 1))
            self._counts.append(batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        # With `steps_per_execution` the last execution may have fewer steps.
        self._count = min(batch + 1, self._length or batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for i, count in enumerate(self._counts, start=self._first):
            self._epochs[i] = epoch + count / self._count
        self._drop(epoch + 1)  # when the data ended, a step began that had no batch
        self._record(epoch + 1)

    def _drop(self, epoch: float) -> None:
        kept = [i for i, at in enumerate(self._epochs) if at < epoch]
        self._epochs = [self._epochs[i] for i in kept]
        for name, records in self._records.items():
            self._records[name] = [records[i] for i in kept]

    def _record(self, at: float) -> None:
        for name, value in self._values().items():
            if name not in self._records:
                self._records[name] = [np.full_like(value, np.nan) for _ in self._epochs]
            self._records[name].append(value)
        self._epochs.append(float(at))


def parameters(model: keras.Model) -> dict[str, Any]:
    """The marked weights of a model (see `record`), by unique names."""
    found: dict[str, Any] = {}
    for weight in model.weights:
        start = recorded_name(weight)
        if start is not None:
            name, count = start, 2
            while name in found:
                name, count = f"{start}:{count}", count + 1
            found[name] = weight
    return found


def values_of(weights: dict[str, Any]) -> dict[str, np.ndarray]:
    """Copies of the values of weights: arrays may share memory with them."""
    return {n: np.array(keras.ops.convert_to_numpy(w)) for n, w in weights.items()}
