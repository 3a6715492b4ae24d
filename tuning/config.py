"""What a study's TOML file may say. Imports no Keras, which would choose a backend."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]*$")]
Names = Annotated[list[str], Field(min_length=1)]
Cell = Literal["lstm", "gru", "simple_rnn"]


def _one_value(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("one_value", "input should be a number, a string or a boolean")
    return value


Value = Annotated[Any, AfterValidator(_one_value)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(_Table):
    """Which data, and how much of it."""

    name: str = "digits"
    """A name of `examples.data`, or the path of an .npz with x_train, y_train, x_test, y_test."""
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """The part of the training data that trials are scored on."""
    examples: Count | None = None
    """How many examples there are to train on and to validate with; all by default."""


class Model(_Table):
    """The network that the arms share."""

    kind: Literal["dense", "convolution", "recurrent"] = "dense"
    units: Annotated[list[Count], Field(min_length=1)] = [64, 64]
    """The size of each hidden layer: neurons or filters."""


class Training(_Table):
    """One trial."""

    epochs: Count = 10
    batch_size: Count = 32
    seeds: Count = 1
    """Trainings of each trial, from the seeds 0, 1, …; its score is their mean."""


class Tuner(_Table):
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


class Final(_Table):
    """What the best values of each arm are tested by."""

    seeds: Count = 3
    """New trainings, on training and validation data together."""


class Arm(_Table):
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


class Study(_Table):
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
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise SystemExit(f"{path} could not be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} is not TOML: {error}") from error
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        lines = [f"{path}: {_told(e)}" for e in error.errors()]
        raise SystemExit("\n".join(lines)) from error


def _told(error: Any) -> str:
    """One error: the key, what is allowed, what came."""
    place = list(map(str, error["loc"]))
    if error["type"] != "extra_forbidden" and place[-1:] == ["[key]"]:
        place.pop()  # of a name that is not allowed
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        allowed = list(_table(place[:-1]).model_fields)
        near = difflib.get_close_matches(place[-1], allowed, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{key}: unknown key{hint}; allowed: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key}: missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{key}.{message}".lstrip(".")
    message = message[0].lower() + message[1:]
    return f"{key}: {message}. Received: {error['input']!r}"


def _table(place: list[str]) -> type[BaseModel]:
    """The class of the table at `place`."""
    found: Any = Study
    for part in place:
        if found is Study and part == "arms":
            found = dict
        elif found is dict:
            found = Arm
        else:
            annotation = found.model_fields[part].annotation
            options = [annotation, *get_args(annotation)]
            found = next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
    return found
