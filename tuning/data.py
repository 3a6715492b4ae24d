"""The data of a study, in three parts."""

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
    if study.data.examples is not None and study.data.examples < len(y):
        x, y = [a[: study.data.examples] for a in x], y[: study.data.examples]
    try:
        split = train_test_split(*x, y, test_size=study.data.validation, stratify=y, random_state=0)
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
        with np.load(path) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in names)
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(
            f"data.name: {path} must be an .npz with {', '.join(names)}: {error}"
        ) from error
    x_train, x_test = x_train.astype("float32"), x_test.astype("float32")
    return data.Sequences([x_train], y_train.ravel(), [x_test], y_test.ravel(), str(path))
