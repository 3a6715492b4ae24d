"""The data sets: the registry, and how each kind is loaded."""

import sys
from importlib import metadata

import keras
import numpy as np
import pytest

from examples import (
    config,
    data,
    demo,
    evaluate,
    finetune,
    image_classifier,
    prototypes,
    quickstart,
    runs,
    sequences,
    text_classifier,
    train,
)
from examples.data._base import load_keras_images
from tests.helpers import ROOT, refusal
from tests.studies import WHOLE
from tuning import config as tuning_config
from tuning import data as tuning_data

pytestmark = pytest.mark.once

IMAGES = data.of_kind(data.ImageSet)
OF_KERAS = [
    name for name, each in IMAGES.items() if getattr(each.load, "func", None) is load_keras_images
]

# The registry.


def test_every_module_is_a_data_set():
    files = (ROOT / "examples" / "data").glob("[!_]*.py")
    assert set(data.names(data.DataSet)) == {file.stem for file in files}
    for kind, name in (
        (data.ImageSet, "digits"),
        (data.SequenceSet, "osu_leaf"),
        (data.TextSet, "tinyshakespeare"),
        (data.ReviewSet, "imdb"),
    ):
        assert name in data.names(kind)
    for name, each in data.of_kind(data.DataSet).items():
        assert each.name == name
        assert each.source


