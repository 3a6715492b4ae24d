"""The files of a run, and what they must contain. Imports no Keras."""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, with_config
from typing_extensions import TypedDict

from examples import config, durable

DESCRIPTIONS = ("title", "source", "published", "parameters")
"""Settings that no result depends on: they may change between the starts of a run."""
OPEN = ConfigDict(extra="allow")


def _data(table: dict[str, Any]) -> dict[str, Any]:
    config.Data.model_validate(table)
    return table


def _complete(history: dict[str, Any]) -> dict[str, list[float]]:
    """The history, without the settings that it belongs to."""
    found = {name: values for name, values in history.items() if name != "of"}
    for name in ("loss", "accuracy", "val_accuracy", "val_crossentropy", "seconds"):
        if len(found.get(name, ())) != len(found["seconds"]) or not found["seconds"]:
            raise ValueError(f"{name} does not have a value for each epoch")
    return found


@with_config(OPEN)
class _Model(TypedDict):
    activation: str
    layers: str


@with_config(OPEN)
class _Training(TypedDict):
    epochs: int


@with_config(OPEN)
class _Published(TypedDict):
    metric: str
    accuracy: dict[str, float]


@with_config(OPEN)
class _Settings(TypedDict):
    title: str
    seed: int
    backend: str
    data: Annotated[dict[str, Any], AfterValidator(_data)]
    model: _Model
    training: _Training
    published: _Published | None


@with_config(OPEN)
class _Metrics(TypedDict):
    test_accuracy: float
    test_crossentropy: float
    parameters: int
    data: str
    of: str
    seconds: list[float]


History = Annotated[dict[str, list[float] | str], AfterValidator(_complete)]


def fingerprint(settings: dict[str, Any]) -> str:
    """Marks the files of a run."""
    return durable.fingerprint(
        {k: v for k, v in settings.items() if k not in (*DESCRIPTIONS, "of")}
    )


def settings(folder: Path) -> dict[str, Any]:
    return durable.read(folder / "run.json", _Settings)


def metrics(folder: Path, of: str | None = None) -> dict[str, Any]:
    """The test metrics of a finished run, checked for the fingerprint `of` of its settings."""
    return durable.read(folder / "metrics.json", _Metrics, of)


def history(folder: Path, of: str | None = None) -> dict[str, list[float]]:
    """The metrics after each epoch."""
    return durable.read(folder / "history.json", History, of)


def parameters(folder: Path, epochs: int) -> Any:
    """The `ParameterHistory` of a run, with at least `epochs` epochs."""
    from keras_yat import callbacks

    path = folder / "parameters.npz"
    with durable.reading(path):
        found = callbacks.ParameterHistory.load(path, log=False)
        for epoch in range(epochs + 1):
            if not any(math.isclose(epoch, at) for at in found.epochs):
                raise ValueError(f"it has no record of epoch {epoch}")
        for name, records in found.history.items():
            if len(records) != len(found.epochs) or records.dtype.kind != "f":
                raise ValueError(f"{name} does not have a number for each epoch")
    return found
