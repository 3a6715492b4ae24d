"""Schema of a study's TOML file. Imports no Keras, which would choose a backend."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from examples import data, toml
from examples.toml import Count, Seed, Table

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$")]
Names = Annotated[list[str], Field(min_length=1)]
Cell = Literal["lstm", "gru", "simple_rnn"]


def _one_value(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("one_value", "input should be a number, a string or a boolean")
    return value


Value = Annotated[Any, AfterValidator(_one_value)]


class Data(Table):
    """The data set, its split and its size."""

    name: str = "digits"
    """A name of `examples.data`, or the path of an .npz with x_train, y_train, x_test, y_test."""
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Fraction of the training data that trials are evaluated on."""
    examples: Count | None = None
    """Number of training and validation examples together. Default: all."""


class Model(Table):
    """The network of all arms."""

    kind: Literal["dense", "convolution", "recurrent"] = "dense"
    units: Annotated[list[Count], Field(min_length=1)] = [64, 64]
    """The size of each hidden layer: units or filters."""


class Training(Table):
    """The training of one trial."""

    epochs: Count = 10
    batch_size: Count = 32
    seeds: Count = 1
    """Number of trainings of a trial, from the seeds 0, 1, …; the score is their mean."""


class Tuner(Table):
    """The search algorithm, and the budget of each arm."""

    kind: Literal["random", "bayesian", "hyperband", "grid"] = "random"
    trials: Count | None = None
    seed: Seed = 0
    factor: Annotated[int, Field(ge=2, strict=True)] = 3
    iterations: Count = 1

    @model_validator(mode="after")
    def _budget(self):
        if self.kind == "hyperband":
            if self.trials is not None:
                raise ValueError("trials: not with kind = 'hyperband', whose budget is iterations")
        elif self.trials is None:
            raise ValueError(f"trials: needed with kind = {self.kind!r}, a whole number from 1")
        elif {"factor", "iterations"} & self.model_fields_set:
            raise ValueError("factor and iterations: only with kind = 'hyperband'")
        return self


class Final(Table):
    """The test of each arm's best values."""

    seeds: Count = 3
    """Number of new trainings, on training and validation data together."""


class Arm(Table):
    """One of the search spaces that a study compares."""

    layers: Literal["keras", "yat"] = "keras"
    activation: Names | None = None
    """Names to choose from, for Keras's layers."""
    cells: Annotated[list[Cell], Field(min_length=1)] = ["lstm", "gru"]
    """Layers to choose from, for recurrent networks."""
    optimizer: Annotated[list[Literal["adam", "adamw", "rmsprop", "sgd"]], Field(min_length=1)] = [
        "adam"
    ]
    per_channel: bool = False
    """Whether activations have parameters per channel."""
    search_bounds: bool = False
    search_trainable: bool = False
    hold: list[str] = []
    """Patterns of hyperparameters that keep their defaults, such as "activation/*/*"."""
    set: dict[str, Value] = {}
    """Fixed values of hyperparameters, by name."""
    build: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """A custom model-building function, "module:function"."""


class Study(Table):
    """A whole file: one study."""

    title: str = ""
    data: Data = Data()
    model: Model = Model()
    training: Training = Training()
    tuner: Tuner
    final: Final = Final()
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]

    @model_validator(mode="after")
    def _folders(self):
        if len(set(map(folder_name, self.arms))) < len(self.arms):
            raise ValueError("arms: names must differ in more than spaces and underscores")
        return self

    @model_validator(mode="after")
    def _data_set(self):
        allowed = data.names(data_kind(self.model.kind))
        if not self.data.name.endswith(".npz") and self.data.name not in allowed:
            raise ValueError(
                f"data.name: should be one of {', '.join(allowed)}, or the path of an .npz, with "
                f"model.kind = {self.model.kind!r}. Received: {self.data.name!r}"
            )
        return self


def data_kind(model_kind: str) -> type[data.ClassificationSet]:
    """The kind of data sets for a kind of model: recurrent models read images as sequences."""
    return data.ClassificationSet if model_kind == "recurrent" else data.ImageSet


def folder_name(arm: str) -> str:
    """The name of an arm's folder."""
    return arm.replace(" ", "_")


def load(path: Path) -> Study:
    """Reads a study from a file.

    Raises:
        SystemExit: if the file cannot be read, or has unknown keys or invalid values.
    """
    return toml.load(path, Study)
