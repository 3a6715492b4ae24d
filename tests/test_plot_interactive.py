"""Interactive plots: what Plotly draws against the returned arrays and Matplotlib's figure."""

import copy
import pickle
import types

import numpy as np
import pytest

from keras_yat import plot

pytestmark = pytest.mark.once


def history(start, count=4):
    loss = [start * 0.8**i for i in range(count)]
    return {"loss": loss, "val_loss": [1.1 * value for value in loss]}


def lines(figure):
    """The traces with points that have a name: neither bands, nor entries of the legend."""
    return [t for t in figure.data if t.type == "scatter" and t.name and t.x[0] is not None]


def labels(figure):
    """The labels of the axes and the titles, panel by panel, as in Matplotlib's figure."""
    titles = [note.text.replace("<br>", "\n") for note in figure.layout.annotations]
    axes = zip(figure.select_xaxes(), figure.select_yaxes(), strict=True)
    found = [(x.title.text or "", y.title.text or "") for x, y in axes]
    return [pair for pair in found if any(pair)], titles


def check(plotted, panels):
    """The interactive figure, which agrees with Matplotlib's in its words and has a page."""
    figure = plotted.interactive()
    axes = plotted.figure.axes[:panels]
    pairs, titles = labels(figure)
    assert pairs == [(axis.get_xlabel(), axis.get_ylabel()) for axis in axes]
    assert titles == [axis.get_title() for axis in axes if axis.get_title()]
    legends = [text.get_text() for each in plotted.figure.legends for text in each.get_texts()]
    assert [trace.name for trace in figure.data if trace.x[0] is None] == legends
    assert {t.legendgroup for t in lines(figure) if t.legendgroup} <= {*legends, *titles}
    title = plotted.figure.get_suptitle()
    assert figure.layout.title.text == title
    assert "<div" in figure.to_html(include_plotlyjs=False)
    return figure


def test_curves():
    plotted = plot.curves("mila", [{"beta": 1.0}, {"beta": -0.25}], points=5)
    figure, arrays = check(plotted, 3), plotted.arrays
    drawn = lines(figure)
    assert [trace.name for trace in drawn] == ["beta = 1", "beta = -0.25"] * 3
    assert [trace.legendgroup for trace in drawn] == [trace.name for trace in drawn]
    for trace, row in zip(drawn, [r for k in ("f", "f'", "f''") for r in arrays[k]], strict=True):
        np.testing.assert_array_equal(trace.x, arrays["x"])
        np.testing.assert_array_equal(trace.y, row)
    assert [trace.line.color for trace in drawn[:2]] == ["#1f77b4", "#ff7f0e"]
    assert figure.layout.yaxis.range == plotted.figure.axes[0].get_ylim()
    assert drawn[0].hovertemplate == "beta = 1: %{y:.5g}<extra></extra>"


def test_contours():
    plotted = plot.contours("relun", points=5)
    figure, arrays = check(plotted, 2), plotted.arrays
    for trace, name in zip(figure.data, ("f", "f'"), strict=True):
        np.testing.assert_array_equal(trace.x, arrays["x"])
        np.testing.assert_array_equal(trace.y, arrays["n"])
        np.testing.assert_array_equal(trace.z, arrays[name])
    assert "n = %{y:.4g}<br>f(x) = %{z:.5g}" in figure.data[0].hovertemplate
    bars = [trace.colorbar for trace in figure.data]
    assert bars[0].x < figure.layout.xaxis2.domain[0] < bars[1].x
    levels = figure.data[0].contours
    assert levels.start <= arrays["f"].min() <= arrays["f"].max() <= levels.end


def test_gradient_field():
    plotted = plot.gradient_field("mila", points=5)
    figure, arrays = check(plotted, 1), plotted.arrays
    behind, arrows = figure.data
    assert behind.z.shape == (5, 5)
    np.testing.assert_array_equal(arrows.customdata[:, 0], arrays["df/dx"].ravel())
    np.testing.assert_array_equal(arrows.customdata[:, 1], arrays["df/dbeta"].ravel())
    np.testing.assert_array_equal(arrows.x.reshape(5, 5)[0], arrays["x"])
    np.testing.assert_array_equal(arrows.y.reshape(5, 5)[:, 0], arrays["beta"])
    # Plotly's angles are clockwise from the top.
    angle, length = np.radians(arrows.marker.angle), arrows.marker.color
    np.testing.assert_allclose(length * np.sin(angle), arrays["df/dx"].ravel(), atol=1e-6)
    np.testing.assert_allclose(length * np.cos(angle), arrays["df/dbeta"].ravel(), atol=1e-6)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_landscape():
    plotted = plot.landscape(["relu", "mila"], seeds=1, layers=1, width=4, points=5)
    figure = check(plotted, 2)
    for trace, name in zip(figure.data, ("relu", "mila"), strict=True):
        np.testing.assert_array_equal(trace.z, plotted.arrays[name])
    assert [trace.showscale for trace in figure.data] == [False, True]
    assert figure.data[-1].colorbar.title.text == "output (standard deviations)"


