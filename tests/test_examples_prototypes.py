"""The example of what prototypes are for, run as a user runs it, and its calculations."""

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_yat
from examples import data, prototypes, trials
from examples import prototype_measures as measures
from examples import prototype_networks as networks
from examples import prototype_report as tables
from tests.helpers import ROOT, draw, refusal, run, to_numpy

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.nightly
def test_the_command(tmp_path):
    options = ("--data", "digits", "--elsewhere", "digits", "--seeds", "2", "--epochs", "1")
    result = run("-m", "examples.prototypes", *options, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    ladder = rows(tmp_path / "ladder.csv")
    assert [(r["units"], r["network"]) for r in ladder] == [
        (str(units), kind) for units in prototypes.LADDER for kind in networks.KINDS
    ]
    widest = {r["network"]: int(r["parameters"]) for r in ladder[-4:]}
    assert len({count - (kind != networks.RELU) for kind, count in widest.items()}) == 1  # alpha
    assert all(r[f"difference from {networks.RELU} (95 %)"] for r in ladder[1:4])
    changed = {r["accuracy"]: r for r in rows(tmp_path / "classes.csv")}
    assert changed["5, after"]["centres"] == "0.0000"
    assert float(changed["8, taught"]["centres"][:6]) > 0.7
    assert all(
        float(r["largest error of a sum, relative"]) < 1e-5
        for r in rows(tmp_path / "attribution.csv")
    )
    # The test images against themselves.
    assert {r["AUROC (95 %)"] for r in rows(tmp_path / "elsewhere.csv")} == {"0.5000"}
    assert [r["network"] for r in rows(tmp_path / "calibration.csv")] == list(networks.KINDS)
    for name in ("prototypes.png", "attribution.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_images_from_elsewhere_may_be_missing(digits, monkeypatch, capsys, tmp_path):
    assert prototypes.elsewhere("mnist", digits) is None
    assert (
        "No images from elsewhere: those of mnist have the shape (28, 28" in capsys.readouterr()[0]
    )
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    large = replace(digits, x_test=np.zeros((1, 28, 28, 1)))

    def offline():
        raise OSError("offline")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    assert prototypes.elsewhere("mnist", large) is None
    assert "No images from elsewhere: " in capsys.readouterr()[0]
    np.testing.assert_array_equal(prototypes.elsewhere("digits", digits), digits.x_test)


@pytest.mark.parametrize("kind", networks.KINDS)
def test_ladders(kind, digits):
    """Prototypes start at images, frozen ones stay there, contributions sum to the logits."""
    model = networks.ladder(digits, kind, 8, seed=0)
    trained = {w.path.split("/")[-2] for w in model.trainable_weights}
    assert ("yat_dense" in " ".join(trained)) == (kind in (networks.TRAINED, networks.RANDOM))
    if kind in (networks.FROZEN, networks.TRAINED):
        w = to_numpy(model.layers[1].prototypes()).T
        images = digits.x_train.reshape(len(digits.x_train), -1)
        nearest = np.abs(w[:, None] - images).max(axis=-1).min(axis=1)
        np.testing.assert_allclose(nearest, 0.0, atol=1e-5)
    logits = networks.predict(model, digits.x_test)
    responses = networks.responses(model, digits.x_test)
    readout = to_numpy(model.layers[-1].kernel)
    np.testing.assert_allclose(
        sum(responses[:, [j]] * readout[j] for j in range(8)),
        logits,
        rtol=1e-4,
        atol=1e-5 * np.abs(logits).max(),
    )
    assert measures.attribution_error(responses, readout, logits) < 1e-5
    assert (
        measures.attribution_error(responses, readout, logits + 0.1 * np.abs(logits).max()) > 0.05
    )


def test_held_out_images_are_not_trained_on(digits):
    fewer, x, y = networks.held_out(digits)
    assert len(x) == len(y) == len(digits.x_train) // networks.HELD_OUT
    assert len(fewer.x_train) + len(x) == len(digits.x_train)
    every = np.concatenate([fewer.x_train, x]).sum(axis=(1, 2, 3))
    np.testing.assert_array_equal(np.sort(every), np.sort(digits.x_train.sum(axis=(1, 2, 3))))


@pytest.mark.parametrize("normalize", [None, "sphere"])
def test_teaching_and_forgetting_is_exact(normalize, digits):
    """The logits of other classes stay, to rounding; a taught class has its centres."""
    network = networks.Classes(digits, networks.centres(digits, 3, 0), range(8), normalize)
    x = digits.x_test
    before = network.logits(x, 10)
    assert np.all(before[:, 8:] == -np.inf)
    network.teach(9)
    taught = network.logits(x, 10)
    np.testing.assert_allclose(taught[:, :8], before[:, :8], rtol=1e-5)
    assert np.all(np.isfinite(taught[:, 9]))
    assert np.all(taught[:, 8] == -np.inf)
    assert network.layer.units == 27
    centres = to_numpy(network.layer.prototypes()).T[24:]
    nines = digits.x_train[digits.y_train == 9].mean(axis=0).ravel()
    if normalize is None:
        assert np.linalg.norm(centres.mean(axis=0) - nines) < 0.5 * np.linalg.norm(nines)
    network.forget(5)
    left = network.logits(x, 10)
    assert np.all(left[:, 5] == -np.inf)
    kept = [0, 1, 2, 3, 4, 6, 7, 9]
    np.testing.assert_allclose(left[:, kept], taught[:, kept], rtol=1e-5)
    assert not np.any(left.argmax(axis=1) == 5)


def test_accuracies_of_changed_classes(digits):
    network = networks.Classes(digits, networks.centres(digits, 10, 0), range(8), None)
    found = prototypes.change_classes(network, digits, digits.x_test, list(range(8)))
    assert found["old classes, before"] >= found["old classes, after"] > 0.9
    assert found["8, taught"] > 0.7
    assert found["5, after"] == 0.0
    assert found["other classes, after"] >= found["other classes, before"]
    assert found["AUROC"] == 0.5
    counts = np.bincount(digits.y_test)
    others = len(digits.y_test) - counts[5]
    parts = found["5, before it is forgotten"] * counts[5] + found["other classes, before"] * others
    np.testing.assert_allclose(found["all classes"], parts / len(digits.y_test))


def test_the_largest_response_of_a_class():
    responses = draw((4, 5))
    readout = networks.LargestOfClass(np.array([2, 2, 0, 0, 0]), 4)
    found = to_numpy(readout(responses))
    none = np.full(4, -np.inf)
    expected = [responses[:, 2:].max(axis=1), none, responses[:, :2].max(axis=1), none]
    np.testing.assert_array_equal(found, np.stack(expected, axis=1))


def test_contributions_of_a_prototype():
    responses, readout = draw((3, 4)), draw((4, 2), seed=1)
    parts = measures.contributions(responses, readout, 1)
    assert parts[2, 3] == pytest.approx(float(responses[2, 3]) * float(readout[3, 1]))
    np.testing.assert_allclose(parts.sum(axis=1), (responses @ readout)[:, 1], rtol=1e-5)
    # Contributions 4, 3, 2, 1: the first two are half. And 9, 1, 0, 0: the first is.
    responses = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 9.0, 0.0, 1.0]])
    one = np.ones((4, 1))
    assert measures.prototypes_for_half(responses, one, responses @ one) == 1.5


