"""Studies: whole ones, killed ones, failing ones, and such of several processes."""

import csv
import json
import random
import sys
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from benchmarks import studies
from examples import durable
from tests import fresh
from tests.helpers import BACKEND, COMMANDS, run, to_numpy
from tuning import config, data, models, oracles, study
from tuning.tuner import Tuner, failure, results

pytestmark = pytest.mark.once

TUNERS = ("random", "bayesian", "hyperband", "grid")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """`small(tuner, trials)`: the file of a study of seconds."""
    for name, value in COMMANDS.items():
        monkeypatch.setenv(name, value)
    return lambda tuner="random", trials=3: studies.small(tmp_path, tuner, trials, examples=150)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.nightly
def test_a_whole_study(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(
        """
        title = "A study"
        data.examples = 150
        model.units = [12, 12]
        training = {epochs = 2, seeds = 2}
        tuner = {kind = "random", trials = 2}
        final.seeds = 2
        [arms.searched]
        activation = ["nami", "coslu"]
        optimizer = ["adam", "sgd"]
        search_bounds = true
        search_trainable = true
        [arms.yat]
        layers = "yat"
        """
    )
    out = tmp_path / "out"
    ended = run("-m", "tuning.study", str(file), "--out", str(out))
    assert ended.returncode == 0, ended.stderr
    rows = table(out / "table.csv")
    assert [row["arm"] for row in rows] == ["searched", "yat"]
    # The same budget for each of them.
    assert {(row["trials"], row["trainings"], row["failed"]) for row in rows} == {("2", "4", "0")}
    assert all("±" in row["test accuracy, 2 new seeds"] for row in rows)
    trials = table(out / "trials.csv")
    assert len(trials) == 4
    for line in trials:
        assert np.mean([float(s) for s in line["by seed"].split()]) == pytest.approx(
            float(line["score"]), abs=1e-4
        )
    best = json.loads((out / "best.json").read_text())
    winner = best["arms"][best["best arm"]]
    assert winner["validation accuracy"] == max(
        arm["validation accuracy"] for arm in best["arms"].values()
    )
    for name in ("trials.png", "values.png", "learning.png"):
        assert (out / name).stat().st_size > 10_000
    x = np.random.default_rng(0).uniform(size=(5, 8, 8, 1)).astype("float32")
    model = keras.saving.load_model(out / "best.keras")
    # In a process that has only imported keras_yat.
    np.save(out / "best.in.npy", x)
    found = fresh.predictions(out, (BACKEND,))[BACKEND]["best"]
    np.testing.assert_allclose(found, to_numpy(model(x)), rtol=1e-5, atol=1e-5)
    # It is ended: the same command only tells.
    again = run("-m", "tuning.study", str(file), "--out", str(out))
    assert again.returncode == 0
    assert table(out / "table.csv") == rows


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["random", "hyperband"])
def test_best_models_have_the_trained_parameters(kind, small, tmp_path):
    found = config.load(small(kind, 2))
    splits = data.load(found)
    tuner = study.search(found, "searched", splits, tmp_path / "out", 0, None)
    ended = tuner.oracle.ended()
    assert {trial.status for trial in ended} == {"COMPLETED"}, failure(tuner, ended[0])
    assert len(ended) == oracles.oracle(found)[1]
    (trial,) = tuner.oracle.get_best_trials()
    (model,) = tuner.get_best_models()
    scores = [max(history["val_accuracy"]) for history in results(tuner, trial)]
    assert len(scores) == 2
    assert trial.score == pytest.approx(np.mean(scores))
    _, accuracy = model.evaluate(splits.validation.inputs, splits.validation.y, verbose=0)
    assert accuracy == pytest.approx(max(scores), abs=1e-6)
    start = tuner.hypermodel.build(trial.hyperparameters.copy())
    for new, old in zip(models.activations_of(model), models.activations_of(start), strict=True):
        assert any(
            np.any(to_numpy(a) != to_numpy(b))
            for a, b in zip(new.weights, old.weights, strict=True)
        )


class Killed(BaseException):
    """What no `except Exception` catches, as no process survives SIGKILL."""


class Formula(Tuner):
    """A tuner whose trials take no time."""

    begun: list[str]

    def run_trial(self, trial, *args, **kwargs):
        self.begun.append(trial.trial_id)
        values = [v for v in trial.hyperparameters.values.values() if isinstance(v, float)]
        return [{oracles.OBJECTIVE: sum(values)}, {oracles.OBJECTIVE: sum(values) + 1.0}]


