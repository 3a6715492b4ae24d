"""The trained networks that come with the package, and the command that makes them."""

import hashlib
import importlib
import io
import json
import re
import shutil
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from examples import zoo as command
from examples import zoo_networks, zoo_recipes
from keras_yat import zoo
from tests import exports, fresh
from tests.helpers import BACKEND, ROOT, refusal, run, to_numpy

ONCE = pytest.mark.once
FOLDER = ROOT / "keras_yat" / "zoo"
NAMES = zoo.names()
TEXT = "tinyshakespeare"


def sample(name):
    """The inputs and the outputs of the card."""
    card = zoo.card(name)
    return zoo_recipes.sample(card), np.array(card["sample"]["outputs"])


def assert_close(outputs, expected):
    assert outputs.shape == expected.shape
    apart = np.max(np.abs(outputs - expected)) / np.max(np.abs(expected))
    assert apart < 1e-4


@ONCE
def test_names():
    assert sorted(command.NAMES) == sorted(zoo_networks.RECIPES) == NAMES
    assert {file.stem for file in FOLDER.glob("*.keras")} == set(NAMES)


@ONCE
@pytest.mark.parametrize("name", NAMES)
def test_a_card_describes_its_file(name):
    card, content = zoo.card(name), (FOLDER / f"{name}.keras").read_bytes()
    assert card["name"] == name
    assert len(content) == card["bytes"] < 1_000_000
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert card["command"].startswith(f"python -m examples.zoo {name} --seed {card['seed']}")
    assert card["title"] == zoo_networks.RECIPES[name].title
    assert ("vocabulary" in card) != ("classes" in card)
    for part in ("test", "validation"):
        assert 0.0 < card[part]["accuracy"] < 1.0
        assert card[part]["loss"] > 0.0
    bits = card["test"].get("bits_per_character")
    assert (bits is None) == ("classes" in card)
    assert bits is None or bits == pytest.approx(card["test"]["loss"] / np.log(2.0))
    assert card["data"]["source"]
    assert card["data"]["license"]
    assert set(card["versions"]) == {"keras_yat", "keras", "backend", card["versions"]["backend"]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", card["date"])
    expected = zoo_networks.RECIPES[name].describe(None)
    assert {key: card["training"][key] for key in expected} == expected


@ONCE
def test_a_card_says_that_its_data_are_a_copy():
    assert "stored once as JPEG" in zoo.card("cifar10")["data"]["note"]
    assert "stored once as JPEG" in (FOLDER / "README.md").read_text()


@ONCE
def test_what_the_networks_show():
    layers = {name: zoo.card(name)["layers"] for name in NAMES}
    assert sum("Yat" in kinds for kinds in layers.values()) >= 3
    assert sum(bool(re.search("SinLU|Mila", kinds)) for kinds in layers.values()) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_card(name):
    model, (x, expected) = zoo.load(name), sample(name)
    assert not model.compiled
    assert model.count_params() == zoo.card(name)["parameters"]
    assert_close(model.predict(x, verbose=0), expected)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_inputs_of_any_dtype(dtype):
    x, expected = sample("digits")
    assert_close(zoo.load("digits").predict(x.astype(dtype), verbose=0), expected)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_have_the_shape_of_the_data_set(name):
    shape = {"digits": (8, 8), "cifar10": (32, 32, 3), TEXT: (None,)}.get(name, (28, 28))
    outputs = (None, 65) if name == TEXT else (10,)
    model = zoo.load(name)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, *outputs)


