"""Drawings as interactive figures of Plotly."""

from typing import Any

import numpy as np

from keras_yat._plot import _drawing, _matplotlib
from keras_yat._plot._drawing import Arrows, Contours, Drawing, Family, Line, Look, Panel

INCH = 90
"""Pixels of an inch of a drawing."""
ABOVE, BELOW, ENTRY = 80, 70, 26
"""Pixels above and below the panels, and of a row of the legend."""
SLIDER = 80


def draw(drawing: Drawing) -> Any:
    """A `plotly.graph_objects.Figure` of a drawing."""
    try:
        from plotly import graph_objects
        from plotly.subplots import make_subplots
    except ImportError as error:
        message = 'Interactive plots need Plotly: pip install "keras-yat[interactive]"'
        raise ImportError(message) from error
    rows, columns = drawing.shape
    figure = make_subplots(
        rows,
        columns,
        shared_xaxes="all" if drawing.shared else False,
        shared_yaxes="all" if drawing.shared else False,
        subplot_titles=[_html(panel.title) for panel in drawing.panels],
        horizontal_spacing=0.24 / columns,
        vertical_spacing=0.3 / rows if rows > 1 else 0.0,
    )
    for name, look in drawing.legend.items():
        figure.add_trace(_key(graph_objects, name, look), row=1, col=1)
    for index, panel in enumerate(drawing.panels):
        row, column = divmod(index, columns)
        place = {"row": row + 1, "col": column + 1}
        x_axis, y_axis = (
            next(each(**place)) for each in (figure.select_xaxes, figure.select_yaxes)
        )
        for mark in panel.marks:
            bar = _bar(mark, x_axis, y_axis)
            for trace in _traces(graph_objects, panel, mark, bar):
                figure.add_trace(trace, **place)
        _finish(x_axis, y_axis, panel, *drawing.labels(index))
    if drawing.bar is not None:
        shown = [trace for trace in figure.data if trace.type == "contour"][-1]
        shown.update(showscale=True, colorbar={"title": {"text": drawing.bar, "side": "right"}})
    _layout(figure, drawing, rows)
    return figure


def _color(look: Look) -> str:
    from matplotlib.colors import to_hex

    return to_hex(_matplotlib.color(look))


def _html(text: str) -> str:
    return text.replace("\n", "<br>")


def _traces(graph_objects, panel: Panel, mark: _drawing.Mark, bar: Any) -> list[Any]:
    if isinstance(mark, Line):
        return _line(graph_objects, mark)
    if isinstance(mark, Family):
        return _family(graph_objects, mark)
    if isinstance(mark, Contours):
        return [_contours(graph_objects, panel, mark, bar)]
    return [_arrows(graph_objects, panel, mark, bar)]


def _line(graph_objects, line: Line) -> list[Any]:
    color, single = _color(line.look), len(line.x) == 1
    same: dict[str, Any] = {"legendgroup": line.name, "showlegend": False, "x": line.x}
    traces = []
    if line.low is not None and not single:
        bounds = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        shade = f"rgba({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))}, 0.14)"
        traces = [
            graph_objects.Scatter(y=line.low, **same, **bounds),
            graph_objects.Scatter(y=line.high, fill="tonexty", fillcolor=shade, **same, **bounds),
        ]
    text = f"{line.name}, {line.note}" if line.note else line.name
    main = graph_objects.Scatter(
        y=line.y,
        name=line.name,
        mode="markers" if single else "lines",
        line={"color": color, "dash": line.look.dash, "width": line.width},
        hovertemplate=f"{_html(text)}: %{{y:.5g}}<extra></extra>",
        **same,
    )
    if single:
        main.marker = {"color": color, "symbol": "circle-open" if line.hollow else "circle"}
    if single and line.low is not None:
        below, above = line.y - line.low, line.high - line.y
        main.error_y = {"type": "data", "array": above, "arrayminus": below, "symmetric": False}
    if line.aside:
        main.hoverinfo = "skip"
        main.hovertemplate = None
    return [*traces, main]


def _family(graph_objects: Any, family: Family) -> list[Any]:
    traces = []
    for value, line in zip(family.values, family.lines, strict=True):
        for trace in _line(graph_objects, line):
            # What the slider finds it by.
            trace.update(visible=line is family.lines[-1], meta=value)
            traces.append(trace)
    return traces


def _slider(figure: Any, families: list[Family]) -> dict[str, Any]:
    """A slider that shows one line of each family."""
    members = [i for i, trace in enumerate(figure.data) if trace.meta is not None]
    steps = []
    for value in sorted({value for family in families for value in family.values}):
        arguments = [{"visible": [figure.data[i].meta == value for i in members]}, members]
        steps.append({"method": "restyle", "label": f"{value:.4g}", "args": arguments})
    words = {"prefix": f"{families[0].name} "}
    return {"steps": steps, "active": len(steps) - 1, "currentvalue": words}


