"""LivePlot: records, pictures and event files, and a training that does not notice."""

import base64
import io

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

import keras_yat
from keras_yat._plot import _live
from keras_yat.callbacks import LivePlot, ParameterHistory, _files, _notebook
from keras_yat.callbacks._responses import responses, sources
from keras_yat.callbacks._tensorboard import EventFile
from tests import helpers
from tests.helpers import BACKEND, draw, to_numpy

X, Y = draw((20, 4)), draw((20, 2), seed=1)
FIT = {"batch_size": 4, "shuffle": False, "verbose": 0}  # 5 steps an epoch


class Noise(layers.Layer):
    """Adds noise in inference too, and counts its calls."""

    def __init__(self):
        super().__init__(name="noise")
        self.generator = keras.random.SeedGenerator(3)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign(self.count + 1.0)
        return x + 0.1 * keras.random.normal(ops.shape(x), seed=self.generator)


def compiled(model):
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def model_with_state():
    keras.utils.set_random_seed(7)
    return compiled(
        keras.Sequential(
            [
                keras.Input((4,)),
                layers.Dense(4, activation="relu", activity_regularizer="l2", name="relu"),
                layers.BatchNormalization(),
                Noise(),
                layers.Dropout(0.5, seed=1),
                layers.Dense(2),
                keras_yat.Mila(name="mila"),
            ]
        )
    )


def small():
    keras.utils.set_random_seed(1)
    parts = keras.Input((4,)), layers.Dense(2), keras_yat.Mila(name="mila")
    return compiled(keras.Sequential(parts))


@pytest.mark.slow
def test_training_is_the_same(tmp_path):
    plain, shown = model_with_state(), model_with_state()
    live = LivePlot(X, steps=2, log_dir=tmp_path)
    parameters = ParameterHistory(steps=2)
    expected = plain.fit(X, Y, epochs=2, callbacks=[parameters], **FIT).history
    history = shown.fit(X, Y, epochs=2, callbacks=[live], **FIT).history
    assert history == {name: expected[name] for name in history}
    for one, two in zip(plain.variables, shown.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(two))
    assert live.epochs.tolist() == parameters.epochs.tolist()
    assert live.history["mila/beta"].tolist() == parameters.history["mila/beta"].tolist()
    assert [*live.history] == [*parameters.history]
    # The methods of the layers are their own.
    assert not any({"call", "quantized_call"} & vars(layer).keys() for layer in shown.layers)


