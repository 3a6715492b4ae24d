"""Seeds and rates that are trained together, and the studies of rates and parameters."""

import csv
import json

import keras
import numpy as np
import pytest

from examples import (
    batches,
    config,
    parameters,
    programs,
    rates,
    runs,
    studies,
    together,
    vectorized,
)
from tests.helpers import BACKEND, ROOT

CONFIGS = ROOT / "examples" / "configs"

SMALL = """
title = "small"
source = "this test"

[data]
name = "digits"
images = 330
validation = 0.2

[model]
kind = "dense"
units = [8, 6]

[training]
epochs = 2
batch_size = 100
optimizer = "adam"
learning_rate = 3e-3
schedule = "cosine"
"""

NETWORKS = {
    "dense": {"model": {"activation": "mila"}, "training": {"l2": 0.1}},
    "convolution": {
        "data": {"augment": ["crop", "flip"]},
        "model": {"kind": "convolution", "units": [4, 3], "activation": "sinlu"},
        "training": {"optimizer": "sgd", "momentum": 0.9},
    },
    "recurrent": {
        "model": {"kind": "recurrent", "units": [4, 3], "layers": "yat"},
        "training": {"schedule": "exponential"},
    },
}


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "rates_small.toml"
    file.write_text(SMALL)
    return file


def start(module, options, monkeypatch):
    monkeypatch.setattr("sys.argv", [module.__name__, *map(str, options)])
    return module.main(module.parse())


