"""A picture of a training, drawn again while it runs."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat._plot import _drawing, _live
from keras_yat._plot._drawing import Plot
from keras_yat._types import Tensor
from keras_yat.callbacks import _files, _notebook
from keras_yat.callbacks._files import File
from keras_yat.callbacks._recorder import Logs, Recorder, parameters, values_of
from keras_yat.callbacks._responses import Source, dead_units, responses, sources
from keras_yat.callbacks._tensorboard import EventFile

BINS = 40
FORMATS = (".png", ".svg", ".pdf")
START = "responses of "
"""The start of the names of records that are not of parameters."""


class LivePlot(Recorder):
    """Draws parameters, responses and dead units of a model while it trains.

    The picture has a panel for each parameter of the activations and each learned alpha and
    epsilon, over the epochs; a panel with the fraction of dead units of each layer; and for
    each layer a histogram of its responses to `inputs`, at the first record (black) and now.
    In a notebook the picture replaces the one before in the output of the cell. With `path` it
    is written to a file, and with `log_dir` TensorBoard shows the same numbers.

    Layers with responses, anywhere in the model:

    - activations: the trainable ones of this package, `Activation`, `ReLU`, `LeakyReLU`,
      `PReLU`, `ELU` and `Softmax`;
    - layers with an `activation` that is a function other than linear: their outputs;
    - Yat layers with a kernel: the outputs of their neurons, before the activation, which has
      its own entry, such as "yat_dense/relu";
    - recurrent layers: their outputs. What is inside of them is not shown.

    A unit is an entry of the last axis of the responses, or of axis 1 of a layer with
    `data_format="channels_first"`, or of the `axis` of an activation. It is dead if its
    response is constant: over all inputs and positions it varies by at most 1e-6 of its largest
    absolute value. These are units of ReLU that are always 0, and saturated ones. A Yat neuron
    is also dead if its largest absolute response is below `dead_below` times the mean absolute
    response of its layer. Either depends on `inputs`: take a hundred or more.

    At each record the model is called once with `inputs`, as for inference, layer by layer and
    not compiled. This changes no weights, statistics, seeds or metrics: the training is the same
    as without the callback.

    A `fit` with `initial_epoch=e` continues the record: values from before epoch e are kept,
    later ones are recorded again.

    Args:
        inputs: A batch of inputs of the model, as an array, or a list, tuple or dict of arrays,
            with at least 2 entries.
        every: Number of epochs between records. Before training and after the last epoch
            values are recorded in any case.
        steps: Number of steps (batches) between further records, counted from the start of
            each epoch, or None.
        path: A file to write the picture to, which ends with .png, .svg or .pdf, or None. It is
            replaced as a whole.
        log_dir: A folder for an event file of TensorBoard, or None. Scalars are the parameters
            and the fractions of dead units, histograms the responses and the parameters with a
            value per channel. Their step is the epoch; with `steps` it is the number of
            updates of the optimizer.
        dead_below: The fraction of the mean response below which a Yat neuron is dead.
        show: Whether to show the picture in a notebook. None: if there is one.

    Attributes:
        epochs: The time of each record in epochs, (records,).
        history: A dict from the path of each parameter to its values, (records, …), as of
            `ParameterHistory`.
        dead: A dict from the name of each layer with responses to its fraction of dead units,
            (records,). NaN marks responses that are not known: TensorFlow builds a model of
            unknown input shape in the first step.
        histograms: A dict from the same names to `(counts, edges)`, of shapes (records, 40) and
            (records, 41). Rare outliers are counted in the outer bins.

    Raises:
        ValueError: If `inputs` are not arrays with at least 2 entries, as many of each, a number
            is out of its range, `path` has another ending, or, in `fit`, the model has nothing
            to show.
        ImportError: If Matplotlib (for a picture), TensorBoard (for `log_dir`) or IPython (for
            `show=True`) is not installed.

    Example:

    >>> mila = keras_yat.Mila(name="mila")
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), mila])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.random.normal(size=(32, 4)), np.zeros((32, 8))
    >>> live = keras_yat.callbacks.LivePlot(x)
    >>> history = model.fit(x, y, epochs=3, verbose=0, callbacks=[live])
    >>> live.dead["mila"].shape
    (4,)
    >>> figure, arrays = live.plot()

    Reference:
        This package. Dead units of ReLU: A. L. Maas et al., Rectifier Nonlinearities Improve
        Neural Network Acoustic Models, 2013.
    """

    def __init__(
        self,
        inputs: Tensor | list[Any] | tuple[Any, ...] | dict[str, Any],
        *,
        every: int = 1,
        steps: int | None = None,
        path: File | None = None,
        log_dir: File | None = None,
        dead_below: float = 0.01,
        show: bool | None = None,
    ):
        super().__init__(steps)
        self._inputs = _batch(inputs)
        self._every = _validate.count("every", every)
        if path is not None and Path(path).suffix not in FORMATS:
            _validate.invalid_argument("path", f"end with {' or '.join(FORMATS)}", path)
        self._path, self._log_dir = path, log_dir
        self._dead_below = _validate.number("dead_below", dead_below, least=0.0)
        self._show = None if show is None else _validate.flag("show", show)
        self._events: EventFile | None = None
        self._sources: dict[str, Source] = {}
        self._last: dict[str, np.ndarray] = {}

    @property
    def history(self) -> dict[str, np.ndarray]:
        records = self._records.items()
        return {name: np.array(each) for name, each in records if not name.startswith(START)}

    @property
    def dead(self) -> dict[str, np.ndarray]:
        return {name: rows[:, 0] for name, rows in self._of_responses().items()}

    @property
    def histograms(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        split = 1 + BINS
        found = self._of_responses().items()
        return {name: (rows[:, 1:split], rows[:, split:]) for name, rows in found}

    def plot(self) -> Plot:
        """The picture of all records so far.

        Returns:
            A `keras_yat.plot.Plot`, `(figure, arrays)`, whose `interactive()` has a slider for
            the epoch of the histograms. The arrays are "epochs", one for each path of a
            parameter, and for each layer with responses "NAME/dead", "NAME/counts" and
            "NAME/edges".

        Raises:
            ValueError: If nothing has been recorded.
            ImportError: If Matplotlib is not installed.
        """
        if not self._is_known():
            raise ValueError("There are no records: pass the callback to `fit` first.")
        return _live.live(self.epochs, self.history, self.dead, self.histograms)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._sources = sources(self.model)
        if not self._names():
            allowed = "have an activation or a Yat layer to show"
            _validate.invalid_argument("model", allowed, self.model.name)
        super().on_train_begin(logs)
        if self._events is not None:
            self._events.close()
        self._events = None if self._log_dir is None else EventFile(self._log_dir)
        notebook = _notebook.is_notebook() if self._show is None else self._show
        self._display = _notebook.Display() if notebook else None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if not self._begun:
            self._start = epoch
        super().on_epoch_begin(epoch, logs)

    def on_train_end(self, logs: Logs = None) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _names(self) -> list[str]:
        return [*parameters(self.model), *(START + name for name in self._sources)]

    def _values(self) -> dict[str, np.ndarray]:
        known = self.model.built
        self._last = responses(self.model, self._inputs, self._sources) if known else {}
        missing = np.full(2 + 2 * BINS, np.nan)
        values = values_of(parameters(self.model))
        for name, source in self._sources.items():
            rows = self._last.get(name)
            values[START + name] = missing if rows is None else self._summary(rows, source.neurons)
        return values

    def _summary(self, rows: np.ndarray, neurons: bool) -> np.ndarray:
        """The fraction of dead units, and the counts and edges of the histogram."""
        low, high = _drawing.span(rows)
        finite = np.clip(rows[np.isfinite(rows)], low, high)
        counts, edges = np.histogram(finite, BINS, (low, high))
        dead = dead_units(rows, neurons, self._dead_below).mean()
        return np.concatenate([[dead], counts, edges])

    def _record(self, at: float) -> None:
        ends = self._start, (self.params or {}).get("epochs")
        if at % 1 or at % self._every == 0 or at in ends:
            super()._record(at)
            self._publish(at)
            self._last = {}

    def _is_known(self) -> bool:
        return any(
            np.isfinite(each).any() for each in (*self.history.values(), *self.dead.values())
        )

    def _of_responses(self) -> dict[str, np.ndarray]:
        found = {n: r for n, r in self._records.items() if n.startswith(START)}
        return {name.removeprefix(START): np.array(rows) for name, rows in found.items()}

    def _publish(self, at: float) -> None:
        """Shows the picture and writes the files."""
        if self._events is not None:
            step = int(at) if self._steps is None else int(self.model.optimizer.iterations)
            self._events.write(step, *self._summaries())
        if not self._is_known() or (self._display is None and self._path is None):
            return
        figure = self.plot().figure
        if self._display is not None:
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=100)
            self._display.show(png.getvalue())
        if self._path is not None:
            kind = Path(self._path).suffix[1:]
            _files.write(self._path, lambda file: figure.savefig(file, format=kind, dpi=100))

    def _summaries(self) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """The scalars and the histograms of the last record."""
        values = {f"parameters/{name}": each[-1] for name, each in self.history.items()}
        scalars = {name: float(value) for name, value in values.items() if value.ndim == 0}
        scalars |= {f"dead_units/{name}": float(self.dead[name][-1]) for name in self._last}
        several = {name: value for name, value in values.items() if value.ndim}
        several |= {f"responses/{name}": rows for name, rows in self._last.items()}
        finite = {name: rows[np.isfinite(rows)] for name, rows in several.items()}
        return scalars, {name: rows for name, rows in finite.items() if rows.size}


def _batch(inputs: Any) -> Any:
    leaves = keras.tree.flatten(inputs)
    allowed = "be an array, or a list, tuple or dict of arrays, with at least 2 entries each"
    shapes = [tuple(getattr(leaf, "shape", ())) for leaf in leaves]
    sizes = {shape[0] if shape else 0 for shape in shapes}
    if len(sizes) != 1 or min(sizes) is None or min(sizes) < 2:
        shown = [type(leaf).__name__ for leaf in leaves if not hasattr(leaf, "shape")]
        _validate.invalid_argument("inputs", f"{allowed}, as many of each", shown or shapes)
    return keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
