"""The published networks: their files, their parts, their data, and runs that are cut."""

import json
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_yat
from examples import config, data, durable, models, runs, train
from tests.helpers import ROOT, run, to_numpy

pytestmark = pytest.mark.unoptimized

FILES = sorted((ROOT / "examples" / "configs").glob("*.toml"))
SHAPES = {
    "mnist": ((28, 28, 1), 10),
    "fashion_mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
}
# With ReLU: those that the studies give, and those of the same networks elsewhere.
PARAMETERS = {
    "dnn2": 311_650,
    "dnn3": 386_718,
    "dnn5": 575_050,
    "mila": 242_762,
    "resnet8": 75_290,
    "resnet18": 11_173_962,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet50": 23_705_252,
    "resnet56": 853_018,
}


def load(name, **model):
    return config.load(ROOT / "examples" / "configs" / f"{name}.toml", {"model": model})


def small(**changes):
    """DNN3 on the digits, with a layer of 8 and one of 6, for three epochs."""
    tables = {
        "data": {"name": "digits"},
        "model": {"units": [8, 6], "activation": "mila"},
        "training": {"epochs": 3, "batch_size": 400},
    }
    for table, values in changes.items():
        tables[table] |= values
    return config.load(ROOT / "examples" / "configs" / "dnn3.toml", tables)


@pytest.fixture(scope="module")
def digits():
    return runs.load(small().data)


# Networks.


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_builds_with_as_many_parameters_as_published(file):
    recipe = config.load(file, {"model": {"activation": "relu"}})
    shape, classes = SHAPES[recipe.data.name]
    model = runs.build(recipe, shape, classes, steps=10)
    found = runs.count(model.trainable_weights)
    known = PARAMETERS.get(file.stem.removesuffix("_fashion_mnist"))
    if known is not None:
        assert found == known
    assert recipe.parameters in (None, found)
    assert model.output_shape == (None, classes)


def test_every_published_count_is_in_its_file():
    said = {file.stem: tomllib.loads(file.read_text()).get("parameters") for file in FILES}
    for name in ("dnn2", "dnn3", "dnn5", "resnet8", "resnet56"):
        assert said[name] == PARAMETERS[name]


def test_figures_are_fractions_of_known_activations():
    for file in FILES:
        published = config.load(file).published
        for name, value in (published.accuracy if published else {}).items():
            assert isinstance(models.activation(name), keras.layers.Layer)
            assert 0.5 < value < 1.0


@pytest.mark.parametrize(
    ("name", "neurons"),
    [("dnn3", 2), ("mila", 3), ("resnet8", 7), ("resnet18", 17), ("resnet50", 49)],
)
def test_yat_layers_stand_for_layers_with_activations(name, neurons):
    """`neurons`: how many places for activations there are, as papers draw the network."""
    kinds = {}
    for layers in ("keras", "yat"):
        recipe = load(name, layers=layers, activation="nami", share="layer")
        model = models.build(recipe.model, (8, 8, 1), 10)
        kinds[layers] = [type(layer).__name__ for layer in model.layers]
    assert kinds["keras"].count("Nami") == neurons
    assert not [kind for kind in kinds["keras"] if kind.startswith("Yat")]
    assert "Nami" not in kinds["yat"]
    # Also those in front of an addition, behind which an activation stands.
    assert len([kind for kind in kinds["yat"] if kind.startswith("Yat")]) == neurons


@pytest.mark.parametrize("name", ["dnn3", "resnet8"])
@pytest.mark.parametrize("layers", ["keras", "yat"])
def test_the_networks_compute(name, layers):
    recipe = load(name, layers=layers, activation="nami")
    model = models.build(recipe.model, (8, 8, 1), 10)
    output = to_numpy(model(np.random.default_rng(0).normal(size=(2, 8, 8, 1))))
    assert output.shape == (2, 10)
    assert np.all(np.isfinite(output))
    assert np.ptp(output) > 0.0


@pytest.mark.parametrize(("share", "sets"), [("network", 1), ("layer", 7), ("channel", 7)])
def test_an_activation_is_shared_as_is_said(share, sets):
    model = models.build(load("resnet8", activation="mila", share=share).model, (8, 8, 1), 10)
    found = [weight for weight in model.trainable_weights if weight.path.endswith("/beta")]
    found = [weight for weight in found if "batch_normalization" not in weight.path]
    assert len(found) == sets
    shapes = [tuple(weight.shape) for weight in found]
    channels = [(16,), (16,), (16,), (32,), (32,), (64,), (64,)]
    assert shapes == (channels if share == "channel" else [()] * sets)
    numbers = [int("0" + "".join(filter(str.isdigit, weight.path))) for weight in found]
    assert numbers == list(range(numbers[0], numbers[0] + sets))  # none was made for nothing


