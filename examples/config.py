"""What the TOML file of a training may say. Imports no Keras, which would choose a backend."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from examples import toml
from examples.toml import Count, Seed, Table

Positive = Annotated[float, Field(gt=0.0)]
Share = Literal["network", "layer", "channel"]
Layers = Annotated[str, Field(pattern=r"^(keras|yat|[\w.]+:\w+)$")]
DEPTHS = (8, 14, 18, 20, 26, 32, 44, 50, 56)


class Data(Table):
    """Which data, and what is done to it."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "cifar100"]
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """The part of the training data that each epoch is scored on."""
    seed: Seed = 42
    """Of the split, which is the same for every run."""
    standardize: bool = True
    """Each channel to mean 0 and standard deviation 1; else pixels are in [0, 1]."""
    augment: list[Literal["crop", "flip"]] = []
    """Shifts by up to 4 pixels, and mirror images, anew in each epoch."""


class Model(Table):
    """The network."""

    kind: Literal["dense", "resnet"]
    units: Annotated[list[Count], Field(min_length=1)] | None = None
    """Of a dense network: the size of each hidden layer."""
    style: Literal["functional", "sequential", "class"] = "functional"
    """Of a dense network: how it is made. The same network in each case."""
    depth: int | None = None
    """Of a ResNet: one of `DEPTHS`."""
    activation: str = "relu"
    """As `models.activation` takes it: behind each layer but the last one."""
    share: Share = "layer"
    """Whether an activation has one set of parameters for the network, a layer or a channel."""
    layers: Layers = "keras"
    """What stands for hidden layers and activations: `"keras"` for Keras's and the activation,
    `"yat"` for Yat layers, `"module:Class"` for a layer of yours (units or filters first)."""
    kernel_initializer: Literal["glorot_uniform", "he_normal"] = "glorot_uniform"
    """Of all layers but the Yat layers, which have their own."""

    @model_validator(mode="after")
    def _fits(self):
        if self.kind == "dense":
            if self.units is None:
                raise ValueError("units: needed with kind = 'dense'")
            if "depth" in self.model_fields_set:
                raise ValueError("depth: only with kind = 'resnet'")
        elif self.depth not in DEPTHS:
            raise ValueError(f"depth: one of {', '.join(map(str, DEPTHS))} with kind = 'resnet'")
        elif {"units", "style"} & self.model_fields_set:
            raise ValueError("units and style: only with kind = 'dense'")
        if self.style == "sequential" and self.share == "network":
            raise ValueError("style: a sequential model takes no layer twice (share = 'network')")
        return self


class Training(Table):
    """How it is trained."""

    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "sgd"]
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Of SGD."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """λ of the penalty λ/2·Σw² on kernels, whose gradient is λ·w."""
    schedule: Literal["constant", "exponential", "steps", "cosine"] = "constant"
    """Of the learning rate: times `factor` after each epoch, or after those in `at`."""
    factor: Positive = 0.1
    at: list[Count] = []
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"

    @model_validator(mode="after")
    def _fits(self):
        if (self.schedule == "steps") != bool(self.at):
            raise ValueError("at: epochs in rising order with schedule = 'steps', and only then")
        if sorted(set(self.at)) != self.at:
            raise ValueError("at: epochs in rising order, each once")
        if self.optimizer == "adam" and self.momentum:
            raise ValueError("momentum: only with optimizer = 'sgd'")
        return self


class Published(Table):
    """What the authors report, to stand beside what is measured here."""

    metric: str
    """What the figures are."""
    accuracy: dict[str, float]
    """By activation, in [0, 1]."""


class Recipe(Table):
    """The whole file."""

    title: str
    source: str
    """The publication, and what is followed where it leaves something open."""
    data: Data
    model: Model
    training: Training
    parameters: Count | None = None
    """How many trained parameters the network has with ReLU, as published."""
    published: Published | None = None


def load(path: Path, changes: dict[str, dict[str, Any]] | None = None) -> Recipe:
    """The training that a file describes, with some values changed.

    A file may begin with `extends = "other.toml"`: it then says what differs from that
    file, which lies in the same folder; figures that were published are not taken over.

    Raises:
        SystemExit: if there is none, or it says something that it may not.
    """
    content, changes = _content(path, ()), changes or {}
    if changes.get("data", {}).get("name", None) not in (None, _name(content)):
        content = _without_figures(content)
    return toml.check(_merged(content, changes), path, Recipe)


def _content(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise SystemExit(f"{path}: extends: leads back to {path.name}")
    content = toml.read(path)
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise SystemExit(f"{path}: extends: should be the name of a file. Received: {base!r}")
    return _merged(_without_figures(_content(path.parent / base, (*seen, path))), content)


def _name(content: dict[str, Any]) -> Any:
    table = content.get("data")
    return table.get("name") if isinstance(table, dict) else None


def _without_figures(content: dict[str, Any]) -> dict[str, Any]:
    """All but what was published of this very network and data."""
    return {k: v for k, v in content.items() if k not in ("published", "parameters")}


def _merged(base: Any, changes: Any) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inside = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if inside else value
    return merged
