"""Contours and gradient fields of activations over x and a parameter."""

from typing import Any

import numpy as np

from keras_yat import _derivative, _validate
from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Arrows, Contours, Drawing, Panel, Plot
from keras_yat._space import Float


def contours(
    activation: Any,
    parameter: str | None = None,
    *,
    low: float = -3.0,
    high: float = 3.0,
    parameter_low: float | None = None,
    parameter_high: float | None = None,
    points: int = 121,
) -> Plot:
    """Draws contours of f and of f′ over x and a parameter.

    Args:
        activation: The name of an activation with trained parameters, or a layer with one
            set of parameters. The other parameters keep the layer's values; the layer does
            not change.
        parameter: Name of the parameter, such as "beta", or of an entry of a list, such as
            "coefficients[0]". None for the first.
        low: Lower end of x.
        high: Upper end of x.
        parameter_low: Lower end of the parameter; it may be out of bounds. None for -3, or
            the lower bound if that is greater.
        parameter_high: Upper end of the parameter; it may be out of bounds. None for 3, or
            the upper bound if that is less.
        points: Number of evenly spaced values of x, and of the parameter.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are "x" and the parameter's name, of shape
        (points,), and "f" and "f'", of shape (points, points), with one row per value of
        the parameter.

    Raises:
        ValueError: If the activation has no trained parameters or one set per channel, the
            parameter is unknown, or a range is empty.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> figure, arrays = keras_yat.plot.contours("mila", points=31)
    >>> arrays["beta"].shape, arrays["f"].shape
    ((31,), (31, 31))

    Reference:
        The figures of Mila: contours over (x, beta) in [-3, 3]².
    """
    layer, parameter = _layer_and_parameter(activation, parameter)
    x = _drawing.grid("", low, high, points)
    at = _parameter_grid(layer, parameter, parameter_low, parameter_high, points)
    value, slope, _ = _derivative.partials(layer, parameter, *np.meshgrid(x, at))
    panels = [
        Panel("x", parameter, name, [Contours(x, at, values, name, bar="")])
        for name, values in (("f(x)", value), ("f′(x)", slope))
    ]
    drawing = Drawing(panels, type(layer).__name__, height=4.6)
    return _drawing.plot(drawing, {"x": x, parameter: at, "f": value, "f'": slope})


def gradient_field(
    activation: Any,
    parameter: str | None = None,
    *,
    low: float = -3.0,
    high: float = 3.0,
    parameter_low: float | None = None,
    parameter_high: float | None = None,
    points: int = 21,
) -> Plot:
    """Draws the gradient (∂f/∂x, ∂f/∂parameter) as arrows over x and the parameter.

    The horizontal component of an arrow is ∂f/∂x and the vertical one ∂f/∂parameter,
    whatever the units of the axes. The colour shows the length. Contours of f are drawn
    behind the arrows.

    Args:
        activation: The name of an activation with trained parameters, or a layer with one
            set of parameters. The other parameters keep the layer's values; the layer does
            not change.
        parameter: Name of the parameter, such as "beta", or of an entry of a list, such as
            "coefficients[0]". None for the first.
        low: Lower end of x.
        high: Upper end of x.
        parameter_low: Lower end of the parameter; it may be out of bounds. None for -3, or
            the lower bound if that is greater.
        parameter_high: Upper end of the parameter; it may be out of bounds. None for 3, or
            the upper bound if that is less.
        points: Number of arrows along each axis.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are "x" and the parameter's name, of shape
        (points,), and "df/dx" and "df/d" followed by the parameter's name ("df/dbeta"), of
        shape (points, points), with one row per value of the parameter.

    Raises:
        ValueError: If the activation has no trained parameters or one set per channel, the
            parameter is unknown, or a range is empty.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> figure, arrays = keras_yat.plot.gradient_field("mila", points=11)
    >>> sorted(arrays)
    ['beta', 'df/dbeta', 'df/dx', 'x']

    Reference:
        The figures of Mila: the gradient field over (x, beta).
    """
    layer, parameter = _layer_and_parameter(activation, parameter)
    x = _drawing.grid("", low, high, points)
    at = _parameter_grid(layer, parameter, parameter_low, parameter_high, points)
    value, by_x, by_parameter = _derivative.partials(layer, parameter, *np.meshgrid(x, at))
    behind = Contours(x, at, value, "f(x)", edge="0.8", filled=False)
    bar = f"length of (∂f/∂x, ∂f/∂{parameter})"
    names = "∂f/∂x", f"∂f/∂{parameter}"
    panel = Panel(
        "x",
        parameter,
        marks=[behind, Arrows(x, at, by_x, by_parameter, names, bar)],
        # A margin of half a step, for the arrows at the edges.
        x_range=(1.5 * x[0] - 0.5 * x[1], 1.5 * x[-1] - 0.5 * x[-2]),
        y_range=(1.5 * at[0] - 0.5 * at[1], 1.5 * at[-1] - 0.5 * at[-2]),
        equal=bool(np.isclose(x[-1] - x[0], at[-1] - at[0])),
        grid=False,
    )
    drawing = Drawing([panel], f"{type(layer).__name__}: gradient", width=7.5, height=6.0)
    arrays = {"x": x, parameter: at, "df/dx": by_x, f"df/d{parameter}": by_parameter}
    return _drawing.plot(drawing, arrays)


def _layer_and_parameter(activation, parameter):
    layer = _derivative.trainable(activation)
    known = _derivative.parameters_of(layer)
    return layer, known[0] if parameter is None else _validate.one_of("parameter", parameter, known)


def _parameter_grid(layer, parameter, low, high, points):
    default = Float(-3.0, 3.0).within(layer.bounds[parameter.partition("[")[0]])
    low, high = (default.low if low is None else low), (default.high if high is None else high)
    return _drawing.grid("parameter_", low, high, points)