def test_the_accuracy_of_digits():
    found = zoo_recipes.measure(zoo.load("digits"), zoo_networks.RECIPES["digits"].parts().test)
    card = zoo.card("digits")["test"]
    assert found["accuracy"] == card["accuracy"] > 0.97
    assert found["examples"] == card["examples"] == 360
    assert found["loss"] == pytest.approx(card["loss"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_network_can_be_trained_and_saved(name, tmp_path):
    model, (x, expected) = zoo.load(name), sample(name)
    before = [to_numpy(weight).copy() for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.train_on_batch(x, np.zeros(expected.shape[:-1], "int32"))
    moved = [
        np.any(to_numpy(weight) != old)
        for weight, old in zip(model.trainable_weights, before, strict=True)
    ]
    # A constant added to all scores of a query, as the bias of its keys adds, changes nothing.
    assert np.mean(moved) > 0.9
    outputs = model.predict(x, verbose=0)
    assert np.max(np.abs(outputs - expected)) > 1e-3
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert_close(again.predict(x, verbose=0), outputs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporters' own
@pytest.mark.parametrize("name", ["digits", "fashion_mnist"])
def test_a_network_is_exported(name, tmp_path):
    file = "onnx" if BACKEND == "torch" else "tf_saved_model"
    x, expected = sample(name)
    found = exports.export_and_run(zoo.load(name), file, x[:1].astype("float32"), tmp_path)
    assert_close(to_numpy(found), expected[:1])


@ONCE
@pytest.mark.slow
def test_files_load_in_processes_that_only_imported_the_package(tmp_path):
    for name in NAMES:
        shutil.copy(FOLDER / f"{name}.keras", tmp_path)
        np.save(tmp_path / f"{name}.in.npy", sample(name)[0])
    for outputs in fresh.predictions(tmp_path).values():
        assert set(outputs) == set(NAMES)
        for name, found in outputs.items():
            assert not isinstance(found, str), found
            assert_close(found, sample(name)[1])


@ONCE
@pytest.mark.parametrize("function", [zoo.load, zoo.card])
def test_an_unknown_name(function):
    with pytest.raises(ValueError, match=r"`name` must be one of 'cifar10', .* name='resnet'"):
        function("resnet")


@ONCE
def test_characters():
    text = "To be, or not to be:\n"
    indices = zoo.encode(TEXT, text)
    assert indices.dtype == "int32"
    assert indices.shape == (len(text),)
    assert zoo.decode(TEXT, indices) == text
    assert zoo.decode(TEXT, []) == zoo.decode(TEXT, zoo.encode(TEXT, "")) == ""
    assert zoo.encode(TEXT, zoo.card(TEXT)["vocabulary"]).tolist() == list(range(65))


@ONCE
@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (zoo.encode, ("digits", "a"), r"`name` must be 'tinyshakespeare'. Received: name='digits'"),
        (zoo.decode, ("digits", [1]), r"`name` must be 'tinyshakespeare'. Received: name='digits'"),
        (zoo.encode, (TEXT, "€ & ü"), r"`text` must have only characters of .* text='ü€'"),
        (zoo.decode, (TEXT, [65]), r"`indices` must be from 0 to 64. Received: indices=\[65\]"),
        (zoo.decode, (TEXT, [-1]), r"`indices` must be from 0 to 64"),
        (zoo.decode, (TEXT, [[1]]), "`indices` must be integers in one dimension"),
        (zoo.decode, (TEXT, [0.5]), "`indices` must be integers in one dimension"),
    ],
)
def test_characters_refuse(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_page_run(number, capsys):
    codes = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.S)
    assert len(codes) == 2
    exec(compile(codes[number], "README.md", "exec"), {"__name__": "page"})
    printed = capsys.readouterr().out
    if number == 0:
        assert "[0 1 2 3 4] [0 1 2 3 4]" in printed
    else:
        assert len(printed) == len("ROMEO:\n") + 40 + 1


# The command.


@pytest.mark.slow
def test_command_trains_and_installs(tmp_path, monkeypatch):
    options = ("digits", "--epochs", "2", "--seed", "3", "--out", str(tmp_path / "out"))
    result = run("-m", "examples.zoo", *options)
    assert result.returncode == 0, result.stderr
    assert f"digits: 1293 inputs to train on; Keras {keras.__version__} on {BACKEND}." in (
        result.stdout
    )
    card = json.loads((tmp_path / "out" / "digits.json").read_text(encoding="utf-8"))
    expected = f"python -m examples.zoo digits --seed 3 --epochs 2 --backend {BACKEND}"
    assert card["command"] == expected
    assert set(card) == set(zoo.card("digits"))
    assert f"accuracy {card['test']['accuracy']:.4f}" in result.stdout
    assert card["test"]["accuracy"] > 0.8
    assert card["training"]["epochs"] == 2
    # The same command again, now into the package: nothing is trained.
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(command, "PACKAGE", package)
    monkeypatch.setattr(zoo_networks, "RECIPES", {})
    monkeypatch.setattr(sys, "argv", ["zoo", *options, "--install"])
    assert command.main(command.parse()) == 0
    content = (package / "digits.keras").read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert json.loads((package / "digits.json").read_text(encoding="utf-8")) == card


def test_another_command_trains_again(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo_networks, "RECIPES", {})
    for ending in ("keras", "json"):
        shutil.copy(FOLDER / f"digits.{ending}", tmp_path)
    monkeypatch.setattr(sys, "argv", ["zoo", "digits", "--seed", "9", "--out", str(tmp_path)])
    with pytest.raises(KeyError, match="digits"):  # the recipe, to train by
        command.main(command.parse())


def test_check_compares_with_the_card(monkeypatch, capsys):
    assert command.check(["digits"]) == 0
    assert "as on the card" in capsys.readouterr().out
    card = zoo.card("digits")
    card["test"]["accuracy"] -= 1 / 360
    networks = importlib.import_module("keras_yat.zoo")
    monkeypatch.setattr(networks, "card", lambda name: card)
    assert command.check(["digits"]) == 1
    assert "differs: accuracy" in capsys.readouterr().out
    # With other data the results may differ, but not the outputs for the fixed inputs.
    card["data"]["fingerprint"] = "another"
    assert command.check(["digits"]) == 0
    assert "others than the card's" in capsys.readouterr().out
    card["sample"]["outputs"][0][0] += 1.0
    assert command.check(["digits"]) == 1
    assert "differs: outputs" in capsys.readouterr().out


@ONCE
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["letters"], "NAME must be any of cifar10, digits"),
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more, not '0'"),
        (["--seed", "-1"], "must be a whole number from 0 to 4294967295, not '-1'"),
        (["mnist"], "The data set 'mnist' is not available"),
        (["--check", TEXT], "The text 'tinyshakespeare' is not available"),
    ],
)
def test_command_refuses(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    unavailable(monkeypatch)
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(command, options, monkeypatch, capsys)


def unavailable(monkeypatch):
    """Neither downloads nor a cache."""

    def fail(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    monkeypatch.setattr(keras.utils, "get_file", fail)


@ONCE
def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "LIMIT", 1000)
    options = ["digits", "--epochs", "1", "--out", str(tmp_path)]
    assert "must have less than 1000" in refusal(command, options, monkeypatch, capsys)
    assert not (tmp_path / "digits.json").exists()


@ONCE
def test_windows_of_a_text():
    windows = zoo_networks.RECIPES[TEXT]._windows(np.arange(300))
    assert windows.x.shape == windows.y.shape == (2, 128)
    np.testing.assert_array_equal(windows.y, windows.x + 1)
    np.testing.assert_array_equal(windows.x.ravel(), np.arange(256))


@pytest.mark.slow
def test_a_network_of_characters_is_trained(tmp_path):
    size = zoo_recipes.Size(length=8, width=8, heads=2, blocks=1, hidden=8)
    recipe = zoo_recipes.TextRecipe("Few characters", "few", size, 100, 4, 0.01)
    windows = recipe._windows(np.arange(400) % 5)
    parts = zoo_recipes.Parts(windows, windows, windows, "abcde")
    model = recipe.train(parts, seed=0, epochs=1)
    assert zoo_recipes.measure(model, windows)["accuracy"] > 0.9
    assert recipe.describe(1)["steps"] == 100
    assert not model.compiled
    model.save(tmp_path / "model.keras")  # without the state of the optimizer
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        weights = h5py.File(io.BytesIO(file.read("model.weights.h5")))
    assert "optimizer" not in weights


@ONCE
def test_measure():
    class Model:
        def predict(self, x, **_):
            return np.array([[2.0, 0.0], [0.0, 1.0]])[x]

    part = zoo_recipes.Split(np.array([0, 1, 1]), np.array([0, 0, 1]))
    found = zoo_recipes.measure(Model(), part)
    losses = np.log1p(np.exp([-2.0, 1.0, -1.0]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(losses.mean())
