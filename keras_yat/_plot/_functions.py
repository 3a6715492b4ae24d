"""Curves of activations and of their derivatives."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_yat import _derivative, _validate, activations
from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Drawing, Line, Look, Panel, Plot
from keras_yat._space import Float, FloatList

DERIVATIVES = {"f": "f(x)", "f'": "f′(x)", "f''": "f″(x)"}


def name_of(activation: Any) -> str:
    """The name of an activation in legends and titles."""
    if activation is None or isinstance(activation, str):
        return activation or "linear"
    if isinstance(activation, keras.layers.Layer):
        return type(activation).__name__
    inner = getattr(activation, "func", activation)  # of a partial
    return getattr(inner, "__name__", type(inner).__name__)


def curves(
    activation: Any,
    settings: Any = None,
    *,
    derivatives: int = 2,
    low: float = -5.0,
    high: float = 5.0,
    points: int = 401,
) -> Plot:
    """Draws f(x), f′(x) and f″(x) side by side, with one line per setting of the parameters.

    Slopes are the gradients that training computes, in float32. The second derivative is
    the central difference `(f′(x + h) - f′(x - h)) / 2h` with h = 0.01, or |x| / 10⁴ beyond
    |x| = 100. Away from kinks its error is at most 1e-3 of its largest value. At a kink it
    is the jump of the slope divided by 2h, and the panel is cut off below that value.

    Args:
        activation: A name, a layer with one set of parameters, or an elementwise callable;
            or a list of these, with one line each. A layer is drawn with its current
            parameters and does not change.
        settings: A list of dicts of arguments of the layer or function, with one line each:
            `[{"beta": 1.0}, {"beta": 0.5}]`. None for the current values and two other
            values of the first parameter, taken from the ends of its range in
            `search_space`.
        derivatives: Number of derivatives: 0, 1 or 2.
        low: Lower end of x.
        high: Upper end of x.
        points: Number of evenly spaced values of x.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are "x", of shape (points,), and "f", "f'"
        and "f''", of shape (lines, points).

    Raises:
        ValueError: If a name or setting is unknown, an output of the activation depends on
            several inputs (softmax), or the range is empty.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> figure, arrays = keras_yat.plot.curves("mila", [{"beta": 1.0}, {"beta": -0.25}])
    >>> arrays["f'"].shape
    (2, 401)

    Reference:
        The figures of Mila (beta = 1, 0.5, -0.25, with two derivatives) and of E. Pishchik,
        Trainable Activations for Image Classification, 2023 (three settings each).
    """
    _validate.one_of("derivatives", derivatives, (0, 1, 2))
    x = _drawing.grid("", low, high, points)
    title, lines = _lines(activation, settings)
    wanted = list(DERIVATIVES)[: derivatives + 1]
    makers = {
        "f": _derivative.values,
        "f'": _derivative.slopes,
        "f''": _derivative.second_derivative,
    }
    found = {key: np.stack([makers[key](f, x) for f in lines.values()]) for key in wanted}
    looks = dict(zip(lines, _drawing.styles(len(lines)), strict=True))
    panels = [_panel(x, found[key], looks, DERIVATIVES[key]) for key in wanted]
    drawing = Drawing(panels, title, looks, width=4.0 * max(2, len(wanted)))
    return _drawing.plot(drawing, {"x": x, **found})


def _panel(x: np.ndarray, rows: np.ndarray, looks: dict[str, Look], label: str) -> Panel:
    bottom, top = _drawing.span(rows)
    margin = 0.06 * (top - bottom) or 0.5
    lines = [
        Line(x, row, look, name) for row, (name, look) in zip(rows, looks.items(), strict=True)
    ]
    ranges = (x[0], x[-1]), (bottom - margin, top + margin)
    return Panel("x", label, "", [*lines], *ranges)


def _lines(activation, settings) -> tuple[str | None, dict[str, Any]]:
    """The title, and a dict from labels to the functions to draw."""
    if isinstance(activation, Sequence) and not isinstance(activation, str):
        if settings is not None:
            _validate.invalid_argument(
                "settings", "be None where there are several activations", settings
            )
        if not activation:
            _validate.invalid_argument("activation", "name at least one", activation)
        labels = _drawing.unique([name_of(a) for a in activation])
        copies = [_derivative.copy_of(a) for a in activation]
        return None, dict(zip(labels, copies, strict=True))
    found = activations.get(activation, "activation")
    name = name_of(found)
    if settings is None:
        settings = _sample_settings(found)
    elif not _are_settings(settings):
        _validate.invalid_argument("settings", "be None or a non-empty list of dicts", settings)
    labels = _drawing.unique([_label(setting) or name for setting in settings])
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


def _sample_settings(activation) -> list[dict[str, Any]]:
    """The current value of the first parameter and two other values of its range, sorted."""
    for name, dimension in getattr(activation, "search_space", {}).items():
        several = isinstance(dimension, FloatList)
        within = dimension.each if several else dimension
        if not isinstance(within, Float):
            continue
        start = np.array(keras.ops.convert_to_numpy(getattr(activation, name)), dtype=float)
        if start.ndim > several:
            return [{}]  # one set per channel: `copy_of` raises the error
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
