"""Schema of a training's TOML file. Imports no Keras, which would choose a backend."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from examples import data, toml
from examples.toml import Count, Seed, Table

Positive = Annotated[float, Field(gt=0.0)]
Share = Literal["network", "layer", "channel"]
Layers = Annotated[str, Field(pattern=r"^(keras|yat|[\w.]+:\w+)$")]
ImageSetName = Annotated[
    str, AfterValidator(lambda name: toml.one_of(data.names(data.ImageSet))(name))
]
DEPTHS = (8, 14, 18, 20, 26, 32, 44, 50, 56)


class Data(Table):
    """The data set, its split and its preprocessing."""

    name: ImageSetName
    """An image data set of `examples.data`."""
    images: Count | None = None
    """Use only the first training images, before validation data are split off. None: all."""
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Fraction of the training data that each epoch is evaluated on."""
    seed: Seed = 42
    """Seed of the split, the same for every run."""
    standardize: bool = True
    """Scale each channel to mean 0 and standard deviation 1; else pixels are in [0, 1]."""
    augment: list[Literal["crop", "flip"]] = []
    """Random shifts by up to 4 pixels, and random mirror images, drawn in each epoch."""


class Model(Table):
    """The network."""

    kind: Literal["dense", "convolution", "recurrent", "resnet"]
    units: Annotated[list[Count], Field(min_length=1)] | None = None
    """Other networks than ResNets: units or filters of each hidden layer."""
    style: Literal["functional", "sequential", "class"] = "functional"
    """Dense networks: the API that builds the model. All three give the same network."""
    depth: int | None = None
    """ResNets: one of `DEPTHS`."""
    activation: str = "relu"
    """An argument of `layer_factory.activation`. Follows each layer except the last one."""
    kernel_multiplier: Positive | None = None
    """Yat layers: factor between the trained variable and the weights. None: their default."""
    share: Share = "layer"
    """Whether the network, each layer or each channel has one set of activation parameters."""
    layers: Layers = "keras"
    """Hidden layers: `"keras"` for Keras's layers with the activation, `"yat"` for Yat layers
    without one, `"module:Class"` for a custom layer (first argument: units or filters)."""
    kernel_initializer: Literal["glorot_uniform", "he_normal"] = "glorot_uniform"
    """Initializer of all layers except Yat layers, which use their own."""

    @model_validator(mode="after")
    def _fits(self):
        if self.kind != "resnet":
            if self.units is None:
                raise ValueError(f"units: needed with kind = {self.kind!r}")
            if "depth" in self.model_fields_set:
                raise ValueError("depth: only with kind = 'resnet'")
        elif self.depth not in DEPTHS:
            raise ValueError(f"depth: one of {', '.join(map(str, DEPTHS))} with kind = 'resnet'")
        elif "units" in self.model_fields_set:
            raise ValueError("units: not with kind = 'resnet'")
        if self.kind != "dense" and "style" in self.model_fields_set:
            raise ValueError("style: only with kind = 'dense'")
        if self.kind == "recurrent" and self.share == "channel":
            raise ValueError("share: keras.layers.LSTM cannot have an activation per channel")
        if self.kernel_multiplier is not None and self.layers != "yat":
            raise ValueError("kernel_multiplier: only with layers = 'yat'")
        if self.style == "sequential" and self.share == "network":
            raise ValueError(
                "style: a sequential model cannot use a layer twice (share = 'network')"
            )
        return self


class Training(Table):
    """The optimizer, its schedule and the number of epochs."""

    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "sgd"]
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Momentum of SGD."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """λ of the L2 penalty λ/2·Σw² on kernels, with gradient λ·w."""
    schedule: Literal["constant", "exponential", "steps", "cosine"] = "constant"
    """Learning rate schedule. `"exponential"` multiplies the rate by `factor` after each epoch,
    `"steps"` after each epoch in `at`."""
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
    """Results of the publication, shown beside the measured ones."""

    metric: str
    """Description of the results."""
    accuracy: dict[str, float]
    """Accuracy in [0, 1] by activation."""


class Recipe(Table):
    """A whole file: one network and its training."""

    title: str
    source: str
    """The publication, and the choices made where it gives no details."""
    data: Data
    model: Model
    training: Training
    parameters: Count | None = None
    """Published number of trained parameters with ReLU."""
    published: Published | None = None


def load(path: Path, changes: dict[str, dict[str, Any]] | None = None) -> Recipe:
    """Reads a recipe from a file and overrides some of its values.

    A file may begin with `extends = "other.toml"`, a file in the same folder. It then has
    only the values that differ. Published results are not inherited.

    Args:
        path: The file.
        changes: Tables of values that replace those of the file.

    Raises:
        SystemExit: if the file cannot be read, or has unknown keys or invalid values.
    """
    content, changes = _content(path, ()), changes or {}
    if changes.get("data", {}).get("name", None) not in (None, _name(content)):
        content = _without_published(content)
    return toml.check(_merged(content, changes), path, Recipe)


def _content(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path in seen:
        raise SystemExit(f"{path}: extends: {path.name} extends itself")
    content = toml.read(path)
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise SystemExit(f"{path}: extends: should be the name of a file. Received: {base!r}")
    return _merged(_without_published(_content(path.parent / base, (*seen, path))), content)


def _name(content: dict[str, Any]) -> Any:
    table = content.get("data")
    return table.get("name") if isinstance(table, dict) else None


def _without_published(content: dict[str, Any]) -> dict[str, Any]:
    """The content without published results, which hold for this network and data only."""
    return {k: v for k, v in content.items() if k not in ("published", "parameters")}


def _merged(base: Any, changes: Any) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inside = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if inside else value
    return merged
