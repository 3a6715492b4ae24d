"""The examples, run as a user runs them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from examples import data, image_classifier, trials
from tests.helpers import BACKEND

ROOT = Path(__file__).parent.parent


def run(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
    )


def test_quickstart(tmp_path):
    result = run("-m", "examples.quickstart", "--epochs", "3", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert f"on {BACKEND}." in result.stdout
    accuracy = float(result.stdout.split("Test accuracy: ")[1].split()[0])
    assert accuracy > 0.8
    rows = [line.split() for line in result.stdout.splitlines()]
    moved = {(r[1], r[2]): float(r[3]) - float(r[4]) for r in rows if len(r) == 5 and r[0] in "123"}
    assert set(moved) == {
        *(("Nami", n) for n in "wab"),
        ("Mila", "beta"),
        *(("CosLU", n) for n in ("alpha", "beta")),
    }
    assert all(moved.values())
    assert "Loaded it in a new process: 360 predictions" in result.stdout
    assert (tmp_path / "quickstart.keras").exists()
    assert (tmp_path / "quickstart.png").read_bytes().startswith(b"\x89PNG")


def test_quickstart_as_a_script_with_one_name(tmp_path):
    script = str(ROOT / "examples" / "quickstart.py")
    options = ("--activation", "norm_lincomb", "--epochs", "1", "--out", str(tmp_path))
    result = run(script, *options, "--backend", BACKEND, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("NormLinComb  coefficients") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--activation", "namii"], "did you mean 'nami'"),
        (["--activation", "nami,mila"], "--activation takes 1 name or 3, not 2"),
        (["--epochs", "0"], "--epochs must be 1 or more, not 0"),
    ],
)
def test_quickstart_refuses(options, message, tmp_path):
    result = run("-m", "examples.quickstart", *options, "--out", str(tmp_path))
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def rows(path):
    with path.open(encoding="utf-8") as file:
        return {row["variant"]: row for row in csv.DictReader(file)}


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
def test_image_classifier_refuses(options, message, tmp_path):
    result = run("-m", "examples.image_classifier", *options, "--out", str(tmp_path))
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_data_from_a_folder(tmp_path, monkeypatch):
    images = np.arange(5 * 28 * 28, dtype="uint8").reshape(5, 28, 28)
    labels = np.arange(5)
    np.savez(
        tmp_path / "fashion_mnist.npz",
        x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2],
    )  # fmt: skip
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    loaded = data.load("fashion_mnist")
    assert loaded.x_train.shape == (5, 28, 28, 1)
    assert loaded.x_train.max() == 1.0
    assert loaded.y_test.tolist() == [0, 1]
    assert loaded.origin == str(tmp_path / "fashion_mnist.npz")


def test_data_from_keras(monkeypatch):
    monkeypatch.delenv("KERAS_YAT_DATA", raising=False)
    pair = (np.full((3, 28, 28), 255, "uint8"), np.arange(3))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: (pair, pair))
    assert data.load("fashion_mnist").origin == "keras.datasets.fashion_mnist"


def test_data_that_cannot_be_had(monkeypatch, tmp_path):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="could not be had") as refusal:
        data.load("fashion_mnist")
    for part in (str(tmp_path / "fashion_mnist.npz"), "URL fetch failure", "--data digits"):
        assert part in str(refusal.value)


def test_digits_are_real_images():
    images = data.load("digits")
    assert images.x_train.shape == (1437, 8, 8, 1)
    assert images.x_test.shape == (360, 8, 8, 1)
    assert set(images.y_test) == set(range(10))
