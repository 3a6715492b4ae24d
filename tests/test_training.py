"""Trainings: their data, their optimizers, and runs that are cut."""

import json

import keras
import numpy as np
import pytest

from examples import config, data, durable, runs
from tests.helpers import ROOT, to_numpy

pytestmark = pytest.mark.once

CONFIGS = ROOT / "examples" / "configs"


def small(**changes):
    """DNN3 on the digits, with a layer of 8 and one of 6, for three epochs."""
    tables = {
        "data": {"name": "digits"},
        "model": {"units": [8, 6], "activation": "mila"},
        "training": {"epochs": 3, "batch_size": 400},
    }
    for table, values in changes.items():
        tables[table] |= values
    return config.load(CONFIGS / "dnn3.toml", tables)


@pytest.fixture(scope="module")
def digits():
    return runs.load(small().data)


def test_the_penalty_is_half_of_l2_times_the_squares(digits):
    recipe = small(training={"l2": 0.3})
    model = runs.build(recipe, digits.train.x.shape[1:], 10, 5)
    kernels = [to_numpy(w).astype("float64") for w in model.weights if w.path.endswith("kernel")]
    expected = 0.15 * sum(np.sum(kernel**2) for kernel in kernels)
    assert len(kernels) == 3
    assert float(sum(map(to_numpy, model.losses))) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dnn2", lambda e, f: 3e-4 * 0.5**e),
        ("mila", lambda e, f: 3e-3),
        ("resnet8", lambda e, f: 0.1 * 0.1 ** ((e >= 45) + (e >= 65))),
        ("resnet18", lambda e, f: 0.05 * (1.0 + np.cos(np.pi * (e + f) / 200))),
    ],
)
def test_rates_follow_the_schedule(name, expected):
    steps = 7
    optimizer = runs.optimizer(config.load(CONFIGS / f"{name}.toml").training, steps)
    optimizer.build([])
    for epoch in (0, 1, 2, 44, 45, 64, 65, 89):
        for step in (0, 3, 6):
            optimizer.iterations.assign(epoch * steps + step)
            found = float(to_numpy(optimizer.learning_rate))
            assert found == pytest.approx(expected(epoch, step / steps), rel=1e-5)


