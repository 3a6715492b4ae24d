"""The published networks: their files, their sizes, their parts."""

import tomllib

import keras
import numpy as np
import pytest

from examples import config, data, layer_factory, models, resnets, runs
from tests.helpers import ROOT, to_numpy

pytestmark = pytest.mark.once

FILES = sorted((ROOT / "examples" / "configs").glob("*.toml"))
# With ReLU: those that the studies give, and those of the same networks elsewhere.
PARAMETERS = {
    "dnn2": 311_650,
    "dnn3": 386_718,
    "dnn5": 575_050,
    "mila": 242_762,
    "resnet8": 75_290,
    "resnet18": 11_173_962,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet50": 23_705_252,
    "resnet56": 853_018,
}


def load(name, **model):
    return config.load(ROOT / "examples" / "configs" / f"{name}.toml", {"model": model})


@pytest.mark.spread
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_builds_with_as_many_parameters_as_published(file):
    recipe = config.load(file, {"model": {"activation": "relu"}})
    found = data.find(recipe.data.name, data.ImageSet)
    shape, classes = found.shape, found.classes
    model = runs.build(recipe, shape, classes, steps=10)
    found = runs.count(model.trainable_weights)
    known = PARAMETERS.get(file.stem.removesuffix("_fashion_mnist"))
    if known is not None:
        assert found == known
    assert recipe.parameters in (None, found)
    assert model.output_shape == (None, classes)


def test_every_published_count_is_in_its_file():
    said = {file.stem: tomllib.loads(file.read_text()).get("parameters") for file in FILES}
    for name in ("dnn2", "dnn3", "dnn5", "resnet8", "resnet56"):
        assert said[name] == PARAMETERS[name]


def test_figures_are_fractions_of_known_activations():
    for file in FILES:
        published = config.load(file).published
        for name, value in (published.accuracy if published else {}).items():
            assert isinstance(layer_factory.activation(name), keras.layers.Layer)
            assert 0.5 < value < 1.0


@pytest.mark.spread
@pytest.mark.parametrize(
    ("name", "neurons"),
    [("dnn3", 2), ("mila", 3), ("resnet8", 7), ("resnet18", 17), ("resnet50", 49)],
)
def test_yat_layers_stand_for_layers_with_activations(name, neurons):
    """`neurons`: how many places for activations there are, as papers draw the network."""
    kinds = {}
    for layers in ("keras", "yat"):
        recipe = load(name, layers=layers, activation="nami", share="layer")
        model = models.build(recipe.model, (8, 8, 1), 10)
        kinds[layers] = [type(layer).__name__ for layer in model.layers]
    assert kinds["keras"].count("Nami") == neurons
    assert not [kind for kind in kinds["keras"] if kind.startswith("Yat")]
    assert "Nami" not in kinds["yat"]
    # Also those in front of an addition, behind which an activation stands.
    assert len([kind for kind in kinds["yat"] if kind.startswith("Yat")]) == neurons


@pytest.mark.parametrize("name", ["dnn3", "resnet8"])
@pytest.mark.parametrize("layers", ["keras", "yat"])
def test_the_networks_compute(name, layers):
    recipe = load(name, layers=layers, activation="nami")
    model = models.build(recipe.model, (8, 8, 1), 10)
    output = to_numpy(model(np.random.default_rng(0).normal(size=(2, 8, 8, 1))))
    assert output.shape == (2, 10)
    assert np.all(np.isfinite(output))
    assert np.ptp(output) > 0.0


@pytest.mark.parametrize(("share", "sets"), [("network", 1), ("layer", 7), ("channel", 7)])
def test_an_activation_is_shared_as_is_said(share, sets):
    model = models.build(load("resnet8", activation="mila", share=share).model, (8, 8, 1), 10)
    found = [weight for weight in model.trainable_weights if weight.path.endswith("/beta")]
    found = [weight for weight in found if "batch_normalization" not in weight.path]
    assert len(found) == sets
    shapes = [tuple(weight.shape) for weight in found]
    channels = [(16,), (16,), (16,), (32,), (32,), (64,), (64,)]
    assert shapes == (channels if share == "channel" else [()] * sets)
    numbers = [int("0" + "".join(filter(str.isdigit, weight.path))) for weight in found]
    assert numbers == list(range(numbers[0], numbers[0] + sets))  # none was made for nothing


def test_a_bare_shortcut_takes_every_other_pixel_and_adds_zeros():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    expected = np.zeros((2, 3, 3, 8), "float32")
    expected[..., 2:5] = x[:, ::2, ::2]
    np.testing.assert_array_equal(to_numpy(resnets.bare_shortcut(x, 8, 2)), expected)


def test_an_activation_of_ones_own_is_named_with_its_module():
    mine = layer_factory.activation("keras.layers:LeakyReLU")
    assert float(to_numpy(mine(np.array([-1.0])))[0]) == pytest.approx(-0.3)
    assert float(to_numpy(layer_factory.activation("keras.ops:square")(np.array([-3.0])))[0]) == 9.0


@pytest.mark.parametrize(("name", "count"), [("convolution", 3), ("lstm", 1)])
@pytest.mark.parametrize("layers", ["keras", "yat"])
def test_networks_of_the_studies_compute(name, count, layers):
    recipe = load(f"rates_{name}", layers=layers, activation="sinlu")
    model = models.build(recipe.model, (8, 8, 3), 10)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    assert to_numpy(model(x)).shape == (2, 10)
    betas = [w for w in model.trainable_weights if "sin_lu" in w.path and "beta" in w.path]
    assert len(betas) == (count if layers == "keras" else 0)


@pytest.mark.parametrize(
    ("name", "share", "shapes"),
    [
        ("rates_dnn3", "layer", [(1,), (1,)]),
        ("rates_dnn3", "channel", [(392,), (196,)]),
        ("rates_convolution", "layer", [(1, 1, 1)] * 3),
        ("rates_convolution", "channel", [(1, 1, 32), (1, 1, 64), (1, 1, 128)]),
        ("rates_lstm", "layer", [(1,)]),
    ],
)
def test_prelu_is_shared_as_is_said(name, share, shapes):
    model = models.build(load(name, activation="prelu", share=share).model, (8, 8, 1), 10)
    slopes = [weight for weight in model.trainable_weights if weight.name == "alpha"]
    assert [tuple(weight.shape) for weight in slopes] == shapes


def test_a_kernel_multiplier_is_that_of_each_layer():
    model = models.build(
        load("rates_dnn3", layers="yat", kernel_multiplier=1.0).model, (8, 8, 1), 10
    )
    layers = [layer for layer in model.layers if hasattr(layer, "multiplier")]
    assert [layer.multiplier for layer in layers] == [1.0, 1.0]


def test_a_layer_of_ones_own_stands_for_layers_with_activations():
    recipe = load("resnet8", layers="keras.layers:SeparableConv2D")
    kinds = [type(layer).__name__ for layer in models.build(recipe.model, (8, 8, 1), 10).layers]
    assert kinds.count("SeparableConv2D") == 7
    assert not {"Conv2D", "Activation"} & set(kinds)
