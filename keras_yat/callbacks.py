"""What a training leaves behind: the parameters of activations over its course."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat._register import is_recorded

__all__ = ["ParameterHistory"]


class ParameterHistory(keras.callbacks.Callback):
    """Records what the parameters of a model's activations become in training.

    That is every parameter of a trainable activation, wherever in the model it is, and
    every learned alpha and epsilon of a Yat layer: numbers, or one number for each
    channel. They are noted once before the training, then after each epoch, or after
    every so many steps. Nothing else of the model is read.

    A `fit` with `initial_epoch=e` goes on: what was noted up to epoch e is kept, what
    was noted of later ones is dropped.

    Args:
        steps: None for one record an epoch, or the number of steps (batches) from one
            record to the next; the end of each epoch is recorded too.
        path: A file to save to after each epoch, as `save` does, or None.
        log: Whether parameters that are one number go into the logs of the epoch too,
            where `History`, `CSVLogger` and `TensorBoard` find them.

    Attributes:
        history: A dict from the path of each weight, such as `"mila/beta"`, to an array
            of its values, (records, …).
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

    def __init__(
        self, steps: int | None = None, path: str | os.PathLike | None = None, log: bool = True
    ):
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

    def on_train_begin(self, logs=None):
        found = _weights(self.model)
        if list(found) != list(self._records):  # another model, or the first one
            self._epochs, self._records = [], {name: [] for name in found}
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._count = epoch, 0
        self._counts: list[int] = []
        if not self._begun:
            self._begun = True
            self._drop(epoch)
            if epoch not in self._epochs:
                self._record(epoch)
        self._first = len(self._epochs)

    def on_train_batch_end(self, batch, logs=None):
        # Steps that are executed together end together.
        before, self._count = self._count, batch + 1
        if self._steps and self._count // self._steps > before // self._steps:
            # How long the epoch is shows at its end; until then, after what came before.
            self._record(self._epoch + self._count / (self._count + 1))
            self._counts.append(self._count)

    def on_epoch_end(self, epoch, logs=None):
        for i, count in enumerate(self._counts, start=self._first):
            self._epochs[i] = epoch + count / self._count
        if self._epochs[-1] != epoch + 1:
            self._record(epoch + 1)
        if self._log and logs is not None:
            last = {name: records[-1] for name, records in self._records.items()}
            logs.update({name: float(v) for name, v in last.items() if v.ndim == 0})
        if self._path is not None:
            self.save(self._path)

    def _drop(self, epoch: float) -> None:
        kept = [i for i, at in enumerate(self._epochs) if at <= epoch]
        self._epochs = [self._epochs[i] for i in kept]
        for name, records in self._records.items():
            self._records[name] = [records[i] for i in kept]

    def _record(self, at: float) -> None:
        self._epochs.append(float(at))
        for name, weight in _weights(self.model).items():
            # A copy: what a backend gives may be the memory of the weight itself.
            value = np.array(keras.ops.convert_to_numpy(weight))
            self._records[name].append(value)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` with `epochs` and an array for each weight: all of it, or nothing."""
        part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
        with part.open("wb") as file:
            arrays: dict[str, Any] = {"epochs": self.epochs, **self.history}
            np.savez(file, **arrays)
        part.replace(path)

    @classmethod
    def load(cls, path: str | os.PathLike, **kwargs: Any) -> "ParameterHistory":
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
