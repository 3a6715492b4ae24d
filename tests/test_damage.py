"""Each file of a run and of a study, damaged in each way: it is named, or computed again."""

import json
import os
import shutil

import keras
import numpy as np
import pytest

from benchmarks import studies
from examples import config, durable, evaluate, report, runs, train
from tests.helpers import COMMANDS, ROOT
from tuning import config as tuning_config
from tuning import data, final, study

pytestmark = [pytest.mark.once, pytest.mark.slow]


def wrong_types(content):
    """The content with text for all values."""
    if isinstance(content, dict):
        return {key: wrong_types(value) for key, value in content.items()}
    return str(content)


def damage(file, kind, other):
    """Damages a file; `other` is the same file of another run or study."""
    before = file.read_bytes()
    file.unlink()
    if kind == "another":
        shutil.copy(other, file)
    elif kind == "wrong types":
        is_json = file.suffix == ".json"
        content = json.dumps(wrong_types(json.loads(before))).encode() if is_json else b"\x89HDF"
        file.write_bytes(content)
    elif kind != "missing":
        contents = {"empty": b"", "truncated": before[: len(before) // 2], "zeros": bytes(99)}
        file.write_bytes(contents[kind] if kind in contents else kind.encode())


KINDS = (
    "missing",
    "empty",
    "truncated",
    "{}",
    "[1, 2]",
    '"text"',
    "zeros",
    "wrong types",
    "another",
)


MOST = ("missing", "truncated", "{}", "wrong types", "another")
REST = sorted(set(KINDS) - set(MOST))
NIGHTLY = pytest.mark.nightly


def check_line(told, file):
    """The message is one line, with the file and the remedy."""
    assert told.startswith(f"{file} is missing or damaged: "), told
    assert f"or remove {file.parent}: the same command then computes it again." in told
    assert len(told.splitlines()) == 1


# Runs.


class Killed(BaseException):
    pass


def quiet(done, metrics):
    """Nothing."""


def recipe():
    changes = {
        "data": {"name": "digits"},
        "model": {"units": [6], "activation": "mila"},
        "training": {"epochs": 3, "batch_size": 400},
    }
    return config.load(ROOT / "examples" / "configs" / "dnn2.toml", changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs that are finished, and two that were killed after two epochs; and their data."""
    folder = tmp_path_factory.mktemp("runs")
    splits = runs.load(recipe().data)

    def kill(done, metrics):
        if done == 2:
            raise Killed

    for seed in (0, 1):
        runs.train(runs.Run(recipe(), seed, place(folder / "finished", seed)), splits, quiet)
        with pytest.raises(Killed):
            runs.train(runs.Run(recipe(), seed, place(folder / "cut", seed)), splits, kill)
    return folder, splits


def place(folder, seed=0):
    return folder / f"dnn2-digits-{keras.backend.backend()}" / "mila" / f"seed_{seed}"


def numbers(folder):
    return {
        k: v for k, v in json.loads((folder / "metrics.json").read_text()).items() if k != "seconds"
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["run.json", "history.json", "parameters.npz", "epoch_2.weights.h5"]
)
def test_an_unfinished_run(name, kind, trained, tmp_path):
    folder, splits = trained
    shutil.copytree(folder / "cut", tmp_path / "cut")
    here = place(tmp_path / "cut")
    damage(here / name, kind, place(folder / "cut", 1) / name)
    run = runs.Run(recipe(), 0, here)
    if (name, kind) in RESUMED:
        runs.train(run, splits, quiet)
        assert numbers(here) == numbers(place(folder / "finished"))
        return
    before = {file.name: file.read_bytes() for file in here.iterdir()}
    with pytest.raises(SystemExit) as refused:
        runs.train(run, splits, quiet)
    if (name, kind) == ("run.json", "another"):
        assert "has another run with other settings:\n  seed: 1, now 0" in str(refused.value)
    else:
        check_line(str(refused.value), here / name)
    assert before == {file.name: file.read_bytes() for file in here.iterdir()}


# The settings are known, and the marks of the other files prove that they belong to them. Records
# of parameters have no mark.
RESUMED = {("run.json", "missing"), ("parameters.npz", "another")}


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_measured_again(kind, trained, tmp_path, capsys):
    folder, splits = trained
    shutil.copytree(folder / "finished", tmp_path / "runs")
    here = place(tmp_path / "runs")
    damage(here / "metrics.json", kind, place(folder / "finished", 1) / "metrics.json")
    runs.train(runs.Run(recipe(), 0, here), splits, quiet)
    found, truth = numbers(here), numbers(place(folder / "finished"))
    for name in ("test_loss", "test_crossentropy"):
        assert found.pop(name) == pytest.approx(truth.pop(name), rel=1e-5)
    assert found == truth
    told = capsys.readouterr().err
    assert "model.keras is tested again" in told
    assert (f"{here / 'metrics.json'} is missing or damaged" in told) == (kind != "missing")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "missing"])
@pytest.mark.parametrize("name", ["run.json", "history.json", "parameters.npz", "metrics.json"])
def test_a_report_leaves_a_damaged_run_out(name, kind, trained, tmp_path, capsys):
    folder, _ = trained
    shutil.copytree(folder / "finished", tmp_path / "runs")
    here = place(tmp_path / "runs")
    damage(here / name, kind, place(folder / "finished", 1) / name)
    found = []
    (variant,) = report.read(here.parent.parent, found)
    if (name, kind) in RESUMED:
        return
    assert list(variant.metrics) == [1]
    (told,) = map(str, found)
    # Settings of another run do not fit the other files.
    check_line(told, here / (name if (name, kind) != ("run.json", "another") else "metrics.json"))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("missing", "another")])
@pytest.mark.parametrize("name", ["run.json", "metrics.json", "model.keras"])
def test_the_other_runs_are_evaluated(name, kind, trained, tmp_path, capsys, monkeypatch):
    shutil.copytree(trained[0] / "finished", tmp_path / "runs")
    here = place(tmp_path / "runs")
    damage(here / name, kind, None)
    monkeypatch.setattr("sys.argv", ["evaluate", str(here), str(place(tmp_path / "runs", 1))])
    assert evaluate.main(evaluate.parse()) == 1
    printed = capsys.readouterr()
    assert str(here.with_name("seed_1")) in printed.out
    check_line(printed.err.splitlines()[-1], here / name)


def test_a_sweep_goes_on_behind_each_damage(trained, tmp_path, capsys, monkeypatch):
    """A file is damaged, and one lies where a folder should be: the third run is trained."""
    shutil.copytree(trained[0] / "cut", tmp_path / "runs")
    damage(place(tmp_path / "runs") / "history.json", "{}", None)
    shutil.rmtree(place(tmp_path / "runs", 1))
    place(tmp_path / "runs", 1).write_text("")
    study_ = [runs.Run(recipe(), seed, place(tmp_path / "runs", seed)) for seed in (0, 1, 2)]
    assert train.sweep(study_) == 1
    assert study_[2].metrics is not None
    told = capsys.readouterr().err
    assert f"{study_[0].label}: {study_[0].folder / 'history.json'} is missing or damaged" in told
    assert str(study_[1].folder) in told


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    options = [str(ROOT / "examples/configs/dnn2.toml"), "--data", "digits", "--out"]
    monkeypatch.setattr("sys.argv", ["train", *options, str(tmp_path / "file")])
    with pytest.raises(FileExistsError):
        train.main(train.parse())


# Studies.


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """`searched(seed)`: settings, data and the folder of a study with this seed of its tuner."""
    before = {name: os.environ.get(name) for name in COMMANDS}
    os.environ |= COMMANDS
    found = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("study")
        settings = tuning_config.load(studies.small(folder, "random", 2, examples=150))
        tuner = settings.tuner.model_copy(update={"seed": seed})
        settings = settings.model_copy(update={"tuner": tuner})
        splits = data.load(settings)
        study._check_settings(settings, keras.backend.backend(), folder)
        final.test(
            settings,
            "searched",
            study.search(settings, "searched", splits, folder, 0, None),
            folder,
        )
        found.append((settings, splits, folder, again(settings, splits, folder)))
    yield found
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def again(settings, splits, folder):
    """Runs the study again; returns what is to be the same: scores, tests, best weights."""
    study._check_settings(settings, keras.backend.backend(), folder)
    tuner = study.search(settings, "searched", splits, folder, 0, None)
    tested = final.test(settings, "searched", tuner, folder)
    (model,) = tuner.get_best_models()
    scores = {trial.trial_id: trial.score for trial in tuner.oracle.ended()}
    return scores, [each["test_accuracy"] for each in tested], model.get_weights()


def best_trial(folder):
    states = {f.parent: json.loads(f.read_text())["score"] for f in folder.glob("*/*/trial.json")}
    return max(sorted(states), key=states.get)


# What is computed again, and said.
REPAIRED = {
    "trial.json": "is repeated with the same values",
    "seed_0.json": "is repeated with the same values",
    "checkpoint.weights.h5": "It is copied again from seed_",
    "seed_1000.json": "It is trained again.",
    "done.json": "",
}


# Each takes seconds: a study begins anew.
SLOW = ["oracle.json", *(name for name in REPAIRED if name != "trial.json")]


@pytest.mark.parametrize("kind", [*MOST, *(pytest.param(k, marks=NIGHTLY) for k in REST)])
@pytest.mark.parametrize(
    "name", ["study.json", "trial.json", *(pytest.param(n, marks=NIGHTLY) for n in SLOW)]
)
def test_a_study(name, kind, searched, tmp_path, capsys):
    settings, splits, folder, truth = searched[0]
    shutil.copytree(folder, tmp_path / "out")
    out, other = tmp_path / "out", searched[1][2]
    places = {"study.json": ".", "oracle.json": "searched", "done.json": "searched"}
    places["seed_1000.json"] = "searched/final"
    place_ = places.get(name) or best_trial(folder).relative_to(folder)
    file = out / place_ / name
    damage(file, kind, other / place_ / name)
    capsys.readouterr()
    if name in REPAIRED or (name, kind) == ("study.json", "missing"):
        found = again(settings, splits, out)
        assert found[:2] == truth[:2]
        for one, two in zip(found[2], truth[2], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
        told = capsys.readouterr().err
        silent = ("study.json", "done.json")
        if name not in silent and (name, kind) != ("seed_1000.json", "missing"):
            assert f"{file} is missing or damaged" in told
            assert REPAIRED[name] in told
        assert again(settings, splits, out)[:2] == truth[:2]
        assert "damaged" not in capsys.readouterr().err
        return
    before = {f: f.read_bytes() for f in out.rglob("*.*") if f.is_file()}
    with pytest.raises(SystemExit) as refused:
        again(settings, splits, out)
    if (name, kind) == ("study.json", "another"):
        assert "has trials of another study with other settings" in str(refused.value)
    else:
        check_line(str(refused.value), file)
    assert before == {f: f.read_bytes() for f in out.rglob("*.*") if f.is_file()}


@pytest.mark.parametrize("kind", ["missing", "truncated", "another"])
def test_weights_of_the_best_trial_that_are_lost(kind, searched, tmp_path):
    """Said, and trained again when the trial's folder is removed."""
    settings, splits, folder, truth = searched[0]
    shutil.copytree(folder, tmp_path / "out")
    best = tmp_path / "out" / best_trial(folder).relative_to(folder)
    for file in best.glob("*.weights.h5"):
        other = searched[1][2] / file.relative_to(tmp_path / "out")
        damage(file, kind, other)
    with pytest.raises(durable.Damaged) as refused:
        again(settings, splits, tmp_path / "out")
    seed = next(seed for seed in (0, 1) if f"seed_{seed}.weights.h5" in str(refused.value))
    check_line(str(refused.value), best / f"seed_{seed}.weights.h5")
    shutil.rmtree(best)
    assert again(settings, splits, tmp_path / "out")[:2] == truth[:2]


def test_a_lost_tuner_file_is_not_missed(searched, tmp_path, capsys):
    """Versions before this one begin anew without it."""
    settings, splits, folder, truth = searched[0]
    shutil.copytree(folder, tmp_path / "out")
    for file in (tmp_path / "out").rglob("tuner*.json"):
        file.unlink()
    assert again(settings, splits, tmp_path / "out")[:2] == truth[:2]
