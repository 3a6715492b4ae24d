"""What a study's TOML file may say. Imports no Keras, which would choose a backend."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from examples import toml
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
    """Which data, and how much of it."""

    name: str = "digits"
    """A name of `examples.data`, or the path of an .npz with x_train, y_train, x_test, y_test."""
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The part of the training data that trials are scored on."""
    examples: Count | None = None
    """How many examples there are to train on and to validate with; all by default."""


class Model(Table):
    """The network that the arms share."""

    kind: Literal["dense", "convolution", "recurrent"] = "dense"
    units: Annotated[list[Count], Field(min_length=1)] = [64, 64]
    """The size of each hidden layer: neurons or filters."""


class Training(Table):
    """One trial."""

    epochs: Count = 10
    batch_size: Count = 32
    seeds: Count = 1
    """Trainings of each trial, from the seeds 0, 1, …; its score is their mean."""


class Tuner(Table):
    """How each arm is searched, with the same budget for each of them."""

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
    """What the best values of each arm are tested by."""

    seeds: Count = 3
    """New trainings, on training and validation data together."""


class Arm(Table):
    """One side of the comparison: a search space over the network."""

    layers: Literal["keras", "yat"] = "keras"
    activation: Names | None = None
    """Of Keras's layers: names to choose from."""
    cells: Annotated[list[Cell], Field(min_length=1)] = ["lstm", "gru"]
    """Of a recurrent network: layers to choose from."""
    optimizer: Annotated[list[Literal["adam", "adamw", "rmsprop", "sgd"]], Field(min_length=1)] = [
        "adam"
    ]
    per_channel: bool = False
    """Whether activations have parameters for each channel."""
    search_bounds: bool = False
    search_trainable: bool = False
    hold: list[str] = []
    """Patterns of hyperparameters that stay at their defaults, such as "activation/*/*"."""
    set: dict[str, Value] = {}
    """Hyperparameters that have a value of yours."""
    build: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    """A model-building function of your own, "module:function"."""


class Study(Table):
    """The whole file."""

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
            raise ValueError("arms: names must differ in more than blanks and underscores")
        return self


def folder_name(arm: str) -> str:
    """The folder of an arm."""
    return arm.replace(" ", "_")


def load(path: Path) -> Study:
    """The study that a file describes.

    Raises:
        SystemExit: if there is none, or it says something that it may not.
    """
    return toml.load(path, Study)