def test_a_bare_shortcut_takes_every_other_pixel_and_adds_zeros():
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    expected = np.zeros((2, 3, 3, 8), "float32")
    expected[..., 2:5] = x[:, ::2, ::2]
    np.testing.assert_array_equal(to_numpy(models._bare_shortcut(x, 8, 2)), expected)


def test_the_penalty_is_half_of_l2_times_the_squares(digits):
    recipe = small(training={"l2": 0.3})
    model = runs.build(recipe, digits.train.x.shape[1:], 10, 5)
    kernels = [to_numpy(w).astype("float64") for w in model.weights if w.path.endswith("kernel")]
    expected = 0.15 * sum(np.sum(kernel**2) for kernel in kernels)
    assert len(kernels) == 3
    assert float(sum(map(to_numpy, model.losses))) == pytest.approx(expected, rel=1e-5)


# Training.


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
    optimizer = runs.optimizer(load(name).training, steps)
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
    part = runs.Part(rng.normal(size=(20, 6, 6, 2)).astype("float32"), np.arange(20))
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
            found.on_epoch_end()
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


def test_a_run_that_is_cut_anywhere_ends_as_one_that_is_not(digits, tmp_path, monkeypatch):
    recipe, quiet = small(), lambda done, metrics: None
    write, writes = durable.write, []
    monkeypatch.setattr(durable, "write", lambda *a: (writes.append(a[0].name), write(*a)))
    runs.train(runs.Run(recipe, 1, tmp_path / "whole"), digits, quiet)
    truth = ended(tmp_path / "whole")
    assert writes == ["run.json", *["history.json"] * 3, "metrics.json"]
    cut = runs.Run(recipe, 1, tmp_path / "cut")
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
    assert not list((tmp_path / "cut").glob("*.weights.h5"))


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
    runs._note(here)
    told = runs.Run(small().model_copy(update={"title": "Another"}), 0, tmp_path)
    runs._note(told)
    other = runs.Run(small(training={"epochs": 4}), 1, tmp_path)
    with pytest.raises(SystemExit, match="another run") as refusal:
        runs.train(other, digits, lambda *a: None)
    assert "training.epochs: 3, now 4" in str(refusal.value)
    assert "seed: 0, now 1" in str(refusal.value)


def test_two_processes_are_not_at_the_same_run(digits, tmp_path):
    with durable.alone(tmp_path, "trains"), pytest.raises(durable.Busy, match="Another process"):
        runs.train(runs.Run(small(), 0, tmp_path), digits, lambda *a: None)
    assert not (tmp_path / "run.json").exists()


# The command.

DNN3 = "examples/configs/dnn3.toml"
QUICK = ("--data", "digits", "--epochs", "1")


def test_a_sweep_skips_what_is_done(tmp_path):
    command = ("-m", "examples.train", DNN3, *QUICK, "--out", str(tmp_path))
    first = run(*command, "--activation", "relu")
    assert first.returncode == 0, first.stderr
    assert "1 runs, 0 of them done already" in first.stdout
    (study,) = tmp_path.iterdir()
    assert study.name == f"dnn3-digits-{keras.backend.backend()}"
    noted = (study / "relu" / "seed_0" / "metrics.json").stat().st_mtime_ns
    more = run(*command, "--activation", "relu,sinlu", "--layers", "keras,yat")
    assert more.returncode == 0, more.stderr
    assert "3 runs, 1 of them done already" in more.stdout
    assert sorted(f.name for f in study.iterdir()) == ["relu", "sinlu", "yat"]
    assert (study / "relu" / "seed_0" / "metrics.json").stat().st_mtime_ns == noted
    metrics = json.loads((study / "yat" / "seed_0" / "metrics.json").read_text())
    assert f"yat, seed_0: test accuracy {metrics['test_accuracy']:.4f}" in more.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "4-2"], "--seed: must be such as 3, or 0,1,2, or 0-4, not '4-2'"),
        (["--layers", "yatt"], "--layers: must be keras, yat or MODULE:CLASS, not 'yatt'"),
        (["--layers", "examples:Nope"], "there is no 'examples:Nope'"),
        (["--activation", "nammi"], "did you mean 'nami'?"),
        (["--activation", "examples.models:nope"], "there is no 'examples.models:nope'"),
        (["--epochs", "0"], "--epochs: must be a whole number of 1 or more"),
        (["--data", "letters"], "data.name: input should be 'digits', 'mnist'"),
    ],
)
def test_the_command_refuses(options, message, tmp_path, capsys, monkeypatch):
    told = refusal(["train", DNN3, "--out", str(tmp_path), *options], capsys, monkeypatch)
    assert message in told
    assert not list(tmp_path.iterdir())


