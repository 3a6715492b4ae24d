"""Activations: curves, contours, gradient fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_yat import _derivative, _validate, activations
from keras_yat._plot import _panels
from keras_yat._plot._panels import Plot
from keras_yat._space import Float, Several

DERIVATIVES = {"f": "f(x)", "f'": "f′(x)", "f''": "f″(x)"}


def name_of(activation: Any) -> str:
    """What a picture calls it."""
    if activation is None or isinstance(activation, str):
        return activation or "linear"
    if isinstance(activation, keras.layers.Layer):
        return type(activation).__name__
    inner = getattr(activation, "func", activation)  # of a partial
    return getattr(inner, "__name__", type(inner).__name__)


def curves(activation, settings=None, *, derivatives=2, low=-5.0, high=5.0, points=401):
    """Draws f(x), f′(x) and f″(x) side by side, a line for each setting of the parameters.

    Slopes are the gradients that training gets, in float32. The second derivative is
    `(f′(x + h) - f′(x - h)) / 2h` with h = 0.01 (beyond |x| = 100,
    |x| / 10⁴): right to 1e-3 of its largest value
    away from kinks. At a kink it is the jump of the slope divided by 2h, and the panel
    is cut off below that.

    Args:
        activation: A name, a layer with one set of parameters, or a callable that works
            entry by entry; or a list of those, for a line each. A layer is drawn as it is
            now, and left as it is.
        settings: A list of dicts of arguments of the layer or the function, for a line
            each: `[{"beta": 1.0}, {"beta": 0.5}]`. None for the values it has, and two
            more for its first parameter, from the ends of the range in its
            `search_space`.
        derivatives: How many derivatives: 0, 1 or 2.
        low: The least x.
        high: The greatest x.
        points: How many x are computed, evenly spaced.

    Returns:
        A `Plot`, `(figure, arrays)`, with "x" of shape (points,), and "f", "f'", "f''"
        of shape (lines, points).

    Raises:
        ValueError: for an unknown name or setting, an activation whose outputs depend on
            several inputs (softmax), or an empty range.
        ImportError: without Matplotlib.

    Example:

    >>> figure, arrays = keras_yat.plot.curves("mila", [{"beta": 1.0}, {"beta": -0.25}])
    >>> arrays["f'"].shape
    (2, 401)

    Reference:
        The figures of Mila (beta = 1, 0.5, -0.25, with two derivatives) and of E. Pishchik,
        Trainable Activations for Image Classification, 2023 (three settings each).
    """
    _validate.one_of("derivatives", derivatives, (0, 1, 2))
    x = _panels.grid("", low, high, points)
    title, lines = _lines(activation, settings)
    wanted = list(DERIVATIVES)[: derivatives + 1]
    makers = {"f": _derivative.values, "f'": _derivative.slopes, "f''": _derivative.bends}
    found = {key: np.stack([makers[key](f, x) for f in lines.values()]) for key in wanted}
    figure, axes = _panels.panels(len(wanted), title, width=4.0 * max(2, len(wanted)))
    for axis, key in zip(axes, wanted, strict=True):
        styles = _panels.styles(len(lines))
        handles = [
            axis.plot(x, row, linewidth=1.8, **style)[0]
            for row, style in zip(found[key], styles, strict=True)
        ]
        bottom, top = _panels.span(found[key])
        margin = 0.06 * (top - bottom) or 0.5
        axis.set_ylim(bottom - margin, top + margin)
        axis.set_xlim(x[0], x[-1])
        _panels.label(axis, "x", DERIVATIVES[key])
    _panels.legend(figure, handles, list(lines))
    return Plot(figure, {"x": x, **found})


def contours(
    activation,
    parameter=None,
    *,
    low=-3.0,
    high=3.0,
    parameter_low=None,
    parameter_high=None,
    points=121,
):
    """Draws contours of f and of f′ over x and a parameter.

    Args:
        activation: The name of an activation with trained parameters, or its layer with
            one set of them, which gives the values of the others and is left as it is.
        parameter: The parameter's name, as "beta"; of a list the entry, as
            "coefficients[0]". None for the first.
        low: The least x.
        high: The greatest x.
        parameter_low: The least value of the parameter. None for -3, or its bound if
            that is greater. It may be out of bounds.
        parameter_high: The greatest value. None for 3, or its bound if that is less.
        points: How many values of each are computed, evenly spaced.

    Returns:
        A `Plot`, `(figure, arrays)`, with "x" and the parameter's name of shape
        (points,), and "f" and "f'" of shape (points, points), a row for each value of
        the parameter.

    Raises:
        ValueError: for an activation without trained parameters or with one set per
            channel, an unknown parameter, or an empty range.
        ImportError: without Matplotlib.

    Example:

    >>> figure, arrays = keras_yat.plot.contours("mila", points=31)
    >>> arrays["beta"].shape, arrays["f"].shape
    ((31,), (31, 31))

    Reference:
        The figures of Mila: contours over (x, beta) in [-3, 3]².
    """
    layer, parameter = _layer_and_parameter(activation, parameter)
    x = _panels.grid("", low, high, points)
    at = _parameter_grid(layer, parameter, parameter_low, parameter_high, points)
    value, slope, _ = _derivative.partials(layer, parameter, *np.meshgrid(x, at))
    figure, axes = _panels.panels(2, type(layer).__name__, height=4.6)
    for axis, values, name in zip(axes, (value, slope), ("f(x)", "f′(x)"), strict=True):
        filled = _contour(axis, x, at, values)
        _panels.label(axis, "x", parameter, name)
        _bar(figure, filled, axis)
    return Plot(figure, {"x": x, parameter: at, "f": value, "f'": slope})


def gradient_field(
    activation,
    parameter=None,
    *,
    low=-3.0,
    high=3.0,
    parameter_low=None,
    parameter_high=None,
    points=21,
):
    """Draws the gradient (∂f/∂x, ∂f/∂parameter) as arrows over x and the parameter.

    To the right is ∂f/∂x and upwards ∂f/∂parameter, whatever the units of the axes; the
    colour is the length. Behind them are contours of f.

    Args:
        activation: The name of an activation with trained parameters, or its layer with
            one set of them, which gives the values of the others and is left as it is.
        parameter: The parameter's name, as "beta"; of a list the entry, as
            "coefficients[0]". None for the first.
        low: The least x.
        high: The greatest x.
        parameter_low: The least value of the parameter. None for -3, or its bound if
            that is greater. It may be out of bounds.
        parameter_high: The greatest value. None for 3, or its bound if that is less.
        points: How many arrows there are along each axis.

    Returns:
        A `Plot`, `(figure, arrays)`, with "x" and the parameter's name of shape
        (points,), and "df/dx" and "df/d" with the parameter's name ("df/dbeta") of
        shape (points, points), a row for each value of the parameter.

    Raises:
        ValueError: for an activation without trained parameters or with one set per
            channel, an unknown parameter, or an empty range.
        ImportError: without Matplotlib.

    Example:

    >>> figure, arrays = keras_yat.plot.gradient_field("mila", points=11)
    >>> sorted(arrays)
    ['beta', 'df/dbeta', 'df/dx', 'x']

    Reference:
        The figures of Mila: the gradient field over (x, beta).
    """
    layer, parameter = _layer_and_parameter(activation, parameter)
    x = _panels.grid("", low, high, points)
    at = _parameter_grid(layer, parameter, parameter_low, parameter_high, points)
    value, by_x, by_parameter = _derivative.partials(layer, parameter, *np.meshgrid(x, at))
    figure, (axis,) = _panels.panels(1, f"{type(layer).__name__}: gradient", width=7.5, height=6.0)
    axis.contour(x, at, value, levels=15, colors="0.8", linewidths=0.8, linestyles="solid")
    axis.grid(False)
    length = np.hypot(by_x, by_parameter)
    arrows = axis.quiver(
        x, at, by_x, by_parameter, length, cmap="viridis", pivot="mid", clim=_panels.span(length)
    )
    # Half a step more, for the arrows at the edges.
    axis.set_xlim(1.5 * x[0] - 0.5 * x[1], 1.5 * x[-1] - 0.5 * x[-2])
    axis.set_ylim(1.5 * at[0] - 0.5 * at[1], 1.5 * at[-1] - 0.5 * at[-2])
    if np.isclose(x[-1] - x[0], at[-1] - at[0]):
        axis.set_aspect("equal")
    _panels.label(axis, "x", parameter)
    _bar(figure, arrows, axis, f"length of (∂f/∂x, ∂f/∂{parameter})")
    return Plot(figure, {"x": x, parameter: at, "df/dx": by_x, f"df/d{parameter}": by_parameter})


def _lines(activation, settings) -> tuple[str | None, dict[str, Any]]:
    """A title, and the functions that are drawn, by their labels."""
    if isinstance(activation, Sequence) and not isinstance(activation, str):
        if settings is not None:
            _validate.refuse("settings", "be None where there are several activations", settings)
        if not activation:
            _validate.refuse("activation", "name at least one", activation)
        labels = _panels.unique([name_of(a) for a in activation])
        copies = [_derivative.copy_of(a) for a in activation]
        return None, dict(zip(labels, copies, strict=True))
    found = activations.get(activation, "activation")
    name = name_of(found)
    if settings is None:
        settings = _spread(found)
    elif not _are_settings(settings):
        _validate.refuse("settings", "be None or a non-empty list of dicts", settings)
    labels = _panels.unique([_label(setting) or name for setting in settings])
    copies = [_derivative.copy_of(found, **setting) for setting in settings]
    return name, dict(zip(labels, copies, strict=True))


def _are_settings(settings):
    several = isinstance(settings, Sequence) and len(settings) > 0
    return several and all(isinstance(s, Mapping) for s in settings)


def _label(setting) -> str:
    def text(value):
        if isinstance(value, (list, tuple, np.ndarray)):
            return "[" + ", ".join(map(text, value)) + "]"
        return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)

    return ", ".join(f"{name} = {text(value)}" for name, value in setting.items())


def _spread(activation) -> list[dict[str, Any]]:
    """The value of the first parameter, and two others of its range, in order."""
    for name, dimension in getattr(activation, "search_space", {}).items():
        several = isinstance(dimension, Several)
        within = dimension.each if several else dimension
        if not isinstance(within, Float):
            continue
        start = np.array(keras.ops.convert_to_numpy(getattr(activation, name)), dtype=float)
        if start.ndim > several:
            return [{}]  # one set per channel, which is refused
        first = float(np.ravel(start)[0])
        within = within.within(getattr(activation, "bounds", {}).get(name))
        chosen = sorted([first, *_others(within, first)])
        if not several:
            return [{name: value} for value in chosen]
        return [{name: [value, *start[1:].tolist()]} for value in chosen]
    return [{}]


def _others(within: Float, start: float) -> list[float]:
    low, high = within.low, within.high
    middle = (low * high) ** 0.5 if within.log else (low + high) / 2
    return [v for v in (low, high, middle) if not np.isclose(v, start)][:2]


def _layer_and_parameter(activation, parameter):
    layer = _derivative.trainable(activation)
    known = _derivative.parameters_of(layer)
    return layer, known[0] if parameter is None else _validate.one_of("parameter", parameter, known)


def _parameter_grid(layer, parameter, low, high, points):
    default = Float(-3.0, 3.0).within(layer.bounds[parameter.partition("[")[0]])
    low, high = (default.low if low is None else low), (default.high if high is None else high)
    return _panels.grid("parameter_", low, high, points)


def _contour(axis, x, y, values):
    from matplotlib.ticker import MaxNLocator

    low, high = _panels.span(values)
    levels = MaxNLocator(20).tick_values(low, high if high > low else low + 1.0)
    beyond = np.nanmin(values) < levels[0], np.nanmax(values) > levels[-1]
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[beyond]
    filled = axis.contourf(x, y, values, levels=levels, cmap="viridis", extend=extend)
    axis.contour(
        x, y, values, levels, colors="white", linewidths=0.4, alpha=0.6, linestyles="solid"
    )
    return filled


def _bar(figure, drawn, axis, text=""):
    bar = figure.colorbar(drawn, ax=axis)
    bar.ax.tick_params(labelsize=_panels.TICK)
    bar.set_label(text, fontsize=_panels.LABEL)