def rows(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_each_epoch_of_a_run_has_its_own_batches(small, tmp_path, monkeypatch):
    """`fit` may read a batch before the first epoch, and restart: on JAX it does."""
    recipe = config.load(small)
    splits = runs.load(recipe.data)
    read = []

    class Recorded(batches.Batches):
        def begin(self, epoch):
            super().begin(epoch)
            read.append((epoch, []))

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            read[-1][1].append((index, x))
            return x, y

    monkeypatch.setattr(runs, "Batches", Recorded)
    runs.train(runs.Run(recipe, 3, tmp_path / "run"), splits, lambda done, metrics: None)
    for epoch in (0, 1):
        seen = {i: x for at, found in read if at == epoch for i, x in found}
        order = batches.draw(3, epoch, len(splits.train.y)).order
        assert sorted(seen) == list(range(-(-len(order) // 100)))
        for index, x in seen.items():
            chosen = order[100 * index : 100 * (index + 1)]
            np.testing.assert_array_equal(x, splits.train.x[chosen])
    assert {epoch for epoch, _ in read} == {0, 1}


@pytest.mark.backends("tensorflow", "torch")
def test_other_backends_say_that_jax_is_needed(small):
    recipe = config.load(small)
    with pytest.raises(SystemExit, match="needs JAX: use --backend jax. Received: " + BACKEND):
        vectorized.Program(recipe, runs.load(recipe.data))


@pytest.mark.backends("jax")
@pytest.mark.parametrize(
    "name",
    [
        "dense",
        pytest.param("convolution", marks=pytest.mark.slow),
        pytest.param("recurrent", marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize("in_loop", [False, True])
def test_a_copy_is_the_run_of_its_seed(name, in_loop, small, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "on_accelerator", lambda: in_loop)
    monkeypatch.setattr(programs, "TEST_BATCH", 100)  # test data have 360 images
    recipe = config.load(small, NETWORKS[name])
    splits = runs.load(recipe.data)
    program = vectorized.Program(recipe, splits, together=2)
    rate = recipe.training.learning_rate
    found = list(program.train([vectorized.Copy(seed, rate) for seed in (0, 7, 3)]))
    assert [result.copy.seed for result in found] == [0, 7, 3]
    for result in (found[0], found[2]):
        run = runs.Run(recipe, result.copy.seed, tmp_path / str(result.copy.seed))
        metrics = runs.train(run, splits, lambda done, metrics: None)
        history = json.loads((run.folder / "history.json").read_text())
        for key in ("loss", "crossentropy", "accuracy", "val_crossentropy", "val_accuracy"):
            np.testing.assert_allclose(result.history[key], history[key], rtol=1e-4, atol=1e-5)
        for key, value in result.metrics.items():
            assert value == pytest.approx(metrics[key], rel=1e-4, abs=1e-5)
        model = keras.saving.load_model(run.folder / "model.keras")
        for ours, theirs in zip(result.weights, model.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-5)
        recorded = runs.state.parameters(run.folder, 2).history
        assert recorded.keys() == result.parameters.history.keys()
        for path, values in recorded.items():
            np.testing.assert_allclose(result.parameters.history[path], values, atol=1e-4)


@pytest.mark.backends("jax")
def test_copies_have_their_own_rates(small):
    recipe = config.load(small)
    splits = runs.load(recipe.data)
    pairs = [vectorized.Copy(0, 1e-3), vectorized.Copy(0, 1e-2)]
    program = vectorized.Program(recipe, splits, together=2)
    slow, fast = (result.history["loss"][-1] for result in program.train(pairs))
    alone = next(vectorized.Program(recipe, splits, together=1).train(pairs[1:]))
    assert fast < slow
    assert alone.history["loss"][-1] == pytest.approx(fast, rel=1e-4)


@pytest.mark.backends("jax")
def test_runs_trained_together_are_finished_runs(small, tmp_path):
    recipe = config.load(small, {"model": {"activation": "mila"}})
    group = [runs.Run(recipe, seed, tmp_path / f"seed_{seed}") for seed in (0, 1, 2)]
    splits = runs.load(recipe.data)
    epochs, finished = [], []
    together.train(group, splits, 2, epochs.append, lambda run, m: finished.append(run.seed))
    assert (epochs, finished) == ([2, 2, 1, 1], [0, 1, 2])
    for run in group:
        model = keras.saving.load_model(run.folder / "model.keras")
        _, accuracy, _ = model.evaluate(splits.test.x, splits.test.y, verbose=0)
        assert run.metrics["test_accuracy"] == pytest.approx(accuracy, abs=1e-5)
        assert len(runs.state.parameters(run.folder, 2).history["mila/beta"]) == 3
    together.train(group, splits, 2, epochs.append, lambda run, m: finished.append(run.seed))
    assert len(finished) == 3  # no run is trained again


@pytest.mark.nightly
@pytest.mark.backends("jax")
def test_a_study_of_rates_and_one_of_parameters(small, tmp_path, monkeypatch, capsys):
    out = tmp_path / "rates"
    options = [small, "--activation", "sinlu", "--sweep-seeds", 1, "--seeds", 3, "--out", out]
    assert start(rates, options, monkeypatch) == 0
    found = rows(out / "rates.csv")
    assert len(found) == 2 * (5 + 3)
    assert (out / "small.png").stat().st_size > 10_000
    swept = [row for row in found if row["variant"] == "sinlu" and row["stage"] == "sweep"]
    assert len({row["rate"] for row in swept}) == 5
    best = max(swept, key=lambda row: float(row["val_accuracy"]))
    new = [row for row in found if row["variant"] == "sinlu" and row["stage"] == studies.NEW]
    assert {row["rate"] for row in new} == {best["rate"]}
    assert [row["seed"] for row in new] == ["100", "101", "102"]
    # The table is that of the single results.
    base = [r for r in found if r["variant"] == "relu" and r["stage"] == studies.NEW]
    pairs = zip(new, base, strict=True)
    difference = np.mean([float(a["test_accuracy"]) - float(b["test_accuracy"]) for a, b in pairs])
    (row,) = [row for row in rows(out / "best.csv") if row["variant"] == "sinlu"]
    assert row["difference from relu (95 %)"].startswith(f"{difference:+.4f} (")
    # A study goes on where it was interrupted.
    file = out / "small" / "sinlu.json"
    content = json.loads(file.read_text())
    lost = content["results"].pop()
    file.write_text(json.dumps({**content, "finished": False}))
    assert start(rates, options, monkeypatch) == 0
    again = json.loads(file.read_text())["results"]
    assert again[:-1] == content["results"]
    for key in ("seed", "rate", "test_accuracy"):
        assert again[-1][key] == pytest.approx(lost[key], abs=1e-4)
    capsys.readouterr()

    options = ["--rates", out / "rates.csv", "--seeds", 2, "--out", tmp_path / "parameters"]
    assert start(parameters, [small, "--activation", "sinlu", *options], monkeypatch) == 0
    found = rows(tmp_path / "parameters" / "parameters.csv")
    assert [row["way"] for row in found] == [way for way in parameters.WAYS for _ in range(2)]
    assert {row["rate"] for row in found} == {best["rate"]}
    learned = rows(tmp_path / "parameters" / "learned.csv")
    entries = {(row["way"], row["parameter"]): row["entries"] for row in learned}
    assert entries["trained, one set", "sin_lu/alpha"] == "1"
    assert ("trained, one set", "sin_lu_1/alpha") not in entries
    assert entries["trained, per channel", "sin_lu_1/alpha"] == "6"
    assert all(row["start"] != row["end"] for row in learned)
    table = capsys.readouterr().out
    assert "frozen at learned values - frozen at the start" in table
    with pytest.raises(SystemExit, match="has no rate of mila in small"):
        start(parameters, [small, "--activation", "mila", *options], monkeypatch)
    with pytest.raises(SystemExit, match="softermax has no parameters"):
        start(parameters, [small, "--activation", "softermax", *options], monkeypatch)


@pytest.mark.backends("jax")
def test_frozen_parameters_stay_at_the_given_values(small):
    recipe = config.load(small, {"model": {"activation": "mila"}})
    splits = runs.load(recipe.data)
    copies = [vectorized.Copy(0, 1e-2), vectorized.Copy(1, 1e-2)]
    prepare = parameters.freezing({1: {"mila/beta": np.float32(-0.5)}})
    at_start, moved = vectorized.Program(recipe, splits, prepare, 2).train(copies)
    for result, expected in ((at_start, -0.25), (moved, -0.5)):
        np.testing.assert_array_equal(result.parameters.history["mila/beta"], [expected] * 3)
        np.testing.assert_array_equal(result.parameters.history["mila_1/beta"], [-0.25] * 3)
    assert at_start.history["loss"] != moved.history["loss"]