def test_auroc():
    assert measures.auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert measures.auroc(np.array([0.0]), np.array([1.0, 2.0])) == 0.0
    assert measures.auroc(np.ones(3), np.ones(5)) == 0.5
    # Of the pairs (2, 1), (2, 3), (4, 1), (4, 3) three are in order.
    assert measures.auroc(np.array([2.0, 4.0]), np.array([1.0, 3.0])) == 0.75


def test_calibration_error_by_hand():
    # Confidences 0.9 (right), 0.92 (wrong), 0.6 (right), 0.61 (right): bins 14, 14, 9, 10.
    found = np.array([[0.9, 0.1], [0.92, 0.08], [0.4, 0.6], [0.61, 0.39]])
    labels = np.array([0, 1, 1, 0])
    by_hand = 2 / 4 * abs(0.5 - 0.91) + 1 / 4 * (1 - 0.6) + 1 / 4 * (1 - 0.61)
    assert measures.calibration_error(found, labels) == pytest.approx(by_hand)
    sure = np.eye(3)[[0, 1, 2]]
    assert measures.calibration_error(sure, np.array([0, 1, 2])) == 0.0
    assert measures.calibration_error(sure, np.array([1, 2, 0])) == 1.0
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 200_000)
    labels = (rng.random(200_000) > confidence).astype(int)
    exact = np.stack([confidence, 1.0 - confidence], axis=1)
    assert measures.calibration_error(exact, labels) < 0.005


def test_the_temperature_is_that_of_the_logits():
    """Labels drawn from known probabilities, whose logits are multiplied by 3."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50_000, 4)) * 2.0
    chances = measures.probabilities(logits)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    labels = (chances.cumsum(axis=1) < rng.random((50_000, 1))).sum(axis=1)
    heat = measures.fitted_temperature(3.0 * logits, labels)
    assert heat == pytest.approx(3.0, rel=0.02)
    over = measures.calibration_error(measures.probabilities(3.0 * logits), labels)
    after = measures.calibration_error(measures.probabilities(3.0 * logits, heat), labels)
    assert after < 0.01 < 0.1 < over


def test_intervals():
    """By hand for 1, 2, 3: t(0.975, 2) = 4.3027, times 1/√3."""
    assert tables.interval([1.0, 2.0, 3.0], 2) == "2.00 (-0.48 to 4.48)"
    assert tables.interval([0.5]) == "0.5000"
    assert tables.interval([0.0, 0.0]) == "0.0000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more, not '0'"),
        (["--rate", "2"], "--rate: must be a number between 0 and 1, not '2'"),
        (["--data", "cifar10"], "invalid choice: 'cifar10'"),
        (["--elsewhere", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_wrong_use(options, message, tmp_path, monkeypatch, capsys):
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(prototypes, options, monkeypatch, capsys)


def test_the_layer_of_a_network_of_classes_is_the_public_one(digits):
    layer = networks.Classes(digits, networks.centres(digits, 2, 0), [0, 1], None).layer
    assert isinstance(layer, keras_yat.YatDense)
    assert layer.bias is None


@pytest.mark.parametrize("name", ["ladder", "classes", "attribution", "elsewhere", "calibration"])
def test_the_page_has_the_saved_tables(name):
    page = (ROOT / "examples" / "PROTOTYPES.md").read_text(encoding="utf-8")
    assert trials.markdown(rows(ROOT / "examples" / "results" / f"prototypes-{name}.csv")) in page
