"""The parameters of activations during training."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_yat import _validate
from keras_yat.callbacks import _files
from keras_yat.callbacks._files import File
from keras_yat.callbacks._recorder import Logs, Recorder, parameters, values_of


class ParameterHistory(Recorder):
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
        super().__init__(steps)
        self._path = path
        self._log = _validate.flag("log", log)

    @property
    def history(self) -> dict[str, np.ndarray]:
        return {name: np.array(records) for name, records in self._records.items()}

    def _names(self) -> list[str]:
        return list(parameters(self.model))

    def _values(self) -> dict[str, np.ndarray]:
        return values_of(parameters(self.model))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        super().on_epoch_end(epoch, logs)
        if self._log and logs is not None:
            last = {name: records[-1] for name, records in self._records.items()}
            logs.update({name: float(v) for name, v in last.items() if v.ndim == 0})
        if self._path is not None:
            self.save(self._path)

    def save(self, path: File) -> None:
        """Writes an `.npz` file with `epochs` and an array for each weight, atomically."""
        arrays: dict[str, Any] = {"epochs": self.epochs, **self.history}
        _files.write(path, lambda file: np.savez(file, **arrays))

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
