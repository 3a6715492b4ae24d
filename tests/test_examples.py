"""The examples, run as a user runs them."""

import csv

import keras
import numpy as np
import pytest

from examples import data, extrapolation, finetune, image_classifier, sequences, trials
from tests.helpers import BACKEND, refusal, run
from tests.test_data import signals

pytestmark = pytest.mark.once


def rows(path):
    with path.open(encoding="utf-8") as file:
        return {row["variant"]: row for row in csv.DictReader(file)}


@pytest.mark.nightly
def test_image_classifier(tmp_path):
    options = ("--seeds", "1", "--epochs", "1", "--out", str(tmp_path))
    result = run("-m", "examples.image_classifier", *options)
    assert result.returncode == 0, result.stderr
    assert f"on {BACKEND}." in result.stdout
    networks, layers = rows(tmp_path / "accuracy.csv"), rows(tmp_path / "prototypes.csv")
    assert list(networks) == [
        "Conv2D + ReLU",
        "Yat, default",
        "Yat, first layer adapted",
        "Yat, all layers adapted",
        "Yat, published start",
    ]
    for table, alphas in ((networks, 3), (layers, 1)):
        own, *yat = (int(row["parameters"]) for row in table.values() if row["parameters"])
        assert set(yat) == {own + alphas}
        for name, row in table.items():
            assert name in result.stdout
            assert row["min"] == row["max"] == row["test accuracy"]
    assert float(networks["Yat, default"]["max"]) > 0.3
    adapted, random = (layers[f"Yat, {start}"] for start in ("adapted", "default"))
    assert adapted["likeness before"] == "1.000"
    assert float(adapted["likeness after"]) > 0.9 > 0.5 > float(random["likeness after"])
    assert float(adapted["roughness"]) < 1.0 < float(random["roughness"])
    for name in ("kernels.png", "prototypes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_image_classifier_counts_each_seed():
    seeds = trials.Trials("Yat", 0.003, parameters=10, accuracies=[0.5, 0.7], seconds=[1.0, 3.0])
    assert seeds.columns() == {
        "variant": "Yat",
        "rate": "0.003",
        "parameters": "10",
        "test accuracy": "0.6000 ± 0.1414",
        "min": "0.5000",
        "max": "0.7000",
        "s/epoch": "2.00",
    }
    assert image_classifier.rates("0.001,1e-2") == [0.001, 0.01]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more, not '0'"),
        (["--seeds", "few"], "--seeds: must be a whole number of 1 or more, not 'few'"),
        (["--rate", "0.1,"], "--rate: must be numbers between 0 and 1, not '0.1,'"),
        (["--rate", "nan"], "--rate: must be numbers between 0 and 1, not 'nan'"),
        (["--data", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_image_classifier_refuses(options, message, tmp_path, monkeypatch, capsys):
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(image_classifier, options, monkeypatch, capsys)


@pytest.mark.nightly
def test_sequences(tmp_path):
    options = ("--units", "12", "--seeds", "1", "--epochs", "1", "--out", str(tmp_path))
    result = run("-m", "examples.sequences", *options)
    assert result.returncode == 0, result.stderr
    assert "1437 sequences to train on, 360 to test on, 8 steps, 8 numbers a" in result.stdout
    assert f"on {BACKEND}." in result.stdout
    table = rows(tmp_path / "accuracy.csv")
    assert list(table) == ["LSTM", "GRU", "YatLSTM", "YatGRU", "YatSimpleRNN"]
    assert table["LSTM"]["units"] == "12"
    wanted = int(table["LSTM"]["parameters"])
    for name, row in table.items():
        assert name in result.stdout
        assert int(row["parameters"]) == pytest.approx(wanted, rel=0.05)
        assert row["min"] == row["max"] == row["test accuracy"]
        assert float(row["max"]) > 0.15
        assert float(row["ms/step"]) > 0.0
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more, not '0'"),
        (["--units", "-3"], "--units: must be a whole number of 1 or more, not '-3'"),
        (["--rate", "0.1,0.2"], "--rate: must be a number between 0 and 1, not '0.1,0.2'"),
        (["--rate", "nan"], "--rate: must be a number between 0 and 1, not 'nan'"),
        (["--data", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_sequences_refuses(options, message, tmp_path, monkeypatch, capsys):
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(sequences, options, monkeypatch, capsys)


@pytest.mark.parametrize("variant", ["GRU", "YatSimpleRNN"])
def test_sequences_match_parameters(variant):
    loaded = data.load_sequences("digits")
    wanted = sequences.build(loaded, "LSTM", 5).count_params()
    units = sequences.match_parameters(loaded, variant, 5, wanted)
    apart = [
        abs(sequences.build(loaded, variant, units + more).count_params() - wanted)
        for more in (-1, 0, 1)
    ]
    assert apart[1] == min(apart)


@pytest.mark.parametrize("variant", sequences.VARIANTS)
def test_padding_does_not_change_what_a_classifier_says(variant, tmp_path, monkeypatch):
    signals(tmp_path, [5, 1, 3])
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    loaded = data.load_sequences("japanese_vowels")
    model = sequences.build(loaded, variant, 4)
    x, mask = loaded.x_test
    padded = np.where(mask[..., None], x, 7.0)
    answers = model.predict([x, mask], verbose=0)
    np.testing.assert_allclose(model.predict([padded, mask], verbose=0), answers, atol=1e-6)
    loaded.x_train[:] = [x[2:, :3]]
    alone = sequences.build(loaded, variant, 4)
    alone.set_weights(model.get_weights())
    np.testing.assert_allclose(alone.predict(x[2:, :3], verbose=0), answers[2:], atol=1e-6)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_trials_record_test_accuracy(batch_size):
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
    y = np.arange(8) % 2
    few = data.Sequences([x], y, [x[:4]], y[:4], "")
    bar = keras.utils.Progbar(4, verbose=0)
    found = trials.Trials("GRU", 0.003)
    for validate in (True, False):
        model = sequences.build(few, "GRU", 2)
        found.train(model, few, 2, bar, batch_size=batch_size, validate=validate)
    assert ["val_accuracy" in history for history in found.histories] == [True, False]
    assert found.histories[0]["val_accuracy"][-1] == pytest.approx(found.accuracies[0])
    assert len(found.seconds) == 2
    assert all(seconds > 0.0 for seconds in found.seconds)


@pytest.mark.slow
def test_finetune(tmp_path):
    sizes = ("--base-epochs", "1", "--images", "60", "--epochs", "1", "--seeds", "2")
    options = ("--base", "digits", "--data", "digits", *sizes, "--out", str(tmp_path))
    result = run("-m", "examples.finetune", *options)
    assert result.returncode == 0, result.stderr
    table = rows(tmp_path / "accuracy.csv")
    assert list(table) == list(finetune.VARIANTS)
    names = (finetune.BASELINE, "CosLU", "CosLU per channel, 10 times")
    plain, scalar, channel = (int(table[name]["parameters"]) for name in names)
    activations, channels = len(finetune.CONVOLUTIONS), sum(finetune.CONVOLUTIONS)
    assert (scalar - plain, channel - plain) == (2 * activations, 2 * channels)
    assert table["CosLU"]["difference from SiLU (95 %)"]
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_finetune_starts_from_the_trained_network():
    network = finetune.build((8, 8, 1), 10)
    x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    models = {
        name: finetune.prepared(network, variant, 10, seed=1)
        for name, variant in finetune.VARIANTS.items()
    }
    expected = models[finetune.BASELINE].predict(x, verbose=0)
    assert np.std(expected) > 0.0
    for name, model in models.items():
        same = np.allclose(model.predict(x, verbose=0), expected, atol=1e-5)
        assert same == ("default" not in name), name
    # The trained network is not changed, and shares no weights with its copies.
    models["CosLU"].layers[0].kernel.assign(models["CosLU"].layers[0].kernel * 0.0)
    assert np.any(keras.ops.convert_to_numpy(network.layers[0].kernel))


def test_finetune_draws_as_many_images_of_each_class():
    digits = data.load("digits")
    few = finetune.drawn(digits, 50, seed=0)
    assert np.bincount(few.y_train).tolist() == [5] * 10
    other = finetune.drawn(digits, 50, seed=1)
    assert not np.array_equal(few.x_train, other.x_train)


@pytest.mark.slow
def test_extrapolation(tmp_path):
    options = ("--data", "sine", "--seeds", "2", "--steps", "3", "--out", str(tmp_path))
    result = run("-m", "examples.extrapolation", *options)
    assert result.returncode == 0, result.stderr
    assert "300 values to train on, 100 to predict" in result.stdout
    table = rows(tmp_path / "errors.csv")
    assert list(table) == list(extrapolation.VARIANTS)
    plain = int(table[extrapolation.BASELINE]["parameters"])
    further = {name: int(row["parameters"]) - plain for name, row in table.items()}
    assert further["Snake, a = 10"] == 2
    assert further["Snake per unit, a = 30"] == 2 * extrapolation.UNITS
    assert table["ReLU"]["difference from SiLU (95 %)"]
    assert (tmp_path / "extrapolation.png").read_bytes().startswith(b"\x89PNG")


def test_variants_of_extrapolation_start_from_the_same_kernels():
    models = []
    for name in extrapolation.VARIANTS:
        keras.utils.set_random_seed(0)
        models.append(extrapolation.build(name))
    for model in models[1:]:
        for one, other in zip(models[0].layers[::2], model.layers[::2], strict=True):
            ours, theirs = (keras.ops.convert_to_numpy(x.kernel) for x in (one, other))
            np.testing.assert_array_equal(ours, theirs)
