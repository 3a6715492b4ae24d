"""The description of a plot, which `_matplotlib` and `_plotly` draw, and `Plot`, their result."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_yat import _validate

WIDTH = 11.0


class Look(NamedTuple):
    """The look of a line."""

    color: str | float
    """A name of Matplotlib, such as "C0" or "black", or a place in [0, 1] of viridis."""
    dash: str = "solid"
    """ "solid", "dash" or "dot"."""


@dataclasses.dataclass
class Line:
    """A line, with a band from `low` to `high` around it."""

    x: np.ndarray
    y: np.ndarray
    look: Look
    name: str
    """The entry of the legend."""
    note: str = ""
    """What distinguishes the line from others of that name."""
    width: float = 1.8
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    hollow: bool = False
    """Whether the marker of a single point is hollow."""
    aside: bool = False
    """Whether the line is a thin limit beside another one of that name."""


@dataclasses.dataclass
class Family:
    """Lines of which one is shown: the last, or the one that a slider for all panels selects."""

    lines: list[Line]
    values: list[float]
    name: str
    """What the values are, such as "epoch"."""


@dataclasses.dataclass
class Contours:
    """Contours of `values`, one row per y, filled or as lines."""

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    name: str
    colors: str = "viridis"
    """The colour map of filled contours."""
    edge: str = "white"
    """The colour of the lines."""
    filled: bool = True
    levels: Any = None
    """An array; None for about 20 round numbers, or 15 for lines."""
    bar: str | None = None
    """The label of a bar of colours beside the panel; None for no bar."""

    def resolved_levels(self) -> Any:
        from matplotlib.ticker import MaxNLocator

        if self.levels is not None:
            return self.levels
        low, high = span(self.values)
        count = 20 if self.filled else 16
        return MaxNLocator(count).tick_values(low, high if high > low else low + 1.0)


@dataclasses.dataclass
class Arrows:
    """Arrows with the components `across` and `up`, one row per y; colours show the length."""

    x: np.ndarray
    y: np.ndarray
    across: np.ndarray
    up: np.ndarray
    names: tuple[str, str]
    """What the components are."""
    bar: str

    @property
    def length(self) -> np.ndarray:
        return np.hypot(self.across, self.up)


Mark = Line | Family | Contours | Arrows


@dataclasses.dataclass
class Panel:
    """Axes, with what is drawn in them."""

    x: str
    y: str
    title: str = ""
    marks: list[Mark] = dataclasses.field(default_factory=list)
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log: bool = False
    """Whether the y axis is logarithmic, with ticks at 1, 2 and 5 times powers of ten."""
    epochs: tuple[float, float] | None = None
    """The first and the last epoch of the x axis, whose ticks are whole numbers."""
    equal: bool = False
    """Whether a unit of x is as long as a unit of y."""
    grid: bool = True


@dataclasses.dataclass
class Drawing:
    """Panels in rows, a title above and a legend below."""

    panels: list[Panel]
    title: str | None = None
    legend: dict[str, Look] = dataclasses.field(default_factory=dict)
    columns: int | None = None
    """The number of panels of a row; None for all."""
    width: float = WIDTH
    """In inches."""
    height: float = 4.2
    """Of a row, in inches."""
    shared: bool = False
    """Whether all panels have the same axes, with labels at the outer ones alone."""
    bar: str | None = None
    """The label of one bar of colours for all panels; None for no such bar."""

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        columns = min(len(self.panels), self.columns or len(self.panels))
        return -(-len(self.panels) // columns), columns

    def labels(self, index: int) -> tuple[str, str]:
        """The labels of the axes of a panel."""
        panel, columns = self.panels[index], self.shape[1]
        inner = self.shared and index % columns > 0
        above = self.shared and index + columns < len(self.panels)
        return "" if above else panel.x, "" if inner else panel.y


class _Pair(NamedTuple):
    figure: Any
    """A `matplotlib.figure.Figure`."""
    arrays: dict[str, np.ndarray]
    """The data, by name."""


class Plot(_Pair):
    """A figure and the data drawn in it, which the functions of `keras_yat.plot` return.

    A pair: `figure, arrays = plot`. A notebook shows it at the end of a cell.

    Args:
        figure: A `matplotlib.figure.Figure`.
        arrays: The data, by name.
        drawing: The description of the figure, or None: `interactive` needs it.

    Example:

    >>> plot = keras_yat.plot.curves("mila", points=5)
    >>> plot.arrays["x"].shape
    (5,)
    >>> plot.figure.savefig("mila.png")

    Reference:
        This package.
    """

    def __new__(
        cls, figure: Any, arrays: dict[str, np.ndarray], drawing: Drawing | None = None
    ) -> "Plot":
        made = super().__new__(cls, figure, arrays)
        made._drawing = drawing
        return made

    _drawing: Drawing | None

    def _repr_png_(self) -> bytes:
        """The picture: what a notebook shows of a plot at the end of a cell."""
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=100)
        return file.getvalue()

    def interactive(self) -> Any:
        """The same plot as a `plotly.graph_objects.Figure`, to zoom and to read values from.

        It draws the arrays of the plot: nothing is computed again. Values are shown where the
        pointer is. A click on an entry of the legend hides its lines in all panels, a double
        click all others. `figure.show()` opens it, and
        `figure.write_html("name.html", include_plotlyjs="cdn")` writes a page.

        Returns:
            A `plotly.graph_objects.Figure`.

        Raises:
            ImportError: If Plotly is not installed.

        Example:

        >>> figure = keras_yat.plot.curves("mila", points=5).interactive()
        >>> figure.data[0].name
        'beta = -2'

        Reference:
            This package.
        """
        from keras_yat._plot import _plotly

        if self._drawing is None:
            raise ValueError("Only plots that `keras_yat.plot` has made can be interactive.")
        return _plotly.draw(self._drawing)


def plot(drawing: Drawing, arrays: dict[str, np.ndarray]) -> Plot:
    """The plot of a drawing."""
    from keras_yat._plot import _matplotlib

    return Plot(_matplotlib.draw(drawing), arrays, drawing)


def styles(count: int, ordered: bool = False) -> list[Look]:
    """Looks of `count` lines: ten colours, first solid, then dashed, then dotted.

    More than six `ordered` lines get colours of a continuous colour map.
    """
    if ordered and count > 6:
        return [Look(i / (count - 1) * 0.93) for i in range(count)]
    dashes = ("solid", "dash", "dot")
    return [Look(f"C{i % 10}", dashes[i // 10 % 3]) for i in range(count)]


def seeds_line(x: np.ndarray, rows: np.ndarray, look: Look, name: str, **kwargs: Any) -> Line:
    """The mean of `rows`, one per seed, with a band from the smallest to the largest."""
    low, high = (rows.min(axis=0), rows.max(axis=0)) if len(rows) > 1 else (None, None)
    return Line(x, rows.mean(axis=0), look, name, low=low, high=high, **kwargs)


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
