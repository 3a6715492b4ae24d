"""The data of a study, in three parts."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from examples import data
from tuning import config


@dataclass(frozen=True)
class Part:
    """Inputs, an array for each that the model has, and their classes."""

    x: list[np.ndarray]
    y: np.ndarray

    @property
    def inputs(self) -> Any:
        """As a model takes them."""
        return self.x if len(self.x) > 1 else self.x[0]


@dataclass(frozen=True)
class Parts:
    """What trials are trained on, scored on, and what the best of them are tested on."""

    train: Part
    validation: Part
    test: Part
    origin: str

    @property
    def both(self) -> Part:
        """Training and validation data."""
        pairs = zip(self.train.x, self.validation.x, strict=True)
        y = np.concatenate([self.train.y, self.validation.y])
        return Part([np.concatenate(pair) for pair in pairs], y)

    @property
    def classes(self) -> int:
        return int(max(part.y.max() for part in (self.train, self.validation, self.test))) + 1


def load(study: config.Study) -> Parts:
    """The data that the study names, split as it says; always in the same way.

    Raises:
        SystemExit: if the data cannot be had.
    """
    from sklearn.model_selection import train_test_split

    name = study.data.name
    found: data.Images | data.Sequences
    if name.endswith(".npz"):
        found = _own(Path(name))
    elif study.model.kind == "recurrent":
        _check(name, (*data.NAMES, *data.SIGNALS))
        found = data.load_sequences(name)
    else:
        _check(name, data.NAMES)
        found = data.load(name)
    x, y = _listed(found.x_train), found.y_train
    count = study.data.examples
    settings = {"test_size": study.data.validation, "random_state": 0}
    try:
        if count is not None and count < len(y):
            # Where hardly any are left out, these cannot be of each class.
            fair = y if len(y) - count >= len(np.unique(y)) else None
            *x, y = train_test_split(*x, y, train_size=count, stratify=fair, random_state=0)[::2]
        split = train_test_split(*x, y, stratify=y, **settings)
    except ValueError as error:
        raise SystemExit(f"data.validation: {error}") from error
    *parts, y_train, y_validation = split
    return Parts(
        Part(parts[::2], y_train),
        Part(parts[1::2], y_validation),
        Part(_listed(found.x_test), found.y_test),
        found.origin,
    )


def _check(name: str, allowed: tuple[str, ...]) -> None:
    if name not in allowed:
        raise SystemExit(
            f"data.name: {name!r} does not go with this kind of model; allowed: "
            f"{', '.join(allowed)}, or the path of an .npz"
        )


def _listed(x: Any) -> list[np.ndarray]:
    return list(x) if isinstance(x, list) else [x]


def _own(path: Path) -> data.Sequences:
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
            raise ValueError(f"inputs are numbers of rank 2 or more, not {x.dtype} {x.shape}")
        if y.dtype.kind not in "iu" or y.shape != x.shape[:1] or not len(y) or y.min() < 0:
            raise ValueError(
                f"classes are whole numbers from 0, one for each input: {y.dtype} {y.shape} "
                f"for {len(x)} inputs"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(f"inputs differ in shape: {x_train.shape[1:]} and {x_test.shape[1:]}")
