"""Parts of all plots: figures and panels, legends, line styles, bands, ranges and grids."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_yat import _validate

TITLE, LABEL, TICK = 14, 12, 10
WIDTH = 11.0


class Plot(NamedTuple):
    """A figure and the data drawn in it."""

    figure: Any
    """A `matplotlib.figure.Figure`."""
    arrays: dict[str, np.ndarray]
    """The data, by name."""


def panels(
    count: int,
    title: str | None,
    *,
    columns: int | None = None,
    width: float = WIDTH,
    height: float = 4.2,
    shared: bool = False,
) -> tuple[Any, list[Any]]:
    """A figure `width` inches wide with `count` panels in rows `height` inches high."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        message = 'Plots need Matplotlib: pip install "keras-yat[plot]"'
        raise ImportError(message) from error
    columns = min(count, columns or count)
    rows = -(-count // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(width, height * rows + 0.4), layout=layout)
    every = figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared)
    axes = list(every.flat)
    if title:
        figure.suptitle(title, fontsize=TITLE)
    for axis in axes:
        axis.grid(color="0.92")
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=TICK, labelbottom=True)
        axis.yaxis.get_major_formatter().set_useOffset(False)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def label(axis: Any, x: str, y: str, title: str = "") -> None:
    """Sets the axis labels and the title of a panel."""
    axis.set_xlabel(x, fontsize=LABEL)
    axis.set_ylabel(y, fontsize=LABEL)
    if title:
        axis.set_title(title, fontsize=LABEL)


def legend(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Adds a legend below all panels, in as many columns as fit."""
    # Width of an entry in inches: the line with its padding, and each letter.
    room = figure.get_figwidth() / (0.6 + 0.08 * max(map(len, labels)))
    columns = max(1, min(len(labels), int(room)))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.23 * (rows - 1))
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        fontsize=TICK + 1,
        frameon=False,
    )


def styles(count: int, ordered: bool = False) -> list[dict[str, Any]]:
    """Styles of `count` lines: ten colours, first solid, then dashed, then dotted.

    More than six `ordered` lines get colours of a continuous colour map.
    """
    if ordered and count > 6:
        from matplotlib import colormaps

        return [{"color": colormaps["viridis"](i / (count - 1) * 0.93)} for i in range(count)]
    dashes = ("-", (0, (5, 1.5)), (0, (1, 1)))
    return [{"color": f"C{i % 10}", "linestyle": dashes[i // 10 % 3]} for i in range(count)]


def draw_seeds(axis: Any, x: np.ndarray, rows: np.ndarray, **style: Any) -> Any:
    """Draws the mean of `rows`, one per seed, with a band from the smallest to the largest."""
    (line,) = axis.plot(x, rows.mean(axis=0), **{"linewidth": 1.8, **dots(x), **style})
    if len(rows) > 1:
        edges = rows.min(axis=0), rows.max(axis=0)
        if len(x) == 1:
            axis.vlines(x, *edges, color=line.get_color(), alpha=0.5)
        else:
            axis.fill_between(x, *edges, color=line.get_color(), alpha=0.14, linewidth=0)
    return line


def dots(x: np.ndarray) -> dict[str, Any]:
    """A marker for a single point, which has no visible line."""
    return {"marker": "o"} if len(x) == 1 else {}


def whole_epochs(axis: Any, first: float, last: float) -> None:
    """Sets the x axis to epochs `first` to `last`, with ticks at integers."""
    from matplotlib.ticker import MaxNLocator

    if first == last:
        axis.set_xlim(first - 0.5, first + 0.5)
        axis.set_xticks([first])
        return
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    margin = 0.015 * (last - first)
    axis.set_xlim(first - margin, last + margin)


def logarithmic(axis: Any) -> None:
    """Makes the y axis logarithmic, with ticks at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def outer_labels(axes: Sequence[Any]) -> None:
    """Keeps y labels in the first column only, and x labels in the lowest panel of a column."""
    for axis in axes:
        place = axis.get_subplotspec()
        if not place.is_first_col():
            axis.set_ylabel("")
        below = place.rowspan.start + 1, place.colspan.start
        taken = {
            (o.get_subplotspec().rowspan.start, o.get_subplotspec().colspan.start) for o in axes
        }
        if below in taken:
            axis.set_xlabel("")


def span(values: np.ndarray, share: float = 0.01) -> tuple[float, float]:
    """The range of the finite `values`, or of their quantiles if outliers more than triple it."""
    found = values[np.isfinite(values)]
    if not found.size:
        return 0.0, 1.0
    low, high = float(found.min()), float(found.max())
    bottom, top = map(float, np.quantile(found, [share, 1.0 - share]))
    if high - low > 3.0 * (top - bottom) > 0.0:
        return bottom, top
    return low, high


def unique(labels: Sequence[str]) -> list[str]:
    """`labels`, with a number appended to each repetition."""
    taken: list[str] = []
    for name in labels:
        count = 1
        while (found := name if count == 1 else f"{name} ({count})") in taken:
            count += 1
        taken.append(found)
    return taken


def grid(name: str, low: Any, high: Any, points: Any) -> np.ndarray:
    """`points` evenly spaced float32 numbers from `low` to `high`."""
    ends = _validate.number(f"{name}low", low), _validate.number(f"{name}high", high)
    if ends[0] >= ends[1]:
        _validate.invalid_argument(
            f"{name}low", f"be less than `{name}high`", low, **{f"{name}high": high}
        )
    if _validate.count("points", points) < 3:
        _validate.invalid_argument("points", "be an int of at least 3", points)
    return np.linspace(*ends, points, dtype="float32")