def test_event_files(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    parts = layers.Dense(3), keras_yat.Mila(name="mila"), keras_yat.SinLU(axis=-1, name="sinlu")
    model = compiled(keras.Sequential([keras.Input((4,)), *parts, layers.Dense(2)]))
    live = LivePlot(X, log_dir=tmp_path / "logs")
    model.fit(X, Y, epochs=2, callbacks=[live], **FIT)
    (path,) = (tmp_path / "logs").iterdir()
    events = [e for e in EventFileLoader(str(path)).Load() if e.summary.value]
    assert [event.step for event in events if event.summary.value[0].tag == "responses/mila"] == [
        0,
        1,
        2,
    ]
    found = {}
    for event in events:
        (value,) = event.summary.value
        kind = value.metadata.plugin_data.plugin_name
        found.setdefault((kind, value.tag), []).append(tensor_util.make_ndarray(value.tensor))
    of_sinlu = {("histograms", tag) for tag in found_paths(live, "sinlu")}
    assert (
        found.keys()
        == {
            ("scalars", "parameters/mila/beta"),
            ("scalars", "dead_units/mila"),
            ("scalars", "dead_units/sinlu"),
            ("histograms", "responses/mila"),
            ("histograms", "responses/sinlu"),
        }
        | of_sinlu
    )
    scalars = [float(each) for each in found["scalars", "parameters/mila/beta"]]
    np.testing.assert_array_equal(scalars, live.history["mila/beta"])
    values = responses(model, ops.convert_to_tensor(X), sources(model))["mila"]
    buckets = found["histograms", "responses/mila"][-1]
    np.testing.assert_allclose([buckets[0, 0], buckets[-1, 1]], [values.min(), values.max()])
    assert buckets[:, 2].sum() == values.size


def found_paths(live, layer):
    return [f"parameters/{path}" for path in live.history if f"{layer}/" in path]


@pytest.mark.once
@pytest.mark.slow
def test_event_files_do_not_import_tensorflow(tmp_path):
    code = f"""
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
import keras_yat
from keras_yat.callbacks._tensorboard import EventFile
events = EventFile({str(tmp_path)!r})
events.write(0, {{"a": 1.0}}, {{"b": __import__("numpy").ones(3)}})
events.close()
assert "tensorflow" not in sys.modules
sys.modules["tensorboard"] = sys.modules["tensorboard.compat.proto.event_pb2"] = None
try:
    EventFile({str(tmp_path)!r})
except ImportError as error:
    assert 'pip install "keras-yat[tensorboard]"' in str(error)
else:
    raise AssertionError("no error")
"""
    result = helpers.run("-c", code)
    assert not result.returncode, result.stderr


def test_steps_of_events(tmp_path, monkeypatch):
    steps, live = [], LivePlot(X, steps=2, log_dir=tmp_path)
    monkeypatch.setattr(EventFile, "write", lambda _, step, *values: steps.append(step))
    small().fit(X, Y, epochs=2, callbacks=[live], **FIT)
    assert steps == [0, 2, 4, 5, 7, 9, 10]
    assert live.epochs.tolist() == [0, 0.4, 0.8, 1, 1.4, 1.8, 2]


def test_every():
    live = LivePlot(X, every=3)
    model = small()
    model.fit(X, Y, epochs=5, callbacks=[live], **FIT)
    assert live.epochs.tolist() == [0, 3, 5]
    model.fit(X, Y, initial_epoch=4, epochs=8, callbacks=[live], **FIT)
    assert live.epochs.tolist() == [0, 3, 4, 6, 8]


def test_continues_or_starts_again():
    live, model = LivePlot(X), small()
    model.fit(X, Y, epochs=3, callbacks=[live], **FIT)
    dead, counts = live.dead["mila"], live.histograms["mila"][0]
    model.fit(X, Y, initial_epoch=2, epochs=4, callbacks=[live], **FIT)
    assert live.epochs.tolist() == [0, 1, 2, 3, 4]
    assert live.dead["mila"].shape == (5,)
    np.testing.assert_array_equal(live.dead["mila"][:2], dead[:2])
    np.testing.assert_array_equal(live.histograms["mila"][0][:2], counts[:2])
    np.testing.assert_array_equal(live.histograms["mila"][0][2], counts[3])
    model.fit(X, Y, callbacks=[live], **FIT)
    assert live.epochs.tolist() == [0, 1]
    other = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(2, "tanh", name="other")]))
    other.fit(X, Y, callbacks=[live], **FIT)
    assert (live.history, [*live.dead]) == ({}, ["other"])


def test_model_built_in_the_first_step(tmp_path):
    model = compiled(keras.Sequential([layers.Dense(2), keras_yat.Mila(axis=-1, name="mila")]))
    live = LivePlot(X, path=tmp_path / "live.png")
    model.fit(X, Y, epochs=2, callbacks=[live], **FIT)
    unknown = [True, False, False] if BACKEND == "tensorflow" else [False] * 3
    assert np.isnan(live.dead["mila"]).tolist() == unknown
    assert [axis.get_title() for axis in live.plot().figure.axes][-1] == "mila"


def test_slider_of_many_records():
    edges = np.tile(np.linspace(0.0, 1.0, 41), (200, 1))
    shown = _live.live(np.arange(200.0), {}, {"a": np.zeros(200)}, {"a": (edges[:, 1:], edges)})
    (slider,) = shown.interactive().layout.sliders
    epochs = [float(step.label) for step in slider.steps]
    assert (len(epochs), epochs[0], epochs[-1]) == (50, 0.0, 199.0)