def refusal(arguments, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as refused:
        train.main()
    return str(refused.value.code) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [3]), ("0,2,2", [0, 2]), ("0-2,7", [0, 1, 2, 7]), ("5-5", [5])]
)
def test_seeds_are_numbers_and_ranges(text, seeds):
    assert train._seeds(text) == seeds


def test_all_is_every_activation():
    every = [*train.PLAIN, *keras_yat.activations.names()]
    assert train.activations(["mila", "all"]) == ["mila", *(n for n in every if n != "mila")]
    assert train.activations(None) == []


def test_an_activation_of_ones_own_is_named_with_its_module():
    mine = models.activation("keras.layers:LeakyReLU")
    assert float(to_numpy(mine(np.array([-1.0])))[0]) == pytest.approx(-0.3)
    assert float(to_numpy(models.activation("keras.ops:square")(np.array([-3.0])))[0]) == 9.0


def test_a_layer_of_ones_own_stands_for_layers_with_activations():
    recipe = load("resnet8", layers="keras.layers:SeparableConv2D")
    kinds = [type(layer).__name__ for layer in models.build(recipe.model, (8, 8, 1), 10).layers]
    assert kinds.count("SeparableConv2D") == 7
    assert not {"Conv2D", "Activation"} & set(kinds)


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
        ("depth = 8", "depth = 8\nunits = [3]", "model.units and style: only with kind = 'dense'"),
        ('kind = "resnet"', 'kind = "dense"', "model.units: needed with kind = 'dense'"),
        ("at = [45, 65]", "at = [65, 45]", "training.at: epochs in rising order, each once"),
        ("at = [45, 65]", "", "training.at: epochs in rising order with schedule = 'steps'"),
        ('optimizer = "sgd"', 'optimizer = "adam"', "training.momentum: only with optimizer"),
        ("batch_size = 128", "batchsize = 128", "did you mean batch_size?"),
        ("epochs = 90", "epochs = 0", "training.epochs: input should be greater than or equal to"),
        ('share = "network"', 'share = "block"', "model.share: input should be 'network', 'layer'"),
        ('augment = ["crop", "flip"]', 'augment = ["turn"]', "data.augment.0: input should be"),
        ('title = "ResNet-8"', 'extends = "none.toml"', "none.toml could not be read"),
        ('title = "ResNet-8"', 'extends = "mine.toml"', "extends: leads back to mine.toml"),
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
    with pytest.raises(SystemExit, match=r"model\.style: a sequential model takes no layer twice"):
        config.load(file)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_data_of_the_shape_of_each_set_are_read(name, tmp_path, monkeypatch):
    """The digits, as large as those: from the folder, or from Keras's loader."""
    images = data.load("digits")
    times, channels = (4, 3) if name.startswith("cifar") else (3, 1)
    x = np.repeat(np.repeat(images.x_train * 255.0, times, axis=1), times, axis=2)
    x = np.repeat(x, channels, axis=3).astype("uint8")
    x, y = (x if channels > 1 else x[..., 0])[:200], images.y_train[:200, None]
    np.savez(tmp_path / f"{name}.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    here = runs.load(config.Data(name=name))
    monkeypatch.delenv("KERAS_YAT_DATA")
    loader = getattr(keras.datasets, name)
    monkeypatch.setattr(loader, "load_data", lambda: ((x, y), (x, y)))
    there = runs.load(config.Data(name=name))
    for found in (here, there):
        assert found.train.x.shape == (180, 8 * times, 8 * times, channels)
        assert found.train.y.shape == (180,)
        assert found.classes == 10
    np.testing.assert_array_equal(here.train.x, there.train.x)
    assert str(tmp_path) in here.origin
    assert f"keras.datasets.{name}" in there.origin
