"""The interactive pages of the documentation: their data and files.

The pages themselves: `test_playground_pages.py`.
"""

import re
import sys

import numpy as np
import pytest

from keras_yat import activations
from keras_yat._describe import describe
from tests.helpers import run
from tools import playground, playground_training

pytestmark = pytest.mark.once

SCRIPTS = [file for file in playground.FOLDER.glob("*.js") if not file.name.endswith("-data.js")]
ENTRIES = {entry["name"]: entry for entry in playground.read(playground.DATA)}
TRAINED = playground.read(playground_training.OUT)
TRAININGS = {each["activation"]: each for each in TRAINED["trainings"]}


def test_data_are_current():
    assert playground.DATA.read_text() == playground.written(), "run python -m tools.playground"
    assert list(ENTRIES) == activations.names()


def test_stale_data_are_reported_and_written(tmp_path, monkeypatch):
    stale = tmp_path / playground.DATA.name
    stale.write_text(playground.written().replace('"start":-0.25', '"start":-0.5'))
    monkeypatch.setattr(playground, "DATA", stale)
    monkeypatch.setattr(sys, "argv", ["playground", "--check"])
    with pytest.raises(SystemExit, match=r"activations-data\.js is stale"):
        playground.main()
    monkeypatch.setattr(sys, "argv", ["playground"])
    playground.main()
    assert stale.read_text() == playground.written()


def test_every_activation_has_a_formula():
    text = (playground.FOLDER / "formulas.js").read_text()
    table = text.partition("const formulas = {")[2].partition("\n  };")[0]
    assert sorted(re.findall(r"^    (\w+): \(x", table, re.M)) == activations.names()


def test_files_are_small():
    data = [playground.DATA, playground_training.OUT]
    assert sum(file.stat().st_size for file in data) < 150_000
    for file in SCRIPTS:
        lines = file.read_text().splitlines()
        assert len(lines) < 300, file.name
        assert max(map(len, lines)) <= 100, file.name


def test_pages_open_from_a_folder():
    """Scripts are classic and in the repository; nothing is read by a request."""
    for name in playground.NAMES:
        text = (playground.PAGES / f"{name}.md").read_text()
        links = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert links
        assert all((playground.PAGES / link).exists() for link in links)
        assert "<noscript>" in text
        assert f'data-widget="{name}"' in text
    for file in SCRIPTS:
        text = file.read_text()
        assert not re.search(r"\b(fetch|import|export|XMLHttpRequest)\b", text), file.name
        assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), file.name


def test_record_of_the_trainings():
    assert tuple(TRAININGS) == playground_training.ACTIVATIONS
    for name, training in TRAININGS.items():
        check_record(training, playground_training.EPOCHS)
        assert training["accuracy"][0] < 0.3, name
        assert training["accuracy"][-1] > 0.8, name


def check_record(training, epochs):
    found = describe(training["activation"])
    accuracy = np.array(training["accuracy"])
    assert accuracy.shape == (epochs + 1,)
    assert np.all((accuracy >= 0) & (accuracy <= 1))
    assert len(training["layers"]) == len(TRAINED["units"])
    for layer in training["layers"]:
        assert set(layer) == set(found.starts)
        for name, values in layer.items():
            assert len(values) == epochs + 1
            assert values[0] == found.starts[name]
            assert values[-1] != values[0]
            low, high = found.bounds.get(name, (None, None))
            assert low is None or min(values) >= low
            assert high is None or max(values) <= high


@pytest.mark.nightly
def test_command_of_the_trainings(tmp_path):
    out = tmp_path / "data.js"
    options = ("--epochs", "1", "--data", "digits", "--out", str(out))
    result = run("-m", "tools.playground_training", *options)
    assert result.returncode == 0, result.stderr
    record = playground.read(out)
    assert record.keys() == TRAINED.keys()
    for training in record["trainings"]:
        check_record(training, epochs=1)
