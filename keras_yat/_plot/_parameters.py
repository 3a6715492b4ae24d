"""Parameters of activations during training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_yat import _validate
from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Drawing, Line, Look, Panel, Plot


def parameters(history: Any, *, title: str | None = None) -> Plot:
    """Draws the parameters of activations against the epoch: a panel per parameter.

    Each layer is a line. A parameter that is a list of up to 6 numbers gets a panel per
    entry, such as "coefficients[0]". With one value per channel the line is the median, the
    band spans the 10th to the 90th percentile, and thin lines are the smallest and the
    largest value.

    Args:
        history: A `keras_yat.callbacks.ParameterHistory`, or an object with `epochs`, an
            array of the epochs at which values were recorded (0 before training), and
            `history`, a dict from a weight's path, such as "mila/beta", to an array whose
            first axis is that of `epochs`. Or a list of these, one per seed, with the same
            layers in the same order, drawn as thin lines.
        title: The title, or None.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are "epochs" and one for each path (of the
        first seed). For a list they have a leading axis of seeds.

    Raises:
        ValueError: If there are no values, the number of records of a path differs from
            that of `epochs`, or seeds differ in their epochs or parameters.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> import types
    >>> beta = np.array([-0.25, -0.3, -0.4])
    >>> history = types.SimpleNamespace(epochs=np.arange(3.0), history={"mila/beta": beta})
    >>> figure, arrays = keras_yat.plot.parameters(history)
    >>> sorted(arrays)
    ['epochs', 'mila/beta']

    Reference:
        This package. E. Pishchik, Trainable Activations for Image Classification, 2023, shows
        functions at several values of their parameters.
    """
    several = isinstance(history, Sequence)
    epochs, values = _records(history if several else [history])
    layers = _layers(values)
    looks = dict(zip(layers.values(), _drawing.styles(len(layers), ordered=True), strict=True))
    panels = parameter_panels(epochs, values, layers, looks)
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    size: dict[str, Any] = {"width": max(8.0, 4.0 * columns), "height": 3.6}
    arrays = {path: seeds if several else seeds[0] for path, seeds in values.items()}
    drawing = Drawing(panels, title, looks, columns, **size)
    return _drawing.plot(drawing, {"epochs": epochs, **arrays})


def parameter_panels(
    epochs: np.ndarray,
    values: dict[str, np.ndarray],
    layers: dict[str, str],
    looks: dict[str, Look],
) -> list[Panel]:
    """A panel for each parameter.

    Args:
        epochs: The times of the records.
        values: A dict from paths to values of all seeds, (seeds, records, *shape).
        layers: A dict from the paths of layers to their names.
        looks: The looks, by these names.
    """
    panels = []
    for name, content in _by_parameter(values).items():
        lines: list[Any] = []
        for path, seeds in content:
            for each in seeds:
                lines += _lines_of(epochs, each, looks[layers[path]], layers[path], len(seeds))
        panels.append(Panel("epoch", name, marks=lines, epochs=(epochs[0], epochs[-1])))
    return panels


def _records(histories: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The epochs, and a dict from paths to the values of all seeds, (seeds, records, *shape)."""
    allowed = "have `epochs` and `history`, a dict of arrays with a record for each epoch"
    for each in histories:
        values = getattr(each, "history", None)
        if not isinstance(values, Mapping) or not values or not hasattr(each, "epochs"):
            _validate.invalid_argument("history", allowed, each)
        for path, array in values.items():
            if len(array) != len(each.epochs) or not len(array):
                _validate.invalid_argument(
                    "history", allowed, len(array), path=path, epochs=each.epochs
                )
    if not histories:
        _validate.invalid_argument("history", allowed, histories)
    first = histories[0]
    epochs, shapes = np.asarray(first.epochs, dtype="float64"), _shapes(first)
    for each in histories:
        if not np.array_equal(each.epochs, epochs) or _shapes(each) != shapes:
            allowed = "have the same epochs and the same parameters for every seed"
            _validate.invalid_argument("history", allowed, _shapes(each), first=shapes)
    # By position: Keras continues the numbers of layer names with each further model.
    columns = zip(*(each.history.values() for each in histories), strict=True)
    stacked = [np.stack([np.asarray(v, dtype="float64") for v in column]) for column in columns]
    return epochs, dict(zip(first.history, stacked, strict=True))


def _shapes(history: Any) -> list[tuple]:
    return [(path.rsplit("/", 1)[-1], np.shape(v)) for path, v in history.history.items()]


def layer_of(path: str) -> str:
    return path.rpartition("/")[0] or path


def _layers(values: dict[str, np.ndarray]) -> dict[str, str]:
    """A dict from the layers' paths to their labels: paths without their common parts."""
    paths = list(dict.fromkeys(map(layer_of, values)))
    parts = [path.split("/") for path in paths]
    for end in (0, -1):
        while all(len(p) > 1 and p[end] == parts[0][end] for p in parts) and len(parts) > 1:
            for p in parts:
                del p[end]
    return {path: "/".join(p) for path, p in zip(paths, parts, strict=True)}


def _by_parameter(values: dict[str, np.ndarray]) -> dict[str, list[tuple[str, np.ndarray]]]:
    """The layers of each panel, with their values as (seeds, records, channels)."""
    content: dict[str, list[tuple[str, np.ndarray]]] = {}
    for path, array in values.items():
        name, layer = path.rsplit("/", 1)[-1], layer_of(path)
        split = array.ndim > 2 and 1 < array.shape[2] <= 6
        entries = {f"{name}[{i}]": array[:, :, i] for i in range(array.shape[2])} if split else {}
        for key, entry in (entries or {name: array}).items():
            content.setdefault(key, []).append((layer, entry.reshape(*entry.shape[:2], -1)))
    return content


def _lines_of(
    epochs: np.ndarray, values: np.ndarray, look: Look, name: str, seeds: int
) -> list[Line]:
    """The lines of a layer and a seed: the values, or the median and the limits of channels."""
    median = np.median(values, axis=1)
    line = Line(epochs, median, look, name, width=1.8 if seeds == 1 else 0.9)
    if values.shape[1] == 1:
        return [line]
    line.low, line.high = np.quantile(values, [0.1, 0.9], axis=1)
    line.note = "median"
    limits = values.min(axis=1), values.max(axis=1)
    return [line, *(Line(epochs, y, look, name, width=0.5, aside=True) for y in limits)]
