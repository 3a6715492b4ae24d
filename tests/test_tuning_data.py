"""The data of a study."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.studies import WHOLE, checked
from tuning import data

pytestmark = pytest.mark.once


def of_data(name="digits", kind="dense", **others):
    table = {"name": str(name), **others}
    return checked({**WHOLE, "data": table, "model": {"kind": kind}})


def rows(count, classes=3, start=0):
    """Examples that all differ, and their classes, which can be read off them."""
    number = np.arange(start, start + count)
    return np.stack([number, number % classes], axis=1) / 1.0, number % classes


def saved(folder, train, test, **others):
    file = Path(folder, "own.npz")
    arrays = {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}
    np.savez(file, **{**arrays, **others})
    return file


def equal(one, other):
    np.testing.assert_equal(one.y, other.y)
    for a, b in zip(one.x, other.x, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "shape"), [("dense", (8, 8, 1)), ("recurrent", (8, 8))])
def test_digits_are_split_the_same_way_each_time(kind, shape):
    splits, again = (data.load(of_data(kind=kind)) for _ in range(2))
    for one, other in zip(
        (splits.train, splits.validation, splits.test), (again.train, again.validation, again.test),
        strict=True,
    ):  # fmt: skip
        equal(one, other)
        assert [x.shape[1:] for x in one.x] == [shape]
        assert one.inputs is one.x[0]
    assert [len(part.y) for part in (splits.train, splits.validation, splits.test)] == [
        1149,
        288,
        360,
    ]
    assert splits.classes == 10
    assert splits.origin == "scikit-learn's digits"
    shares = [np.bincount(part.y) / len(part.y) for part in (splits.train, splits.validation)]
    np.testing.assert_allclose(shares[0], shares[1], atol=1.5 / 288)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5),
    st.integers(4, 60),
    st.floats(0.25, 0.75),
    st.one_of(st.none(), st.integers(60, 300)),
)
def test_a_split_loses_nothing_and_mixes_nothing(classes, each, share, examples):
    count = classes * each
    with tempfile.TemporaryDirectory() as folder:
        file = saved(folder, rows(count, classes), rows(7, classes, start=1000))
        own = {} if examples is None else {"examples": examples}
        splits = data.load(of_data(file, validation=share, **own))
    used = min(count, examples or count)
    numbers = [part.x[0][:, 0].astype(int) for part in (splits.train, splits.validation)]
    assert len(set(np.concatenate(numbers))) == used == sum(map(len, numbers))
    assert set(np.concatenate(numbers)) <= set(range(count))
    assert len(numbers[1]) == math.ceil(share * used)
    assert splits.test.x[0][:, 0].tolist() == list(range(1000, 1007))
    for part in (splits.train, splits.validation, splits.test, splits.train_and_validation):
        assert part.x[0].dtype == "float32"
        assert part.x[0][:, 1].tolist() == part.y.tolist()
    both = np.concatenate(numbers)
    assert splits.train_and_validation.x[0][:, 0].tolist() == both.tolist()
    for kind in range(classes):
        there = [np.count_nonzero(part.y == kind) for part in (splits.train, splits.validation)]
        assert there[1] == pytest.approx(share * sum(there), abs=1.5)
    assert splits.classes == classes
    assert splits.origin == str(file)


def test_masks_go_with_their_sequences(tmp_path, monkeypatch):
    lengths = np.arange(40) % 4 + 1
    x = np.where(np.arange(4) < lengths[:, None], 1.0 + lengths[:, None], 0.0)[..., None]
    y = lengths - 1
    np.savez(
        tmp_path / "japanese_vowels.npz",
        x_train=x, y_train=y, length_train=lengths, x_test=x, y_test=y, length_test=lengths,
    )  # fmt: skip
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))
    splits = data.load(of_data("japanese_vowels", kind="recurrent", validation=0.5))
    for part in (splits.train, splits.validation, splits.test, splits.train_and_validation):
        sequences, mask = part.x
        assert part.inputs is part.x
        assert mask.dtype == bool
        assert mask.sum(axis=1).tolist() == (part.y + 1).tolist()
        np.testing.assert_array_equal(sequences[..., 0] != 0.0, mask)
    assert len(splits.train_and_validation.y) == 40


def refused(found):
    with pytest.raises(SystemExit) as told:
        data.load(found)
    return str(told.value)


@pytest.mark.parametrize("others", [{"examples": 5}, {"validation": 0.01}, {"validation": 0.99}])
def test_too_few_for_each_class(others, tmp_path):
    file = saved(tmp_path, rows(30), rows(3))
    assert refused(of_data(file, **others)).startswith("data.validation: ")


X, Y = rows(30)


def one_array(file):
    with file.open("wb") as open_file:
        np.save(open_file, X)


def with_arrays(**others):
    """Another file, with `others` replacing what is right."""
    return lambda file: saved(file.parent, (X, Y), (X, Y), **others)


WRONG_FILES = {
    "absent": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "text": lambda file: file.write_text("x_train"),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:300]),
    "one array": one_array,
    "no test data": lambda file: np.savez(file, x_train=X, y_train=Y),
    "objects": with_arrays(x_train=np.array([{}] * 30)),
    "words": with_arrays(x_train=np.full((30, 2), "a")),
    "one number": with_arrays(x_train=np.float32(3.0)),
    "too few classes": with_arrays(y_train=Y[1:]),
    "too few test classes": with_arrays(y_test=Y[1:]),
    "test data of another shape": with_arrays(x_test=X[:, :1]),
    "words as classes": with_arrays(y_train=Y.astype(str)),
    "classes from -1": with_arrays(y_train=Y - 1),
    "classes between": with_arrays(y_train=Y + 0.5),
    "classes in columns": with_arrays(y_train=np.eye(3)[Y]),
}


@pytest.mark.parametrize("wrong", list(WRONG_FILES))
def test_a_file_that_is_no_data(wrong, tmp_path):
    file = saved(tmp_path, (X, Y), (X, Y))
    WRONG_FILES[wrong](file)
    told = refused(of_data(file))
    assert told.startswith(f"data.name: {file} ")
    assert "x_train, y_train, x_test, y_test" in told


def test_fewer_examples_are_of_all_classes_too(tmp_path):
    x, y = rows(60)
    order = np.argsort(y, kind="stable")
    file = saved(tmp_path, (x[order], y[order]), rows(3))
    splits = data.load(of_data(file, examples=30))
    assert set(splits.train.y) == set(splits.validation.y) == {0, 1, 2}
