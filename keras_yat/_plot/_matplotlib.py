"""Drawings as figures of Matplotlib."""

from typing import Any

import numpy as np

from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Arrows, Contours, Drawing, Family, Line, Look, Panel

TITLE, LABEL, TICK = 14, 12, 10
DASHES: dict[str, Any] = {"solid": "-", "dash": (0, (5, 1.5)), "dot": (0, (1, 1))}


def draw(drawing: Drawing) -> Any:
    """A `matplotlib.figure.Figure` of a drawing, independent of `matplotlib.pyplot`."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        message = 'Plots need Matplotlib: pip install "keras-yat[plot]"'
        raise ImportError(message) from error
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    rows, columns = drawing.shape
    figure = Figure(figsize=(drawing.width, drawing.height * rows + 0.4), layout=layout)
    shared = drawing.shared
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).flat)
    if drawing.title:
        figure.suptitle(drawing.title, fontsize=TITLE)
    count = len(drawing.panels)
    for index, (axis, panel) in enumerate(zip(axes[:count], drawing.panels, strict=True)):
        drawn = [_draw_mark(figure, axis, mark) for mark in panel.marks]
        _finish(axis, panel, *drawing.labels(index))
    for axis in axes[count:]:
        axis.remove()
    if drawing.bar is not None:
        bar = figure.colorbar(drawn[-1], ax=axes[:count], shrink=0.8)
        bar.set_label(drawing.bar, fontsize=LABEL)
    if drawing.legend:
        _legend(figure, drawing.legend)
    return figure


def color(look: Look) -> Any:
    """The colour of a look, as Matplotlib takes it."""
    if isinstance(look.color, str):
        return look.color
    from matplotlib import colormaps

    return colormaps["viridis"](look.color)


def _style(look: Look) -> dict[str, Any]:
    return {"color": color(look), "linestyle": DASHES[look.dash]}


def _draw_mark(figure: Any, axis: Any, mark: _drawing.Mark) -> Any:
    if isinstance(mark, Family):
        mark = mark.lines[-1]
    if isinstance(mark, Line):
        return _line(axis, mark)
    drawn = _contours(axis, mark) if isinstance(mark, Contours) else _arrows(axis, mark)
    if mark.bar is not None:
        bar = figure.colorbar(drawn, ax=axis)
        bar.ax.tick_params(labelsize=TICK)
        bar.set_label(mark.bar, fontsize=LABEL)
    return drawn


def _line(axis: Any, line: Line) -> None:
    # A single point has no visible line.
    dots: dict[str, Any] = {"marker": "o"} if len(line.x) == 1 else {}
    if dots and line.hollow:
        dots["markerfacecolor"] = "white"
    axis.plot(line.x, line.y, linewidth=line.width, **dots, **_style(line.look))
    if line.low is None:
        return
    if len(line.x) == 1:
        axis.vlines(line.x, line.low, line.high, color=color(line.look), alpha=0.5)
    else:
        shade = {"color": color(line.look), "alpha": 0.14, "linewidth": 0}
        axis.fill_between(line.x, line.low, line.high, **shade)


def _contours(axis: Any, mark: Contours) -> Any:
    levels = mark.resolved_levels()
    if not mark.filled:
        look = {"colors": mark.edge, "linewidths": 0.8}
        return axis.contour(mark.x, mark.y, mark.values, levels, linestyles="solid", **look)
    beyond = np.nanmin(mark.values) < levels[0], np.nanmax(mark.values) > levels[-1]
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    filled = axis.contourf(
        mark.x,
        mark.y,
        mark.values,
        levels=levels,
        cmap=mark.colors,
        # A bar for all panels is that of the last one.
        extend=extend if mark.levels is None else "both",
    )
    look = {"colors": mark.edge, "linewidths": 0.45, "alpha": 0.6, "linestyles": "solid"}
    axis.contour(mark.x, mark.y, mark.values, levels, **look)
    return filled


def _arrows(axis: Any, mark: Arrows) -> Any:
    length = mark.length
    look = {"cmap": "viridis", "pivot": "mid", "clim": _drawing.span(length)}
    return axis.quiver(mark.x, mark.y, mark.across, mark.up, length, **look)


def _finish(axis: Any, panel: Panel, x: str, y: str) -> None:
    """Grid, scales, limits and labels of a panel."""
    if panel.grid:
        axis.grid(color="0.92")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=TICK, labelbottom=True)
    if panel.log:
        _logarithmic(axis)
    else:
        axis.yaxis.get_major_formatter().set_useOffset(False)
    if panel.x_range is not None:
        axis.set_xlim(*panel.x_range)
    if panel.y_range is not None:
        axis.set_ylim(*panel.y_range)
    if panel.epochs is not None:
        _whole_epochs(axis, *panel.epochs)
    if panel.equal:
        axis.set_aspect("equal")
    axis.set_xlabel(x, fontsize=LABEL)
    axis.set_ylabel(y, fontsize=LABEL)
    if panel.title:
        axis.set_title(panel.title, fontsize=LABEL)


def _whole_epochs(axis: Any, first: float, last: float) -> None:
    from matplotlib.ticker import MaxNLocator

    if first == last:
        axis.set_xlim(first - 0.5, first + 0.5)
        axis.set_xticks([first])
        return
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    margin = 0.015 * (last - first)
    axis.set_xlim(first - margin, last + margin)


def _logarithmic(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _legend(figure: Any, looks: dict[str, Look]) -> None:
    """Adds a legend below all panels, in as many columns as fit."""
    from matplotlib.lines import Line2D

    # Width of an entry in inches: the line with its padding, and each letter.
    room = figure.get_figwidth() / (0.6 + 0.08 * max(map(len, looks)))
    columns = max(1, min(len(looks), int(room)))
    rows = -(-len(looks) // columns)
    figure.set_figheight(figure.get_figheight() + 0.23 * (rows - 1))
    handles = [Line2D([], [], linewidth=1.8, **_style(look)) for look in looks.values()]
    place = {"loc": "outside lower center", "fontsize": TICK + 1, "frameon": False}
    figure.legend(handles, list(looks), ncols=columns, **place)