def formula(found, folder, begun):
    """The study's search with formulas instead of trainings."""

    def build(hp):
        hp.Float("x", 0.0, 1.0)
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            hp.Float("y", 0.0, 1.0)

    oracle, count = oracles.oracle(found)
    tuner = Formula.__new__(Formula)
    tuner.begun = begun
    tuner.study, tuner._idle = found, False
    keras_tuner.Tuner.__init__(tuner, oracle, build, directory=folder, project_name="searched")
    tuner.save()
    tuner.search(verbose=0)
    return oracle, count


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("kind", TUNERS)
def test_a_kill_at_any_write_loses_nothing(kind, small, tmp_path, monkeypatch):
    found = config.load(small(kind, 4))
    write, writes = durable.write, []
    monkeypatch.setattr(durable, "write", lambda *a: (writes.append(a), write(*a)))
    whole, count = formula(found, tmp_path / "whole", [])
    assert len(whole.ended()) == count
    truth = {t.trial_id: (t.hyperparameters.values, t.score) for t in whole.ended()}
    for place in range(len(writes)):
        for after in (False, True):
            left = [place]

            def dying(path, content, left=left, after=after):
                left[0] -= 1
                if left[0] < 0 and not after:
                    raise Killed
                write(path, content)
                if left[0] < 0:
                    raise Killed

            folder, begun = tmp_path / f"{place}-{after}", []
            monkeypatch.setattr(durable, "write", dying)
            with pytest.raises(Killed):
                formula(found, folder, begun)
            ended = {
                file.parent.name.removeprefix("trial_")
                for file in folder.glob("searched/trial_*/trial.json")
                if json.loads(file.read_text())["status"] == "COMPLETED"
            }
            monkeypatch.setattr(durable, "write", write)
            resumed = []
            oracle, _ = formula(found, folder, resumed)
            # None that had ended was run again, and no more than one that was cut.
            assert not ended & set(resumed)
            assert len(begun) + len(resumed) <= count + 1
            again = {t.trial_id: (t.hyperparameters.values, t.score) for t in oracle.ended()}
            assert again == truth, (place, after)


@pytest.mark.nightly
def test_a_killed_study_ends_as_if_it_had_not_been(small, tmp_path):
    file = small(trials=3)
    studies.run(file, tmp_path / "whole")
    longest = studies.two_trials(tmp_path / "whole")
    kills = studies.killed(file, tmp_path / "cut", 1, random.Random(0), longest)
    found = studies.compared(tmp_path / "whole", tmp_path / "cut", kills)
    same = ("trials", "trials of the study that was killed", "completed", "same values")
    assert [found[name] for name in (*same, "same score")] == [3] * 5
    assert found["begun"] <= 3 + kills


@pytest.mark.nightly
def test_two_workers_one_of_them_killed(small, tmp_path):
    out = tmp_path / "out"
    kills = studies.worker_killed(small(trials=3), out)
    found = studies.compared(out, out, kills)
    assert found["trials"] == found["completed"] == 3
    # One was cut, and begun again by the worker of the same name.
    assert found["begun"] == 4
    assert found["begun more than once"] == 1
    assert (out / "best.keras").exists()


FAILING = """
import keras
from tuning import tuner


def build(hp):
    if hp.Choice("kind", ["good", "raises", "not finite"]) == "raises":
        raise RuntimeError("this one cannot be built")
    rate = 0.1 if hp.get("kind") == "good" else float("nan")
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    hp.Float("x", 0.0, 1.0)
    return model
"""


@pytest.mark.nightly
@pytest.mark.slow
def test_trials_that_fail_are_told_and_the_study_goes_on(tmp_path, monkeypatch, capsys):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["study", "failing"])
    file = tmp_path / "study.toml"
    file.write_text(
        """
        data.examples = 150
        training.epochs = 3
        tuner = {trials = 10}
        final.seeds = 2
        [arms.own]
        build = "failing:build"
        """
    )
    study.run(config.load(file), tmp_path / "out")
    lines = table(tmp_path / "out" / "trials.csv")
    assert len(lines) == 10
    kinds = {(json.loads(line["values"])["kind"], line["status"]) for line in lines}
    assert kinds == {("good", "COMPLETED"), ("raises", "FAILED"), ("not finite", "FAILED")}
    reasons = {json.loads(line["values"])["kind"]: line["reason"] for line in lines}
    assert reasons["raises"] == "RuntimeError: this one cannot be built"
    assert "the loss of seed 0 is not finite" in reasons["not finite"]
    assert reasons["good"] == ""
    assert "this one cannot be built" in capsys.readouterr().err


def test_where_all_fail_the_reason_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "failing_all.py").write_text(
        "def build(hp):\n    if hp.Float('x', 0.0, 1.0) > 0.0:\n"
        "        raise RuntimeError('always')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "study.toml"
    file.write_text("tuner.trials = 2\ndata.examples = 150\n[arms.own]\nbuild='failing_all:build'")
    with pytest.raises(SystemExit, match="All trials of own failed"):
        study.run(config.load(file), tmp_path / "out")
    assert "RuntimeError: always" in capsys.readouterr().err


@pytest.mark.slow
def test_a_trial_that_kills_its_process_is_given_up(small, tmp_path):
    found = config.load(small())
    splits = data.load(found)
    oracle, _ = oracles.oracle(found)
    tuner = Tuner(oracle, found, "searched", splits, tmp_path / "out")
    folder = Path(tuner.get_trial_dir("0"))
    (folder / "attempts.txt").write_text("earlier\n" * 10)
    tuner.search(verbose=0)
    first, *others = oracle.ended()
    assert first.status == "FAILED"
    assert "ended 10 times during the trial" in failure(tuner, first)
    assert {trial.status for trial in others} == {"COMPLETED"}