def test_data_are_split_and_standardized(digits):
    images = data.load("digits")
    x = np.concatenate([digits.train.x, digits.validation.x])
    assert len(digits.validation.y) == 144
    assert len(x) == len(images.x_train)
    assert abs(digits.train.x.mean()) < 1e-5
    assert digits.train.x.std() == pytest.approx(1.0, rel=1e-5)
    # The same images, all of them, by their pixels.
    back = images.x_train - images.x_train.min()
    scale = np.ptp(images.x_train) / np.ptp(x)
    found = np.sort(((x - x.min()) * scale).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(found, np.sort(back.sum(axis=(1, 2, 3))), rtol=1e-4)
    again = runs.load(small().data)
    np.testing.assert_array_equal(again.train.x, digits.train.x)
    np.testing.assert_array_equal(digits.test.y, images.y_test)


def batches(augment=(), seed=0, epoch=0, size=7):
    rng = np.random.default_rng(5)
    part = runs.Split(rng.normal(size=(20, 6, 6, 2)).astype("float32"), np.arange(20))
    return part, runs.Batches(part, size, seed, epoch, list(augment))


def test_batches_have_each_image_once_in_an_order_of_seed_and_epoch():
    part, found = batches()
    assert [len(found[i][1]) for i in range(len(found))] == [7, 7, 6]
    orders = {}
    for seed in (0, 1):
        _, found = batches(seed=seed)
        for epoch in (0, 1):
            x, y = (
                np.concatenate(each) for each in zip(*map(found.__getitem__, range(3)), strict=True)
            )
            np.testing.assert_array_equal(np.sort(y), np.arange(20))
            np.testing.assert_array_equal(x, part.x[y])
            orders[seed, epoch] = tuple(y)
            found.begin(epoch + 1)
    assert len(set(orders.values())) == 4
    _, resumed = batches(seed=1, epoch=1)
    assert tuple(np.concatenate([resumed[i][1] for i in range(3)])) == orders[1, 1]


def test_augmented_images_are_shifted_and_mirrored():
    part, found = batches(["crop", "flip"], size=20)
    x, y = found[0]
    wide = np.pad(part.x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    seen = set()
    for image, number in zip(x, y, strict=True):
        matches = [
            (top, left, mirrored)
            for top in range(9)
            for left in range(9)
            for mirrored in (False, True)
            if np.array_equal(
                wide[number, top : top + 6, left : left + 6][:, :: -1 if mirrored else 1], image
            )
        ]
        assert matches
        seen.add(matches[0])
    assert len(seen) > 10
    assert {mirrored for *_, mirrored in seen} == {False, True}


def test_half_precision_is_of_the_run_alone(digits, tmp_path):
    policy = keras.config.dtype_policy()
    recipe = small(training={"precision": "mixed_float16", "epochs": 1, "optimizer": "sgd"})
    here = runs.Run(recipe, 0, tmp_path)
    assert np.isfinite(runs.train(here, digits, lambda *a: None)["test_loss"])
    assert keras.config.dtype_policy() == policy
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert model.layers[2].compute_dtype == "float16"
    assert model.layers[2].kernel.dtype == "float32"


# Runs that are cut.


class Killed(BaseException):
    """As if the process had ended there."""


def ended(folder):
    """All numbers that a run leaves, but for the time that it took."""
    metrics, history = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("metrics", "history")
    )
    with np.load(folder / "parameters.npz") as arrays:
        parameters = {name: arrays[name].tolist() for name in arrays.files}
    weights = keras.saving.load_model(folder / "model.keras").get_weights()
    for found in (metrics, history):
        del found["seconds"]
    return metrics, history, parameters, [weight.tolist() for weight in weights]


@pytest.mark.nightly
def test_a_run_that_is_cut_anywhere_ends_as_one_that_is_not(digits, tmp_path, monkeypatch):
    recipe, quiet = small(), lambda done, metrics: None
    write, writes = durable.write, []
    monkeypatch.setattr(durable, "write", lambda *a: (writes.append(a[0].name), write(*a)))
    runs.train(runs.Run(recipe, 1, tmp_path / "whole"), digits, quiet)
    truth = ended(tmp_path / "whole")
    assert writes == ["run.json", *["history.json"] * 3, "metrics.json"]
    cut = runs.Run(recipe, 1, tmp_path / "cut")
    cut.folder.mkdir()
    (cut.folder / "part-1-history.json").write_text("")  # of a process that was killed
    for name, after in DEATHS:

        def dying(path, content, name=name, after=after):
            if path.name == name and not after:
                raise Killed
            write(path, content)
            if path.name == name:
                raise Killed

        monkeypatch.setattr(durable, "write", dying)
        with pytest.raises(Killed):
            runs.train(cut, digits, quiet)
    monkeypatch.setattr(durable, "write", write)
    runs.train(cut, digits, quiet)
    assert ended(tmp_path / "cut") == truth
    assert {f.name for f in (tmp_path / "cut").iterdir()} == {
        f.name for f in (tmp_path / "whole").iterdir()
    }


# Each at the first time that the file is written since the run went on: in the first epoch,
# behind it, in the second one, behind the third and last one.
DEATHS = [
    ("run.json", True),
    ("history.json", False),
    ("history.json", True),
    ("history.json", False),
    ("history.json", True),
    ("metrics.json", False),
    ("metrics.json", True),
]


def test_a_run_goes_on_where_it_was(digits, tmp_path):
    here = runs.Run(small(), 0, tmp_path)

    def stop(done, metrics):
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        runs.train(here, digits, stop)
    told = []
    runs.train(here, digits, lambda done, metrics: told.append((done, sorted(metrics))))
    assert [done for done, _ in told] == [2, 3]
    assert "val_accuracy" in told[0][1]
    assert runs.train(here, digits, stop) == here.metrics  # nothing is left to do


def test_a_folder_is_of_one_run(digits, tmp_path):
    here = runs.Run(small(), 0, tmp_path)
    runs.check_settings(here)
    told = runs.Run(small().model_copy(update={"title": "Another"}), 0, tmp_path)
    runs.check_settings(told)
    other = runs.Run(small(training={"epochs": 4}), 1, tmp_path)
    with pytest.raises(SystemExit, match="another run") as refusal:
        runs.train(other, digits, lambda *a: None)
    assert "training.epochs: 3, now 4" in str(refusal.value)
    assert "seed: 0, now 1" in str(refusal.value)


def test_two_processes_are_not_at_the_same_run(digits, tmp_path):
    with durable.lock(tmp_path, "trains"), pytest.raises(durable.Busy, match="Another process"):
        runs.train(runs.Run(small(), 0, tmp_path), digits, lambda *a: None)
    assert not (tmp_path / "run.json").exists()
