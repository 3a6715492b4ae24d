"""What a training leaves behind: the parameters of activations over its course."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat._keras_compat import Callback
from keras_yat._register import is_recorded

__all__ = ["ParameterHistory"]

File = str | os.PathLike[str]
Logs = dict[str, Any] | None


class ParameterHistory(Callback):
    """Records what the parameters of a model's activations become in training.

    That is every parameter of a trainable activation, wherever in the model it is, and
    every learned alpha and epsilon of a Yat layer: numbers, or one number for each
    channel. They are noted once before the training, then after each epoch, or after
    every so many steps. Nothing else of the model is read.

    A `fit` with `initial_epoch=e` goes on: what was noted before epoch e is kept, the rest
    is noted anew.

    Args:
        steps: None for one record an epoch, or the number of steps (batches) from one
            record to the next, counted from the start of each epoch; its end is recorded
            too.
        path: A file to save to after each epoch, as `save` does, or None.
        log: Whether parameters that are one number go into the logs of the epoch too,
            where `History` finds them, and so do `CSVLogger` and `TensorBoard` that come
            after this in the list of callbacks.

    Attributes:
        history: A dict from the path of each weight, such as `"mila/beta"`, to an array
            of its values, (records, …). NaN stands for what did not exist yet: TensorFlow
            builds a model of unknown input shape in the first step.
        epochs: When each record was made, in epochs, (records,): 0.0 before the
            training, 1.5 in the middle of the second one.

    Raises:
        ValueError: if `steps` is not None or an int of at least 1.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras_yat.Mila()])
    >>> model.compile("sgd", "mse")
    >>> recorded = keras_yat.callbacks.ParameterHistory()
    >>> x, y = np.ones((32, 4)), np.zeros((32, 8))
    >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[recorded])
    >>> [values.shape for values in recorded.history.values()]
    [(4,)]
    >>> figure, arrays = keras_yat.plot.parameters(recorded)

    Reference:
        This package; the studies of the activations drew such curves or missed them.
    """

    def __init__(self, steps: int | None = None, path: File | None = None, log: bool = True):
        super().__init__()
        self._steps = None if steps is None else _validate.count("steps", steps)
        self._path = path
        self._log = _validate.flag("log", log)
        self._epochs: list[float] = []
        self._records: dict[str, list[np.ndarray]] = {}

    @property
    def epochs(self) -> np.ndarray:
        return np.array(self._epochs)

    @property
    def history(self) -> dict[str, np.ndarray]:
        return {name: np.array(records) for name, records in self._records.items()}

    def on_train_begin(self, logs: Logs = None) -> None:
        found = _weights(self.model)
        if found.keys() != self._records.keys():  # another model, or the first one
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
        # Not when the step before ends: Keras may tell that late, from another thread.
        if self._steps and batch and batch % self._steps < self._together:
            # How long the epoch is may show only at its end.
            self._record(self._epoch + batch / (self._length or batch + 1))
            self._counts.append(batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        # Of steps that are executed together the last may be fewer.
        self._count = min(batch + 1, self._length or batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for i, count in enumerate(self._counts, start=self._first):
            self._epochs[i] = epoch + count / self._count
        self._drop(epoch + 1)  # where data ran out, a step began that was none
        self._record(epoch + 1)
        if self._log and logs is not None:
            last = {name: records[-1] for name, records in self._records.items()}
            logs.update({name: float(v) for name, v in last.items() if v.ndim == 0})
        if self._path is not None:
            self.save(self._path)

    def _drop(self, epoch: float) -> None:
        kept = [i for i, at in enumerate(self._epochs) if at < epoch]
        self._epochs = [self._epochs[i] for i in kept]
        for name, records in self._records.items():
            self._records[name] = [records[i] for i in kept]

    def _record(self, at: float) -> None:
        for name, weight in _weights(self.model).items():
            # A copy: what a backend gives may be the memory of the weight itself.
            value = np.array(keras.ops.convert_to_numpy(weight))
            if name not in self._records:
                self._records[name] = [np.full_like(value, np.nan) for _ in self._epochs]
            self._records[name].append(value)
        self._epochs.append(float(at))

    def save(self, path: File) -> None:
        """Writes an `.npz` with `epochs` and an array for each weight: all of it, or nothing."""
        part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
        with part.open("wb") as file:
            arrays: dict[str, Any] = {"epochs": self.epochs, **self.history}
            np.savez(file, **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: File, **kwargs: Any) -> "ParameterHistory":
        """The callback with what `save` has written; for `fit(initial_epoch=…)`, or to draw.

        Args:
            path: The file, to which it saves again.
            **kwargs: `steps` and `log`, as of the constructor.
        """
        loaded = cls(path=path, **kwargs)
        with np.load(path) as arrays:
            loaded._epochs = arrays["epochs"].tolist()
            loaded._records = {n: list(arrays[n]) for n in arrays.files if n != "epochs"}
        return loaded


def _weights(model: keras.Model) -> dict[str, Any]:
    """What is recorded of a model, by paths that are made unique."""
    found: dict[str, Any] = {}
    for weight in model.weights:
        if is_recorded(weight):
            name, count = weight.path, 2
            while name in found:
                name, count = f"{weight.path}:{count}", count + 1
            found[name] = weight
    return found
