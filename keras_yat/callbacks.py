"""Callbacks: the parameters of activations during training."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat._keras_compat import Callback
from keras_yat._register import recorded_name

__all__ = ["ParameterHistory"]

File = str | os.PathLike[str]
Logs = dict[str, Any] | None


class ParameterHistory(Callback):
    """Records the parameters of a model's activations during training.

    Records every parameter of a trainable activation anywhere in the model, and every
    learned alpha and epsilon of a Yat layer: numbers, or one number per channel. Values are
    recorded once before training, then after each epoch, or every `steps` steps. No other
    weight is read.

    A `fit` with `initial_epoch=e` continues the record: values from before epoch e are kept,
    later ones are recorded again.

    Args:
        steps: None for one record per epoch, or the number of steps (batches) between
            records, counted from the start of each epoch. The end of an epoch is always
            recorded.
        path: A file to save to after each epoch, as by `save`, or None.
        log: Whether parameters that are a single number are added to the logs of the epoch.
            `History` records them, and so do `CSVLogger` and `TensorBoard` if they come after
            this callback in the list.

    Attributes:
        history: A dict from the path of each weight, such as `"mila/beta"`, to an array
            of its values, (records, …). NaN marks a weight that did not exist yet: TensorFlow
            builds a model of unknown input shape in the first step.
        epochs: The time of each record in epochs, (records,): 0.0 before training, 1.5 in the
            middle of the second epoch.

    Raises:
        ValueError: If `steps` is neither None nor an int of at least 1, or `log` is not a bool.

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
        This package.
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
            # A copy: the array may share memory with the weight.
            value = np.array(keras.ops.convert_to_numpy(weight))
            if name not in self._records:
                self._records[name] = [np.full_like(value, np.nan) for _ in self._epochs]
            self._records[name].append(value)
        self._epochs.append(float(at))

    def save(self, path: File) -> None:
        """Writes an `.npz` file with `epochs` and an array for each weight, atomically."""
        part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
        arrays: dict[str, Any] = {"epochs": self.epochs, **self.history}
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: File, **kwargs: Any) -> "ParameterHistory":
        """A callback with the records that `save` wrote, to continue training or to draw.

        Args:
            path: The file. The callback saves to it after each further epoch.
            **kwargs: `steps` and `log` of the constructor.
        """
        loaded = cls(path=path, **kwargs)
        with Path(path).open("rb") as file, np.load(file) as arrays:
            loaded._epochs = arrays["epochs"].tolist()
            loaded._records = {n: list(arrays[n]) for n in arrays.files if n != "epochs"}
        return loaded


def _weights(model: keras.Model) -> dict[str, Any]:
    """The recorded weights of a model, by unique names."""
    found: dict[str, Any] = {}
    for weight in model.weights:
        start = recorded_name(weight)
        if start is not None:
            name, count = start, 2
            while name in found:
                name, count = f"{start}:{count}", count + 1
            found[name] = weight
    return found