def test_learning():
    runs = {"relu": [history(1.0), history(2.0)], "mila": history(40.0)}
    plotted = plot.learning(runs, metrics=["loss"], baseline="relu", title="A title")
    figure, arrays = check(plotted, 1), plotted.arrays
    keys = ["relu/loss", "relu/val_loss", "mila/loss", "mila/val_loss"]
    for trace, key in zip(lines(figure), keys, strict=True):
        np.testing.assert_array_equal(trace.y, arrays[key].mean(axis=0))
        assert list(trace.x) == [1, 2, 3, 4]
    assert [trace.line.dash for trace in lines(figure)] == ["dash", "solid"] * 2
    assert "relu, training" in lines(figure)[0].hovertemplate
    bands = [trace for trace in figure.data if not trace.name]
    np.testing.assert_array_equal(bands[0].y, arrays["relu/loss"].min(axis=0))
    np.testing.assert_array_equal(bands[1].y, arrays["relu/loss"].max(axis=0))
    assert {trace.legendgroup for trace in bands} == {"relu"}
    axis = plotted.figure.axes[0]
    assert figure.layout.yaxis.type == axis.get_yscale() == "log"
    np.testing.assert_allclose(10.0 ** np.array(figure.layout.yaxis.range), axis.get_ylim())
    assert figure.layout.xaxis.range == pytest.approx(axis.get_xlim())
    # A single epoch: points, with the range of the seeds.
    one = plot.learning({"a": [history(1.0, 1), history(3.0, 1)]}, metrics=["loss"]).interactive()
    training, validation = lines(one)
    assert (training.y, training.error_y.array, training.error_y.arrayminus) == (2.0, 1.0, 1.0)
    symbols = [training.marker.symbol, validation.marker.symbol]
    assert symbols == ["circle-open", "circle"]


def test_pairs():
    plotted = plot.pairs({name: history(1.0) for name in "abcdef"}, "b", title="Of b")
    figure, arrays = check(plotted, 5), plotted.arrays
    keys = [f"{n}/{k}" for each in "acdef" for n in ("b", each) for k in ("loss", "val_loss")]
    for trace, key in zip(lines(figure), keys, strict=True):
        np.testing.assert_array_equal(trace.y, arrays[key][0])
    assert len({axis.matches for axis in figure.select_yaxes()}) == 2


def test_parameters():
    values = {f"net/{i}/w": np.arange(3.0) + i for i in range(8)}
    values["net/0/alpha"] = np.arange(30.0).reshape(3, 10) ** 2
    record = types.SimpleNamespace(epochs=np.arange(3.0), history=values)
    plotted = plot.parameters(record)
    figure, arrays = check(plotted, 2), plotted.arrays
    drawn = lines(figure)
    for i, trace in enumerate(drawn[:8]):
        np.testing.assert_array_equal(trace.x, arrays["epochs"])
        np.testing.assert_array_equal(trace.y, arrays[f"net/{i}/w"])
    channels = arrays["net/0/alpha"]
    expected = [np.median(channels, axis=1), channels.min(axis=1), channels.max(axis=1)]
    np.testing.assert_array_equal([trace.y for trace in drawn[8:]], expected)
    assert [trace.hoverinfo for trace in drawn[8:]] == [None, "skip", "skip"]
    assert len({trace.line.color for trace in drawn}) == 8


def test_a_notebook_shows_a_plot():
    from IPython.core.interactiveshell import InteractiveShell

    data, _ = InteractiveShell.instance().display_formatter.format(plot.curves("mila", points=5))
    assert data["image/png"].startswith(b"\x89PNG")


def test_a_plot_is_a_pair_that_can_be_copied():
    plotted = plot.curves("mila", points=5)
    for each in (copy.copy(plotted), pickle.loads(pickle.dumps(plotted))):
        figure, arrays = each
        assert figure is each.figure
        assert arrays is each.arrays
        assert each.interactive() == plotted.interactive()
    with pytest.raises(ValueError, match="Only plots that"):
        plot.Plot(None, {}).interactive()
