"""The demo of Mila."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from examples import data, demo, layer_factory, stacks
from tests.helpers import BACKEND, draw, refusal, run, scramble, to_numpy

pytestmark = pytest.mark.once


def digits(part):
    """Real images, as large as those of Fashion-MNIST."""
    found = load_digits()
    images = np.kron(found.images[part], np.ones((3, 3))) * 15
    return np.pad(images, ((0, 0), (2, 2), (2, 2))).astype("uint8"), found.target[part]


def test_both_initializations_are_the_same_network():
    def parts():
        hidden = [layers.Dense(n, activation="relu") for n in demo.UNITS]
        return [layers.Flatten(), *hidden, layers.Dropout(0.5), layers.Dense(10)]

    stacked, derived = (stacks.stack(parts(), (28, 28, 1), how) for how in ("sequential", "class"))
    assert stacked.count_params() == derived.count_params() == 242_762
    assert type(stacked) is keras.Sequential
    scramble(derived)
    stacked.set_weights(derived.get_weights())
    x = draw((3, 28, 28, 1))
    expected = to_numpy(derived(x))
    np.testing.assert_allclose(to_numpy(stacked(x)), expected, rtol=1e-6)
    assert np.abs(to_numpy(derived(x, training=True)) - expected).max() > 1e-3


def test_the_class_is_saved(tmp_path):
    chain = [layers.Flatten(), layer_factory.activation("mila"), layers.Dense(3)]
    model = stacks.stack(chain, (3, 4, 1), "class")
    assert keras.saving.get_registered_name(type(model)) == "keras_yat_examples>Network"
    scramble(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is stacks.Network
    x = draw((2, 3, 4, 1))
    np.testing.assert_allclose(to_numpy(loaded(x)), to_numpy(model(x)), rtol=1e-6)
    again = stacks.Network.from_config(model.get_config())
    assert [type(each) for each in again.chain] == [type(each) for each in chain]
    assert model.compute_output_shape((5, 3, 4, 1)) == (5, 3)


@pytest.mark.slow
def test_the_demo_learns_and_prints_what_it_measures(monkeypatch, capsys):
    built, stack = [], stacks.stack
    arrays = (digits(slice(640)), digits(slice(640, 900)))
    monkeypatch.delenv("KERAS_YAT_DATA", raising=False)
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: arrays)
    monkeypatch.setattr(stacks, "stack", lambda *a: built.append(stack(*a)) or built[-1])
    images = data.load("fashion_mnist")
    # The same seed: the same numbers, up to rounding.
    first, second = (demo.run(images, "mila", how, 3, 1) for how in ("sequential", "class"))
    assert second == pytest.approx(first, rel=1e-3)
    assert type(built[1]) is stacks.Network
    x, y = arrays[1]
    logits = to_numpy(built[0](x[..., None].astype("float32") / 255)).astype("float64")
    entropy = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(y)), y]
    accuracy = (logits.argmax(-1) == y).mean()
    assert accuracy > 0.6
    assert first == pytest.approx({"accuracy": accuracy, "loss": entropy.mean()}, rel=1e-4)
    out = capsys.readouterr().out
    assert "keras.datasets.fashion_mnist: 640 images to train on, 260 to test on" in out
    assert f"on {BACKEND}." in out
    assert "242,765" in out
    assert re.search(r"^(\w+/)*mila\w*/beta: -0.2500 before training, -0.\d+ after$", out, re.M)
    assert f"Test data: accuracy {accuracy:.4f}, loss {entropy.mean():.4f}" in out


@pytest.mark.nightly
@pytest.mark.slow
def test_the_demo_as_a_command():
    result = run("-m", "examples.demo", "--data", "digits", "--epochs", "1", "--activation", "relu")
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split("Test data: accuracy ")[1].split(",")[0]) > 0.5


def test_the_demo_takes_its_data_from_a_folder(tmp_path, monkeypatch):
    x, y = digits(slice(100))
    np.savez(tmp_path / "fashion_mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["demo", "--seed", "3", "--epochs", "2", "--activation=nami"])
    given = []
    monkeypatch.setattr(demo, "run", lambda images, *options: given.append((images, *options)))
    demo.main(demo.parse())
    images, *options = given[0]
    assert images.x_train.shape == (100, 28, 28, 1)
    assert options == ["nami", "sequential", 2, 3]


def test_the_defaults_are_those_of_mila(monkeypatch):
    monkeypatch.setattr("sys.argv", ["demo"])
    found = vars(demo.parse())
    assert found == {
        "activation": "mila",
        "model_initialization": "sequential",
        "data": "fashion_mnist",
        "epochs": 5,
        "seed": 0,
        "backend": None,
    }


def test_the_demo_without_data(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: np.load("nowhere"))
    told = refusal(demo, [], monkeypatch, capsys)
    for part in ("'fashion_mnist' is not available", "'nowhere'", "--data digits", str(tmp_path)):
        assert part in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model-initialization", "functional"], "invalid choice: 'functional'"),
        (["--epochs", "0"], "must be a whole number of 1 or more, not '0'"),
        (["--seed", "4294967296"], "from 0 to 4294967295, not '4294967296'"),
        (["--seed", "-1"], "from 0 to 4294967295, not '-1'"),
        (["--data", "letters"], "invalid choice: 'letters'"),
        (["--data", "digits", "--activation", "nope"], "--activation: `"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_demo_refuses(options, message, monkeypatch, capsys):
    assert message in refusal(demo, options, monkeypatch, capsys)


def test_a_network_has_a_layer():
    with pytest.raises(ValueError, match=r"`layers` must have one entry at least"):
        stacks.Network([])