LETTERS = """
import numpy as np

from examples.data import Images, ImageSet


def load():
    x = np.random.default_rng(0).random((40, 6, 5, 1), "float32")
    return Images(x, np.arange(40) % 4, x[:8], np.arange(8) % 4, "letters")


DATA_SET = ImageSet(
    name="letters", shape=(6, 5, 1), classes=4, epochs=7, source="a test", license=None, load=load
)
"""


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """A new data set: one file in a folder of the package, and nothing else."""
    (tmp_path / "letters.py").write_text(LETTERS)
    (tmp_path / "_letters.py").write_text("not a data set")
    monkeypatch.setattr(data, "__path__", [*data.__path__, str(tmp_path)])
    monkeypatch.setattr(data, "_registry", dict(data._registry))
    data.discover()
    yield
    monkeypatch.undo()
    sys.modules.pop("examples.data.letters")


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("command", "options"),
    [
        (demo, []),
        (evaluate, ["folder"]),
        (finetune, []),
        (image_classifier, []),
        (prototypes, []),
        (quickstart, []),
        (sequences, []),
        (train, ["file.toml"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_new_data_set_is_a_choice_of_the_commands(command, options, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["command", *options, "--data", "letters"])
    assert command.parse().data == "letters"


@pytest.mark.usefixtures("letters")
def test_a_new_data_set_is_allowed_in_configurations():
    assert runs.load(config.Data(name="letters")).classes == 4
    for kind, shape in (("dense", (6, 5, 1)), ("recurrent", (6, 5))):
        content = {**WHOLE, "data": {"name": "letters"}, "model": {"kind": kind}}
        splits = tuning_data.load(tuning_config.Study.model_validate(content))
        assert splits.train.inputs.shape[1:] == shape
    assert sequences.default_epochs()["letters"] == 7


def test_a_data_set_can_be_registered(monkeypatch, capsys):
    reviews = data.ReviewSet(name="books", length=9, source="", license=None, read=lambda: None)
    assert "invalid choice: 'books'" in refusal(
        text_classifier, ["--data", "books"], monkeypatch, capsys
    )
    monkeypatch.setattr(data, "_registry", dict(data._registry))
    for _ in range(2):
        data.register(reviews)
    monkeypatch.setattr(sys, "argv", ["text_classifier", "--data", "books"])
    assert text_classifier.default_lengths()[text_classifier.parse().data] == 9


def test_a_module_without_data_set_is_named(tmp_path, monkeypatch):
    (tmp_path / "numerals.py").write_text("")
    monkeypatch.setattr(data, "__path__", [str(tmp_path)])
    with pytest.raises(TypeError, match=r"numerals\.py must have a variable DATA_SET"):
        data.discover()
    sys.modules.pop("examples.data.numerals")


def test_names_are_unique():
    other = data.TextSet(name="digits", source="", license=None, find=lambda: None)
    with pytest.raises(ValueError, match="two data sets called 'digits'"):
        data.register(other)


@pytest.mark.parametrize(
    ("load", "name", "allowed"),
    [
        (data.load, "osu_leaf", data.names(data.ImageSet)),
        (data.load_sequences, "imdb", data.names(data.ClassificationSet)),
        (lambda name: data.load_reviews(name, 3, 5), "digits", ["imdb", "movie_snippets"]),
    ],
)
def test_a_data_set_of_another_kind_is_refused(load, name, allowed):
    with pytest.raises(SystemExit) as told:
        load(name)
    assert str(told.value) == f"There is no such data set: {name!r}; allowed: {', '.join(allowed)}."


# Images.


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


def test_unavailable_images(monkeypatch, tmp_path):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", fail)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="is not available") as refusal:
        data.load("fashion_mnist")
    for part in (str(tmp_path / "fashion_mnist.npz"), "URL fetch failure", "--data digits"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("name", OF_KERAS)
def test_images_of_keras_are_loaded(name, tmp_path, monkeypatch):
    """Digits in the data set's format: from the folder, or from Keras's loader."""
    images = data.load("digits")
    height, _, channels = data.find(name, data.ImageSet).shape
    times = height // 8
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


def test_digits_are_real_images():
    images = data.load("digits")
    assert images.x_train.shape == (1437, *IMAGES["digits"].shape)
    assert images.x_test.shape == (360, 8, 8, 1)
    assert set(images.y_test) == set(range(10))


# Signals.


def test_the_temperature_has_the_period_of_a_year():
    series = data.load_series("seattle_temperature")
    assert series.time.shape == series.values.shape == (1461,)
    np.testing.assert_allclose(np.diff(series.time), 1 / 365.25)
    years = [series.values[365 * i : 365 * (i + 1)] for i in range(4)]
    assert all(np.corrcoef(years[0], year)[0, 1] > 0.7 for year in years)
    half = np.corrcoef(years[0], np.roll(years[1], 182))[0, 1]
    assert half < -0.5


def test_a_missing_package_is_named(monkeypatch):
    def fail(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", fail)
    with pytest.raises(SystemExit, match="pip install vega-datasets"):
        data.load_series("seattle_temperature")


# Sequences.


def signals(folder, lengths, steps=5, channels=2):
    """Padded sequences as a data set in `folder`: channel i has the size 10^i."""
    x = 10.0 ** np.arange(channels) * np.ones((len(lengths), steps, channels))
    x[::2] *= -1.0
    for sequence, length in zip(x, lengths, strict=True):
        sequence[length:] = 0.0
    y, lengths = np.arange(len(lengths)) % 2, np.array(lengths)
    np.savez(
        folder / "japanese_vowels.npz",
        x_train=x, y_train=y, length_train=lengths, x_test=x, y_test=y, length_test=lengths,
    )  # fmt: skip


def test_padded_sequences_have_a_mask(tmp_path, monkeypatch):
    signals(tmp_path, [5, 1, 3])
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    loaded = data.load_sequences("japanese_vowels")
    assert loaded.origin == str(tmp_path / "japanese_vowels.npz")
    for x, mask in (loaded.x_train, loaded.x_test):
        assert mask.dtype == bool
        assert mask.sum(axis=1).tolist() == [5, 1, 3]
        assert mask[1].tolist() == [True, False, False, False, False]
        # The padding has no part in the scale.
        np.testing.assert_allclose(np.abs(x), np.repeat(mask[..., None], 2, axis=-1), rtol=1e-6)


def test_sequences_of_one_length_have_no_mask(tmp_path, monkeypatch):
    signals(tmp_path, [5, 5])
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    loaded = data.load_sequences("japanese_vowels")
    assert [x.shape for x in loaded.x_train] == [(2, 5, 2)]


def test_images_are_read_row_by_row():
    images, loaded = data.load("digits"), data.load_sequences("digits")
    (x,) = loaded.x_train
    assert x.shape == (1437, 8, 8)
    assert np.sqrt(np.mean(x**2)) == pytest.approx(1.0, rel=1e-4)
    scale = x.max() / images.x_train.max()
    np.testing.assert_allclose(x[5, 2], scale * images.x_train[5, 2, :, 0], rtol=1e-5)


@pytest.mark.parametrize("folder", [None, "empty"])
def test_unavailable_sequences(folder, monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_YAT_DATA", raising=False)
    tried = "KERAS_YAT_DATA: not set"
    if folder:
        monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path / folder))
        tried = f"there is no {tmp_path / folder / 'osu_leaf.npz'}"
    with pytest.raises(SystemExit, match="'osu_leaf' is not available") as refusal:
        data.load_sequences("osu_leaf")
    for part in (tried, "length_train", "--data digits"):
        assert part in str(refusal.value)


# Texts and reviews.


def test_unavailable_texts(monkeypatch, tmp_path):
    def fail(*_):
        raise Exception("URL fetch failure")

    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", fail)
    monkeypatch.setattr(keras.datasets.imdb, "load_data", fail)
    for load, name, parts in (
        (data.load_text, "tinyshakespeare", ["tinyshakespeare.txt", "URL fetch", "give --data"]),
        (load_reviews, "movie_snippets", ["movie_snippets.tsv", "--data imdb"]),
        (load_reviews, "imdb", ["URL fetch failure", "--data movie_snippets"]),
    ):
        with pytest.raises(SystemExit, match=f"{name}' is not available") as refusal:
            load(name)
        assert all(part in str(refusal.value) for part in parts)


def test_text_from_the_cache_of_keras(monkeypatch, tmp_path):
    file = tmp_path / "cached.txt"
    file.write_text("0123456789" * 10, encoding="utf-8")
    monkeypatch.delenv("KERAS_YAT_DATA", raising=False)
    monkeypatch.setattr(keras.utils, "get_file", lambda name, origin: str(file))
    text = data.load_text("tinyshakespeare")
    assert (text.train, text.test, text.origin) == ("0123456789" * 9, "0123456789", str(file))


def load_reviews(name):
    return data.load_reviews(name, 5, 6)


def snippets(folder, lines):
    (folder / "movie_snippets.tsv").write_text("\n".join(lines), encoding="utf-8")


def test_reviews_are_numbered(monkeypatch, tmp_path):
    snippets(tmp_path, ["2.5\tGood, good film!", "-1\tIt's a bad film", "0\tSo so"] * 10)
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    reviews = load_reviews("movie_snippets")
    assert (len(reviews.y_train), len(reviews.y_test)) == (16, 4)
    assert (reviews.y_train.mean(), reviews.y_test.mean()) == (0.5, 0.5)
    good, bad = (reviews.x_train[reviews.y_train == y][0].tolist() for y in (1, 0))
    assert sorted(good[1:3]) == [2, 3]
    assert good == [good[1], good[1], good[2], 0, 0]
    # There is no number left for `bad`, which is not more frequent than the others.
    assert bad == [4, 5, 1, good[2], 0]
    assert ["it's", "a", "bad", "film"] in reviews.words_train


def test_reviews_of_keras(monkeypatch):
    x = np.array([[1, 7, 7, 9, 11, 13, 15], [1, 7]], dtype=object)
    parts = (x, np.array([1, 0])), (x[1:], np.array([0]))
    monkeypatch.setattr(keras.datasets.imdb, "load_data", lambda: parts)
    reviews = load_reviews("imdb")
    assert reviews.origin == "keras.datasets.imdb"
    assert reviews.x_train.tolist() == [[3, 2, 2, 4, 5], [3, 2, 0, 0, 0]]
    assert reviews.x_test.tolist() == [[3, 2, 0, 0, 0]]