def _contours(graph_objects, panel: Panel, mark: Contours, bar: dict[str, Any] | None) -> Any:
    levels = mark.resolved_levels()
    steps = {"start": levels[0], "end": levels[-1], "size": levels[1] - levels[0]}
    words = f"{panel.x} = %{{x:.4g}}<br>{panel.y} = %{{y:.4g}}<br>{mark.name} = %{{z:.5g}}"
    same = {"x": mark.x, "y": mark.y, "z": mark.values, "contours": steps}
    if not mark.filled:
        steps["coloring"] = "lines"
        gray = [[0.0, "#cccccc"], [1.0, "#cccccc"]]
        return graph_objects.Contour(
            **same, colorscale=gray, line={"width": 0.8}, showscale=False, hoverinfo="skip"
        )
    return graph_objects.Contour(
        **same,
        name=mark.name,
        colorscale=mark.colors,
        zmin=levels[0],
        zmax=levels[-1],
        line={"width": 0.4, "color": mark.edge},
        showscale=bar is not None,
        colorbar=bar,
        hovertemplate=f"{words}<extra></extra>",
    )


def _arrows(graph_objects, panel: Panel, mark: Arrows, bar: dict[str, Any] | None) -> Any:
    x, y = np.meshgrid(mark.x, mark.y)
    length, (low, high) = mark.length, _drawing.span(mark.length)
    across, up = mark.names
    words = f"{panel.x} = %{{x:.4g}}<br>{panel.y} = %{{y:.4g}}<br>{across} = %{{customdata[0]:.5g}}"
    share = np.clip(length / (high or 1.0), 0.0, 1.0)
    return graph_objects.Scatter(
        x=x.ravel(),
        y=y.ravel(),
        customdata=np.stack([mark.across.ravel(), mark.up.ravel()], axis=-1),
        mode="markers",
        marker={
            "symbol": "arrow",
            "angle": np.degrees(np.arctan2(mark.across, mark.up)).ravel(),
            "size": 4.0 + 18.0 * share.ravel(),
            "color": length.ravel(),
            "colorscale": "viridis",
            "cmin": low,
            "cmax": high,
            "showscale": True,
            "colorbar": bar,
        },
        showlegend=False,
        hovertemplate=f"{words}<br>{up} = %{{customdata[1]:.5g}}<extra></extra>",
    )


def _bar(mark: _drawing.Mark, x_axis: Any, y_axis: Any) -> dict[str, Any] | None:
    """The place of a bar of colours: beside the panel."""
    text = getattr(mark, "bar", None)
    if text is None:
        return None
    low, high = y_axis.domain
    return {
        "x": x_axis.domain[1] + 0.005,
        "y": (low + high) / 2,
        "len": high - low,
        "thickness": 14,
        "title": {"text": text, "side": "right"},
    }


def _finish(x_axis: Any, y_axis: Any, panel: Panel, x: str, y: str) -> None:
    """Scales, limits and labels of a panel."""
    for axis, text in ((x_axis, x), (y_axis, y)):
        axis.update(title={"text": text}, showgrid=panel.grid, zeroline=False)
        axis.showticklabels = True
    if panel.x_range is not None:
        x_axis.range = panel.x_range
    if panel.log:
        y_axis.update(type="log", dtick="D2")
    if panel.y_range is not None:
        y_axis.range = np.log10(panel.y_range) if panel.log else panel.y_range
    if panel.epochs is not None:
        first, last = panel.epochs
        margin = 0.015 * (last - first) or 0.5
        x_axis.range = [first - margin, last + margin]
        if last - first <= 8:
            x_axis.dtick = 1
    if panel.equal:
        y_axis.update(scaleanchor=x_axis.plotly_name.replace("axis", ""), constrain="domain")
        x_axis.constrain = "domain"


def _key(graph_objects: Any, name: str, look: Look) -> Any:
    """An entry of the legend: a line without points, in the group of the lines of that name."""
    line = {"color": _color(look), "dash": look.dash, "width": 1.8}
    return graph_objects.Scatter(
        x=[None], y=[None], mode="lines", name=name, legendgroup=name, line=line
    )


def _layout(figure: Any, drawing: Drawing, rows: int) -> None:
    marks = [mark for panel in drawing.panels for mark in panel.marks]
    lines = all(isinstance(mark, (Line, Family)) for mark in marks)
    families = [mark for mark in marks if isinstance(mark, Family) and len(mark.values) > 1]
    equal = any(panel.equal for panel in drawing.panels)
    above = ABOVE + 20 * max(panel.title.count("\n") for panel in drawing.panels)
    below = BELOW + (ENTRY * (1 + len(drawing.legend) // 6) if drawing.legend else 0)
    if families:
        below += SLIDER
        place = {"y": 0.0, "yanchor": "top", "pad": {"t": BELOW - 10}}
        figure.update_layout(sliders=[{**_slider(figure, families), **place}])
    figure.update_layout(
        template="plotly_white",
        title={"text": _html(drawing.title or ""), "x": 0.5},
        # The panels of a page that is wider would not fill it.
        width=INCH * drawing.width if equal else None,
        height=INCH * drawing.height * rows + above + below - BELOW,
        margin={"t": above, "b": below, "l": 70, "r": 40},
        hovermode="x unified" if lines else "closest",
        showlegend=bool(drawing.legend),
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": 0.0,
            "yref": "container",
            "yanchor": "bottom",
        },
    )
