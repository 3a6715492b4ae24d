"""Plots: the drawn data against the returned arrays, and both against their definitions."""

import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat import plot
from keras_yat._plot import _landscape, _training
from tests import reference

pytestmark = pytest.mark.once


def lines(axis):
    """The drawn lines, without the empty lines of the legend."""
    return [line.get_ydata() for line in axis.lines if len(line.get_ydata())]


def test_curves_draw_what_they_return():
    settings = [{"beta": 1.0}, {"beta": -0.25}]
    figure, arrays = plot.curves("mila", settings, low=-2.0, high=2.0, points=5)
    assert list(arrays) == ["x", "f", "f'", "f''"]
    for axis, name in zip(figure.axes, ("f", "f'", "f''"), strict=True):
        np.testing.assert_array_equal(lines(axis), arrays[name])
        np.testing.assert_array_equal(axis.lines[0].get_xdata(), arrays["x"])
        assert np.all(np.isfinite(arrays[name]))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["beta = 1", "beta = -0.25"]
    x = arrays["x"].astype("float64")
    np.testing.assert_allclose(arrays["f"][0], reference.mila(x, 1.0), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "labels"),
    [
        ("mila", ["beta = -2", "beta = -0.25", "beta = 1"]),
        (keras_yat.Mila(1.0), ["beta = -2", "beta = -0.5", "beta = 1"]),
        (keras_yat.ReLUN(bounds={"n": (1.0, 4.0)}), ["n = 1", "n = 2", "n = 4"]),
        ("soft_tanh", ["power = 0.25", "power = 1", "power = 4"]),
        ("helu", ["HELU"]),
        (["relu", keras_yat.Nami(), "relu"], ["relu", "Nami", "relu (2)"]),
        (
            keras_yat.LinComb(functions=["relu", "tanh"]),
            [f"coefficients = [{first}, 0.5]" for first in ("-1", "0.5", "1")],
        ),
    ],
    ids=["start", "at-the-end", "bounds", "argument", "none", "several", "list"],
)
def test_curves_by_default(activation, labels):
    figure, arrays = plot.curves(activation, derivatives=0, points=5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    assert list(arrays) == ["x", "f"]
    assert arrays["f"].shape == (len(labels), 5)


def test_contours_and_fields_span_the_bounds_by_default():
    _, arrays = plot.contours("relun", points=5)
    assert arrays["n"][[0, -1]].tolist() == pytest.approx([1e-3, 3.0])
    _, arrays = plot.contours(keras_yat.ReLUN(5.0, bounds={"n": (4.0, 6.0)}), points=5)
    assert arrays["n"][[0, -1]].tolist() == [4.0, 6.0]
    figure, arrays = plot.gradient_field("relun", parameter_low=-1.0, parameter_high=2.0, points=5)
    assert arrays["n"][[0, -1]].tolist() == [-1.0, 2.0]
    (arrows,) = (c for c in figure.axes[0].collections if hasattr(c, "U"))
    np.testing.assert_array_equal(arrows.U, arrays["df/dx"].ravel())
    np.testing.assert_array_equal(arrows.V, arrays["df/dn"].ravel())


def test_contours_have_a_row_for_each_value_of_the_parameter():
    _, arrays = plot.contours("sinlu", "beta", points=5)
    x, beta = np.meshgrid(arrays["x"], arrays["beta"])
    np.testing.assert_allclose(arrays["f"], reference.sinlu(x, 1.0, beta), atol=1e-5)


def test_roughness_by_hand():
    x = np.linspace(-3.0, 3.0, 301)
    across, up = np.meshgrid(x, x)
    assert _landscape.roughness(2.0 * across - up + 5.0, x[1] - x[0]) < 1e-9
    assert _landscape.roughness(np.ones((9, 9)), 0.1) == 0.0
    # For sin(k·x) over whole periods: rms k²/√2 divided by rms k/√2.
    k = 2.0 * np.pi
    assert _landscape.roughness(np.sin(k * across), x[1] - x[0]) == pytest.approx(k, rel=2e-2)
    assert _landscape.roughness(9.0 * np.sin(k * up) - 4.0, x[1] - x[0]) == pytest.approx(
        k, rel=2e-2
    )


def test_landscapes_share_networks_and_relu_is_the_roughest():
    figure, arrays = plot.landscape(seeds=2, points=41, width=32)
    assert arrays["roughness"].shape == (3, 2)
    assert np.all(arrays["roughness"][0] > 2.0 * arrays["roughness"][1:])
    assert arrays["relu"].std() == pytest.approx(1.0, rel=1e-3)
    mean, deviation = arrays["roughness"][2].mean(), arrays["roughness"][2].std()
    assert figure.axes[2].get_title() == f"mila\nroughness {mean:.2f} ± {deviation:.2f}"
    # With the identity the output of a network is a plane for every seed.
    assert np.all(plot.landscape([None], seeds=2, points=9).arrays["roughness"] < 1e-3)


def test_a_network_is_computed_by_its_weights():
    network = _landscape.weights(3, 2, 4)
    assert [kernel.shape for kernel, _ in network] == [(2, 4), (4, 4), (4, 1)]
    plane = np.random.default_rng(0).normal(size=(20, 2))
    signal = plane
    for kernel, bias in network[:-1]:
        signal = np.tanh(signal @ kernel + bias)
    signal = (signal @ network[-1][0] + network[-1][1])[:, 0]
    found = _landscape.output(keras.ops.tanh, network, plane)
    np.testing.assert_allclose(found, (signal - signal.mean()) / signal.std(), atol=1e-4)


def history(start, count=6, validation=True):
    loss = [start * 0.4**i for i in range(count)]
    found = {"loss": loss, "accuracy": [1.0 - 0.1 * v for v in loss]}
    return found | {f"val_{k}": [0.9 * x for x in v] for k, v in found.items() if validation}


def test_learning_draws_means_and_bands():
    runs = {"relu": [history(1.0), history(2.0), history(6.0)], "mila": history(4.0)}
    figure, arrays = plot.learning(runs, baseline="relu", title="A title")
    np.testing.assert_array_equal(arrays["relu/loss"], [seed["loss"] for seed in runs["relu"]])
    assert arrays["mila/val_accuracy"].shape == (1, 6)
    assert len(arrays) == 8
    axis = figure.axes[0]
    np.testing.assert_allclose(lines(axis)[0], arrays["relu/loss"].mean(axis=0))
    np.testing.assert_allclose(lines(axis)[3], arrays["mila/val_loss"][0])
    assert axis.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    styles = [line.get_linestyle() for line in axis.lines[:4]]
    assert styles == ["--", "-", "--", "-"]
    assert [line.get_color() for line in axis.lines[:4]] == ["black", "black", "C0", "C0"]
    band = axis.collections[0].get_paths()[0].vertices
    at_first = band[band[:, 0] == 1.0, 1]
    assert (at_first.min(), at_first.max()) == (1.0, 6.0)
    assert len(axis.collections) == 2  # no band for a single seed
    assert [a.get_yscale() for a in figure.axes] == ["log", "linear"]


def test_many_names_are_drawn_by_their_validation():
    figure, arrays = plot.learning({str(i): history(1.0) for i in range(12)}, metrics=["loss"])
    assert set(arrays) == {f"{i}/val_loss" for i in range(12)}
    assert figure.axes[0].get_ylabel() == "validation loss"
    looks = {(line.get_color(), str(line._dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 12


def test_axis_limits_ignore_the_first_epochs():
    axis = plot.learning({"a": {"error": [100.0, *np.linspace(2, 1, 9)]}}, metrics=["error"])[
        0
    ].axes[0]
    assert axis.get_ylim() == pytest.approx((0.95, 2.05))
    assert _training._late(np.ones((2, 4))).size == 8


def test_pairs_compare_each_name_with_the_baseline():
    runs = {"relu": history(1.0), "a": history(2.0), "b": history(3.0, validation=False)}
    figure, arrays = plot.pairs(runs, "relu")
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    for axis, keys in zip(figure.axes, (["a/loss", "a/val_loss"], ["b/loss"]), strict=True):
        keys = ["relu/loss", "relu/val_loss", *keys]
        for drawn, key in zip(lines(axis), keys, strict=True):
            np.testing.assert_array_equal(drawn, arrays[key][0])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def records(**values):
    return types.SimpleNamespace(epochs=np.arange(3.0), history=values)


def test_parameters_have_a_panel_each_and_a_line_per_layer():
    channels = np.arange(30.0).reshape(3, 10) ** 2
    found = records(
        **{"net/a/w": np.array([1.0, 2.0, 3.0]), "net/b/w": np.array([3.0, 2.0, 1.0])},
        **{"net/b/alpha": channels},
    )
    figure, arrays = plot.parameters(found)
    assert [axis.get_ylabel() for axis in figure.axes] == ["w", "alpha"]
    np.testing.assert_array_equal(lines(figure.axes[0]), [[1, 2, 3], [3, 2, 1]])
    expected = [np.median(channels, axis=1), channels.min(axis=1), channels.max(axis=1)]
    np.testing.assert_array_equal(lines(figure.axes[1]), expected)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert arrays["net/b/alpha"] is not None
    np.testing.assert_array_equal(arrays["net/b/alpha"], channels)
    figure, arrays = plot.parameters([records(**{f"lin_{i}/c": np.ones((3, 4))}) for i in (1, 2)])
    assert [axis.get_ylabel() for axis in figure.axes] == [f"c[{i}]" for i in range(4)]
    assert arrays["lin_1/c"].shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.curves("milla"), "`activation` must name an activation .*'mila'"),
        (lambda: plot.curves("softmax"), "`activation` must work entry by entry"),
        (lambda: plot.curves(keras_yat.Mila(axis=-1)), "`activation` must have one set of"),
        (
            lambda: plot.curves(keras_yat.Mila),
            r"`activation` must be an instance or a name: Mila\(",
        ),
        (lambda: plot.curves("mila", [{"gamma": 1.0}]), "`settings` must name arg.*: beta"),
        (lambda: plot.curves("mila", {"beta": 1.0}), "`settings` must be None or a non-empty list"),
        (lambda: plot.curves(["mila"], [{}]), "`settings` must be None where there are several"),
        (lambda: plot.curves("mila", derivatives=3), "`derivatives` must be one of 0, 1, 2"),
        (lambda: plot.curves("mila", low=2.0, high=1.0), "`low` must be less than `high`"),
        (lambda: plot.contours("relu"), "`activation` must have trained parameters"),
        (lambda: plot.contours("mila", "alpha"), "`parameter` must be 'beta'"),
        (lambda: plot.contours("mila", points=2), "`points` must be an int of at least 3"),
        (lambda: plot.landscape("relu"), "`activations` must be a non-empty list"),
        (lambda: plot.landscape(seeds=0), "`seeds` must be an int of at least 1"),
        (lambda: plot.learning({}), "`histories` must be a dict from a name"),
        (lambda: plot.learning({"a": history(1.0)}, metrics=["f1"]), "`metrics` must be in every"),
        (
            lambda: plot.learning({"a": [history(1.0, 3), history(1.0, 4)]}),
            r"`histories` must have the same number of epochs.*\[3, 4\]",
        ),
        (lambda: plot.pairs({"a": history(1.0)}, "relu"), "`baseline` must be 'a'"),
        (lambda: plot.pairs({"a": history(1.0)}, "a"), "`histories` must have another name"),
        (lambda: plot.parameters(records()), "`history` must have `epochs` and `history`"),
        (
            lambda: plot.parameters(records(w=np.ones(4))),
            "`history` must have .*Received: history=4",
        ),
    ],
    ids=range(21),
)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(("package", "extra"), [("matplotlib", "plot"), ("plotly", "interactive")])
def test_without_a_package_all_but_its_plots_works(package, extra):
    code = f"""
import sys
sys.modules["{package}"] = None
import keras_yat
try:
    keras_yat.plot.learning({{"a": {{"loss": [1.0]}}}}, metrics=["loss"]).interactive()
except ImportError as error:
    assert 'pip install "keras-yat[{extra}]"' in str(error)
else:
    raise AssertionError("no error")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not result.returncode, result.stderr


def test_an_outlier_does_not_flatten_the_others():
    ends = {"a": 0.88, "b": 0.89, "c": 0.90, "d": 0.905, "far": 0.4}
    histories = {name: {"val_accuracy": [end - 0.02, end]} for name, end in ends.items()}
    axis = plot.learning(histories, metrics=["accuracy"]).figure.axes[0]
    assert axis.get_ylim()[0] > 0.8
    assert axis.get_xlabel() == "epoch (out of range: far)"
    axes = plot.pairs(histories, "a", metric="accuracy").figure.axes
    assert [axis.get_title() for axis in axes] == ["b", "c", "d", "far (out of range)"]
    near = {name: history for name, history in histories.items() if name != "b"}
    assert plot.learning(near, metrics=["accuracy"]).figure.axes[0].get_ylim()[0] < 0.4
