"""The data of a study: training, validation and test data."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples import data
from tuning import config


@dataclass(frozen=True)
class Split:
    """Inputs, one array for each input of the model, and their classes."""

    x: list[np.ndarray]
    y: np.ndarray

    @property
    def inputs(self) -> Any:
        """The argument of the model: an array, or a list of several."""
        return self.x if len(self.x) > 1 else self.x[0]


@dataclass(frozen=True)
class Splits:
    """The data that trials are trained on, evaluated on, and that the best values are tested on."""

    train: Split
    validation: Split
    test: Split
    origin: str

    @property
    def train_and_validation(self) -> Split:
        """Training and validation data together."""
        pairs = zip(self.train.x, self.validation.x, strict=True)
        y = np.concatenate([self.train.y, self.validation.y])
        return Split([np.concatenate(pair) for pair in pairs], y)

    @property
    def classes(self) -> int:
        return int(max(each.y.max() for each in (self.train, self.validation, self.test))) + 1


def load(study: config.Study) -> Splits:
    """Loads and splits the data of a study, deterministically.

    Raises:
        SystemExit: if the data are not available, or have too few examples for the split.
    """
    from sklearn.model_selection import train_test_split

    name = study.data.name
    found: data.Images | data.Sequences
    if name.endswith(".npz"):
        found = _load_npz(Path(name))
    elif study.model.kind == "recurrent":
        found = data.load_sequences(name)
    else:
        found = data.load(name)
    x, y = _as_list(found.x_train), found.y_train
    count = study.data.examples
    settings = {"test_size": study.data.validation, "random_state": 0}
    try:
        if count is not None and count < len(y):
            # Stratification needs at least one left-out example of each class.
            classes = y if len(y) - count >= len(np.unique(y)) else None
            *x, y = train_test_split(*x, y, train_size=count, stratify=classes, random_state=0)[::2]
        split = train_test_split(*x, y, stratify=y, **settings)
    except ValueError as error:
        raise SystemExit(f"data.validation: {error}") from error
    *x, y_train, y_validation = split
    return Splits(
        Split(x[::2], y_train),
        Split(x[1::2], y_validation),
        Split(_as_list(found.x_test), found.y_test),
        found.origin,
    )


def _as_list(x: Any) -> list[np.ndarray]:
    return list(x) if isinstance(x, list) else [x]


def _load_npz(path: Path) -> data.Sequences:
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            found = [arrays[name] for name in names]
        _check_arrays(*found)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"data.name: {path} must be an .npz with {', '.join(names)}: {error}"
        ) from error
    x_train, y_train, x_test, y_test = found
    x_train, x_test = x_train.astype("float32"), x_test.astype("float32")
    return data.Sequences([x_train], y_train, [x_test], y_test, str(path))


def _check_arrays(x_train, y_train, x_test, y_test):
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if x.dtype.kind not in "fiu" or x.ndim < 2:
            raise ValueError(f"inputs must be numbers of rank 2 or more, not {x.dtype} {x.shape}")
        if y.dtype.kind not in "iu" or y.shape != x.shape[:1] or not len(y) or y.min() < 0:
            raise ValueError(
                f"classes must be integers from 0, one for each input, not {y.dtype} {y.shape} "
                f"for {len(x)} inputs"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"training and test inputs must have the same shape, not {x_train.shape[1:]} and "
            f"{x_test.shape[1:]}"
        )