def test_picture(tmp_path):
    path = tmp_path / "live.png"
    yat = keras_yat.YatDense(2, activation=keras_yat.Mila(name="mila"), name="yat")
    model = compiled(keras.Sequential([keras.Input((4,)), yat]))
    live = LivePlot(X, path=path)
    with pytest.raises(ValueError, match="no records"):
        live.plot()
    model.fit(X, Y, epochs=2, callbacks=[live], **FIT)
    with Image.open(path) as image:
        assert image.size[0] == 1520
    assert [*tmp_path.iterdir()] == [path]
    plotted = live.plot()
    figure, arrays = plotted
    assert [axis.get_ylabel() for axis in figure.axes][:3] == [
        "alpha",
        "beta",
        "fraction of dead units",
    ]
    assert [axis.get_title() for axis in figure.axes][3:] == ["yat", "mila"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["yat", "mila", "responses at epoch 0"]
    np.testing.assert_array_equal(arrays["yat/dead"], live.dead["yat"])
    counts, edges = arrays["mila/counts"], arrays["mila/edges"]
    first, last = (line.get_xydata() for line in figure.axes[4].lines)
    for line, row in ((first, 0), (last, -1)):
        np.testing.assert_array_equal(line[::2, 0], edges[row, :-1])
        np.testing.assert_array_equal(line[1::2, 0], edges[row, 1:])
        np.testing.assert_allclose(line[::2, 1] * np.diff(edges[row]) * 40, counts[row])
    drawn = plotted.interactive()
    assert "<div" in drawn.to_html(include_plotlyjs=False)
    # A slider for the epoch of both histograms.
    (slider,) = drawn.layout.sliders
    assert [step.label for step in slider.steps] == ["0", "1", "2"]
    assert slider.active == 2
    for place, step in enumerate(slider.steps):
        changes, members = step.args
        shown = [drawn.data[i] for i, on in zip(members, changes["visible"], strict=True) if on]
        named = {trace.name: trace for trace in shown if trace.name}
        assert [*named] == ["yat", "mila"]
        for name, trace in named.items():
            np.testing.assert_array_equal(trace.x[::2], arrays[f"{name}/edges"][place, :-1])
            heights = trace.y[::2] * np.diff(arrays[f"{name}/edges"][place]) * 40
            np.testing.assert_allclose(heights, arrays[f"{name}/counts"][place])
    assert [trace.visible for trace in drawn.data if trace.meta == 2.0] == [True] * 6
    assert not any(trace.visible for trace in drawn.data if trace.meta == 1.0)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        _files.write(path, lambda file: file.write(b"half") and 1 / 0)
    assert path.read_bytes() == before


@pytest.mark.once
def test_notebook_shows_one_picture():
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    assert not _notebook.is_notebook()
    shell = InteractiveShell.instance()
    try:
        assert not _notebook.is_notebook()  # IPython in a terminal
        shell.history_manager.enabled = False
        shell.kernel = "a kernel"
        shell.display_pub = publisher = CapturingDisplayPublisher()
        model = small()
        for _ in range(2):
            model.fit(X, Y, callbacks=[LivePlot(X)], **FIT)
        model.fit(X, Y, callbacks=[LivePlot(X, show=False)], **FIT)
    finally:
        InteractiveShell.clear_instance()
    shown = publisher.outputs
    assert [each["update"] for each in shown] == [False, True] * 2
    keys = [each["transient"]["display_id"] for each in shown]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    png = base64.b64decode(shown[-1]["data"]["image/png"])
    assert Image.open(io.BytesIO(png)).format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"inputs": "x"}, r"`inputs` must be an array, or .* Received: inputs=\['str'\]"),
        ({"inputs": []}, "`inputs` must be an array"),
        ({"inputs": X[:1]}, r"at least 2 entries .* Received: inputs=\[\(1, 4\)\]"),
        ({"inputs": [X, X[:9]]}, r"as many of each. Received: inputs=\[\(20, 4\), \(9, 4\)\]"),
        ({"every": 0}, "`every` must be an int of at least 1. Received: every=0"),
        ({"path": "live"}, "`path` must end with .png or .svg or .pdf. Received: path='live'"),
        ({"steps": True}, "`steps` must be an int of at least 1"),
        ({"dead_below": -1.0}, "`dead_below` must be a finite number of at least 0"),
        ({"show": "yes"}, "`show` must be True or False. Received: show='yes'"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        LivePlot(**{"inputs": X, **arguments})


def test_model_without_anything_to_show():
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="plain"))
    words = "`model` must have an activation or a Yat layer to show. Received: model='plain'"
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y, callbacks=[LivePlot(X)], **FIT)
