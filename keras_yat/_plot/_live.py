"""The picture of `keras_yat.callbacks.LivePlot`."""

from typing import Any

import numpy as np

from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Drawing, Family, Line, Look, Panel, Plot
from keras_yat._plot._parameters import layer_of, parameter_panels

START = Look("black")
"""The look of the responses at the first record."""
MOMENTS = 50
"""The largest number of histograms of a layer that a slider shows."""


def live(
    epochs: np.ndarray,
    parameters: dict[str, np.ndarray],
    dead: dict[str, np.ndarray],
    histograms: dict[str, tuple[np.ndarray, np.ndarray]],
) -> Plot:
    """Parameters and dead units over the epochs, and histograms of responses.

    Args:
        epochs: The times of the records.
        parameters: A dict from paths to values, (records, …).
        dead: A dict from layers to fractions of dead units, (records,).
        histograms: A dict from layers to counts, (records, bins), and edges, (records, bins + 1).
    """
    known = {name: rows for name, rows in dead.items() if np.isfinite(rows).any()}
    labels = _labels(parameters, known)
    names = list(dict.fromkeys([*labels.values(), *known]))
    looks = dict(zip(names, _drawing.styles(len(names)), strict=True))
    values = {path: np.asarray(each, "float64")[None] for path, each in parameters.items()}
    panels = parameter_panels(epochs, values, labels, looks) if values else []
    if known:
        panels.append(_dead_panel(epochs, known, looks))
    for name in known:
        panels.append(_histogram(name, *histograms[name], epochs, looks[name]))
    legend = dict(looks)
    starts = {mark.name for p in panels for mark in p.marks if isinstance(mark, Line)}
    legend |= dict.fromkeys(sorted(starts - legend.keys()), START)
    arrays: dict[str, np.ndarray] = {"epochs": epochs, **parameters}
    for name in known:
        counts, edges = histograms[name]
        arrays |= {f"{name}/dead": dead[name], f"{name}/counts": counts, f"{name}/edges": edges}
    columns = min(4, len(panels))
    size: dict[str, Any] = {"width": max(8.0, 3.8 * columns), "height": 3.2}
    title = f"Epoch {epochs[-1]:.4g}"
    return _drawing.plot(Drawing(panels, title, legend, columns, **size), arrays)


def _labels(parameters: dict[str, np.ndarray], known: dict[str, Any]) -> dict[str, str]:
    """A dict from the paths of layers with parameters to names, as of the responses if possible."""
    paths = list(dict.fromkeys(map(layer_of, parameters)))
    last = [path.rpartition("/")[2] for path in paths]
    return {
        path: name if name in known and last.count(name) == 1 else path
        for path, name in zip(paths, last, strict=True)
    }


def _dead_panel(epochs: np.ndarray, dead: dict[str, np.ndarray], looks: dict[str, Look]) -> Panel:
    lines: list[Any] = [Line(epochs, rows, looks[name], name) for name, rows in dead.items()]
    top = max(0.1, float(np.nanmax([np.nanmax(rows) for rows in dead.values()])))
    ends = float(epochs[0]), float(epochs[-1])
    label = "fraction of dead units"
    return Panel("epoch", label, marks=lines, y_range=(-0.04 * top, 1.06 * top), epochs=ends)


def _histogram(
    name: str, counts: np.ndarray, edges: np.ndarray, epochs: np.ndarray, look: Look
) -> Panel:
    rows = np.flatnonzero(np.isfinite(edges[:, 0]))
    # Spread over the records, with the first and the last one.
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOMENTS).round().astype(int))]
    lines = [_stairs(counts[row], edges[row], look, name) for row in rows]
    for line in lines:
        line.low, line.high = np.zeros_like(line.y), line.y
    marks: list[Any] = [Family(lines, epochs[rows].tolist(), "epoch")]
    if len(rows) > 1:
        start = f"responses at epoch {epochs[rows[0]]:g}"
        marks.insert(0, _stairs(counts[rows[0]], edges[rows[0]], START, start, width=0.7))
    # A value that is very frequent, such as the 0 of ReLU, would flatten all others.
    ordered = np.sort(lines[-1].y[::2])
    top = float(min(ordered[-1], 3.0 * ordered[-2]) or ordered[-1] or 1.0)
    return Panel("response", "density", name, marks, y_range=(0.0, 1.1 * top))


def _stairs(
    counts: np.ndarray, edges: np.ndarray, look: Look, name: str, width: float = 1.2
) -> Line:
    density = counts / max(counts.sum(), 1.0) / np.diff(edges)
    return Line(np.repeat(edges, 2)[1:-1], np.repeat(density, 2), look, name, width=width)
