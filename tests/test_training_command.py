"""The command that trains, and the files that it takes."""

import json
from pathlib import Path

import keras
import pytest

import keras_yat
from examples import config, train
from tests.helpers import ROOT, refusal, run

pytestmark = pytest.mark.once

DNN3 = "examples/configs/dnn3.toml"
QUICK = ("--data", "digits", "--epochs", "1")


@pytest.mark.nightly
@pytest.mark.slow
def test_a_sweep_skips_what_is_done(tmp_path):
    command = ("-m", "examples.train", DNN3, *QUICK, "--out", str(tmp_path))
    first = run(*command, "--activation", "relu")
    assert first.returncode == 0, first.stderr
    assert "Runs: 1, of which 0 are finished." in first.stdout
    (study,) = tmp_path.iterdir()
    assert study.name == f"dnn3-digits-{keras.backend.backend()}"
    noted = (study / "relu" / "seed_0" / "metrics.json").stat().st_mtime_ns
    more = run(*command, "--activation", "relu,sinlu", "--layers", "keras,yat")
    assert more.returncode == 0, more.stderr
    assert "Runs: 3, of which 1 are finished." in more.stdout
    assert sorted(f.name for f in study.iterdir()) == ["relu", "sinlu", "yat"]
    assert (study / "relu" / "seed_0" / "metrics.json").stat().st_mtime_ns == noted
    metrics = json.loads((study / "yat" / "seed_0" / "metrics.json").read_text())
    assert f"yat, seed_0: test accuracy {metrics['test_accuracy']:.4f}" in more.stdout


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_a_sweep_goes_on_behind_a_damaged_run(name, tmp_path, monkeypatch, capsys):
    study = tmp_path / f"dnn3-digits-{keras.backend.backend()}"
    damaged = study / "relu" / "seed_0" / name
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    options = [*QUICK, "--activation", "relu,sinlu", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["train", str(ROOT / DNN3), *options])
    assert train.main(train.parse()) == 1
    assert f"{damaged} is missing or damaged" in capsys.readouterr().err
    assert (study / "sinlu" / "seed_0" / "metrics.json").exists()
    assert damaged.read_text() == "{"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "4-2"], "--seed: must be such as 3, or 0,1,2, or 0-4, not '4-2'"),
        (["--layers", "yatt"], "--layers: must be keras, yat or MODULE:CLASS, not 'yatt'"),
        (["--layers", "examples:Nope"], "cannot import 'examples:Nope'"),
        (["--activation", "nammi"], "did you mean 'nami'?"),
        (
            ["--activation", "examples.layer_factory:nope"],
            "cannot import 'examples.layer_factory:nope'",
        ),
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more"),
        (["--data", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_the_command_refuses(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    told = refusal(train, [DNN3, "--out", str(tmp_path), *options], monkeypatch, capsys)
    assert message in told
    assert not list(tmp_path.iterdir())


def test_an_unknown_activation_of_a_file_is_told_before_anything_is_trained(
    tmp_path, capsys, monkeypatch
):
    text = (ROOT / "examples" / "configs" / "mila.toml").read_text()
    file = written(tmp_path, text.replace('activation = "mila"', 'activation = "milla"'))
    out = tmp_path / "out"
    told = refusal(train, [str(file), "--out", str(out)], monkeypatch, capsys)
    assert told.startswith(f"{file}: ")
    assert "did you mean 'mila'" in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [3]), ("0,2,2", [0, 2]), ("0-2,7", [0, 1, 2, 7]), ("5-5", [5])]
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert train._seeds(text) == seeds


def test_all_is_every_activation():
    every = [*train.PLAIN, *keras_yat.activations.names()]
    assert train.expand_all(["mila", "all"]) == ["mila", *(n for n in every if n != "mila")]
    assert train.expand_all(None) == []


# Files.


def written(folder, text, name="mine.toml"):
    file = Path(folder, name)
    file.write_text(text)
    return file


BASE = (ROOT / "examples" / "configs" / "resnet8.toml").read_text()


def test_a_file_that_extends_another_says_what_differs(tmp_path):
    written(tmp_path, BASE, "base.toml")
    file = written(tmp_path, 'extends = "base.toml"\n[model]\ndepth = 14\n')
    base, found = config.load(tmp_path / "base.toml"), config.load(file)
    assert found.model == base.model.model_copy(update={"depth": 14})
    assert (found.data, found.training) == (base.data, base.training)
    assert base.published is not None
    assert (found.published, found.parameters) == (None, None)


def test_figures_are_not_those_of_other_data(tmp_path):
    file = written(tmp_path, BASE)
    assert config.load(file, {"data": {"name": "cifar10"}}).published is not None
    assert config.load(file, {"data": {"name": "digits"}}).published is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("depth = 8", "depth = 9", "model.depth: one of 8, 14, 18"),
        ("depth = 8", "", "model.depth: one of 8, 14, 18"),
        ("depth = 8", "depth = 8\nunits = [3]", "model.units: not with kind = 'resnet'"),
        ("depth = 8", 'depth = 8\nstyle = "class"', "model.style: only with kind = 'dense'"),
        ("depth = 8", "depth = 8\nkernel_multiplier = 1.0", "only with layers = 'yat'"),
        ('kind = "resnet"', 'kind = "dense"', "model.units: needed with kind = 'dense'"),
        (
            'kind = "resnet"\ndepth = 8\nshare = "network"',
            'kind = "recurrent"\nunits = [3]\nshare = "channel"',
            "keras.layers.LSTM cannot have an activation per channel",
        ),
        ("at = [45, 65]", "at = [65, 45]", "training.at: epochs in rising order, each once"),
        ("at = [45, 65]", "", "training.at: epochs in rising order with schedule = 'steps'"),
        ('optimizer = "sgd"', 'optimizer = "adam"', "training.momentum: only with optimizer"),
        ("batch_size = 128", "batchsize = 128", "did you mean batch_size?"),
        ("epochs = 90", "epochs = 0", "training.epochs: input should be greater than or equal to"),
        (
            'name = "cifar10"',
            'name = "osu_leaf"',
            "data.name: input should be 'cifar10', 'cifar100'",
        ),
        ('share = "network"', 'share = "block"', "model.share: input should be 'network', 'layer'"),
        ('augment = ["crop", "flip"]', 'augment = ["turn"]', "data.augment.0: input should be"),
        ('title = "ResNet-8"', 'extends = "none.toml"', "none.toml could not be read"),
        ('title = "ResNet-8"', 'extends = "mine.toml"', "extends: mine.toml extends itself"),
        ('title = "ResNet-8"', "extends = 3", "extends: should be the name of a file"),
    ],
)
def test_a_file_is_refused_with_the_key(old, new, told, tmp_path):
    assert old in BASE
    with pytest.raises(SystemExit) as refused:
        config.load(written(tmp_path, BASE.replace(old, new)))
    assert told in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path))


def test_a_sequential_network_shares_nothing(tmp_path):
    text = (ROOT / "examples" / "configs" / "mila.toml").read_text()
    file = written(tmp_path, text.replace("units =", 'share = "network"\nunits ='))
    with pytest.raises(
        SystemExit, match=r"model\.style: a sequential model cannot use a layer twice"
    ):
        config.load(file)
