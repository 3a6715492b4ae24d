"""What a layer of the package `nmn`, or a mapping of its weights, says: options and arrays.

The six front ends of `nmn` name options and weights differently: the tables below have every
name, found in their public attributes. Nothing here imports `nmn` or a backend.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_yat import _validate

FRAMEWORKS = ("keras", "nnx", "linen", "torch", "tf", "mlx")
KINDS = ("dense", "conv", "conv_transpose", "embedding", "attention")
PROJECTIONS = ("query", "key", "value", "out")

_REQUIRED: Any = object()
# By a part of the name of a class, the first that fits.
_CLASSES = {
    "Attention": "attention",
    "Embed": "embedding",
    "ConvTranspose": "conv_transpose",
    "Conv": "conv",
    "NMN": "dense",
}


def _projection_names(projection: str) -> dict[str, tuple[str, ...]]:
    first = projection[0]
    prefixes = (projection, f"{projection}_proj", f"{first}_proj")
    short = projection if projection == "out" else first
    return {
        f"{projection} kernel": (
            *(f"{prefix}.{name}" for prefix in prefixes for name in ("kernel", "weight")),
            f"{short}_kernel",
        ),
        f"{projection} bias": (*(f"{prefix}.bias" for prefix in prefixes), f"{short}_bias"),
    }


_ARRAYS = {
    "kernel": ("kernel", "weight"),
    "embedding": ("embedding",),
    "bias": ("bias",),
    "alpha": ("alpha", "alpha_param"),
    "epsilon": ("epsilon_param",),
    "mask": ("mask",),
    "cosines": ("freqs_cos",),
    **{k: v for projection in PROJECTIONS for k, v in _projection_names(projection).items()},
}
# The table that follows from the cosines.
_DERIVED = ("freqs_sin",)

_OPTIONS = {
    **{
        name: (name,)
        for name in (
            *("epsilon", "learnable_epsilon", "use_alpha", "constant_alpha"),
            *("use_bias", "constant_bias", "softplus_bias", "weight_normalized"),
            *("drop_rate", "use_dropconnect", "padding", "output_padding", "data_format"),
            *("transpose_kernel", "num_heads", "use_out_proj", "theta", "power"),
            *("normalization", "use_softermax", "tie_kernel_bank"),
            *("freeze_kernel", "lazy"),
        )
    },
    "strides": ("strides", "stride"),
    "dilation": ("dilation_rate", "dilation", "kernel_dilation"),
    "groups": ("groups", "feature_group_count"),
    "features": ("units", "filters", "out_features", "out_channels", "features"),
    "dropout": ("dropout", "dropout_rate"),
    "spherical": ("spherical", "_spherical"),
    "normalize_qk": ("normalize_qk", "_normalize_qk"),
}
# Options without a counterpart, with the values that need none.
_ONLY = {
    "padding_mode": ("zeros",),
    "input_dilation": (None, 1),
    "compute_mode": ("fp32",),
    "distance_floor": (0.0,),
    "dropconnect_rate": (0.0,),
    "use_performer": (False,),
    "attention_fn": ("yat_attention",),
}


class NmnSource:
    """The options and the arrays of a layer, under one name for all front ends.

    Args:
        source: A layer of `nmn`, or a mapping of its weights.
        kind: One of `KINDS`, or None to derive it.
        framework: One of `FRAMEWORKS`, or None to derive it from the class of a layer.
        options: Attributes of the layer, by their names in `nmn`; they precede those of a layer.
    """

    def __init__(
        self, source: Any, kind: str | None, framework: str | None, options: Mapping[str, Any]
    ) -> None:
        self._options = dict(options)
        names = [cls for cls in type(source).__mro__ if cls.__module__.split(".")[0] == "nmn"]
        # A layer of MLX is a dictionary too.
        self.is_layer: bool = bool(names) or not isinstance(source, Mapping)
        self._layer = source if self.is_layer else None
        if framework is None and names:
            framework = names[0].__module__.split(".")[1]
        if framework is None:
            allowed = "be given for weights, or for a layer of another class"
            _validate.invalid_argument("framework", f"{allowed}, one of {FRAMEWORKS}", None)
        self.framework: str = _validate.one_of("framework", framework, FRAMEWORKS)
        self._check_options()
        self._names = () if self.is_layer else tuple(name for name, _ in _flat(source))
        self.arrays: dict[str, np.ndarray] = (
            _from_layer(source, self.framework) if self.is_layer else _from_mapping(source)
        )
        self.kind: str = self._kind(kind, type(source).__name__)

    def _check_options(self):
        known = {name for names in _OPTIONS.values() for name in names} | set(_ONLY)
        for name in self._options:
            if name not in known or name.startswith("_"):
                public = sorted(n for n in known if not n.startswith("_"))
                _validate.invalid_argument("options", f"be among {public}", name)
        for name, values in _ONLY.items():
            value = self._find((name,), values[0])
            if name == "attention_fn":
                value = getattr(value, "__name__", value)
            entries = value if isinstance(value, (tuple, list)) else (value,)
            if any(entry not in values for entry in entries):
                allowed = f"be {values[-1]!r}: there is no counterpart of others"
                _validate.invalid_argument(name, allowed, value)

    def _kind(self, kind, class_name):
        if kind is not None:
            return _validate.one_of("kind", kind, KINDS)
        if self.is_layer:
            for part, found in _CLASSES.items():
                if part in class_name:
                    return found
        if "embedding" in self.arrays:
            return "embedding"
        if "query kernel" in self.arrays:
            return "attention"
        if "kernel" in self.arrays and self.arrays["kernel"].ndim == 2:
            return "dense"
        allowed = f"be given, one of {KINDS}: the weights of some look alike"
        _validate.invalid_argument("kind", allowed, None)

    def _find(self, names, default):
        for name in names:
            if name in self._options:
                return self._options[name]
        found = [getattr(self._layer, name) for name in names if hasattr(self._layer, name)]
        if not found and isinstance(self._layer, keras.layers.Layer):
            config = self._layer.get_config()
            found = [config[name] for name in names if name in config]
        return found[0] if found else default

    def option(self, name: str, default: Any = _REQUIRED) -> Any:
        """The value of an option; without a default it is an error that there is none."""
        value = self._find(_OPTIONS[name], default)
        if value is _REQUIRED:
            shown = _OPTIONS[name][0]
            _validate.invalid_argument(shown, "be given: the weights do not contain it", None)
        return value

    @property
    def theta(self) -> float | None:
        """The largest wavelength of rotary embedding, or None without it."""
        # Names of the layers with it; those of other layers differ.
        if "cosines" in self.arrays or "q_proj.kernel" in self._names:
            return self.option("theta")
        return self.option("theta", None)

    def array(self, name: str) -> np.ndarray:
        """An array that the kind needs, in float64."""
        if name not in self.arrays:
            allowed = f"contain an array of the name {' or '.join(map(repr, _ARRAYS[name]))}"
            _validate.invalid_argument("source", allowed, sorted(self.arrays), kind=self.kind)
        return self.arrays[name]

    def scalar(self, name: str) -> float:
        """An array of a single entry, such as a learned alpha of shape (1,), as a number."""
        array = self.array(name)
        if array.size != 1:
            _validate.invalid_argument(name, "have a single entry", array.shape)
        return float(array.reshape(()))


def _from_layer(layer, framework):
    if framework == "linen":
        if getattr(layer, "scope", None) is None:
            _validate.invalid_argument(
                "source", "be bound to its variables, `module.bind(variables)`", type(layer)
            )
        return _from_mapping(layer.variables)
    found = {}
    for key, names in _ARRAYS.items():
        for name in names:
            value = layer
            for part in name.split("."):
                value = getattr(value, part, None)
            if value is not None:
                found[key] = _array(value)
                break
    if not found:
        _validate.invalid_argument("source", "have weights: call the layer first", type(layer))
    return found


def _from_mapping(source):
    flat = dict(_flat(source))
    known = {name: key for key, names in _ARRAYS.items() for name in names}
    unknown = [name for name in flat if name not in known and name not in _DERIVED]
    if unknown or not flat:
        allowed = f"be the weights of one layer, with names among {sorted(known)}"
        _validate.invalid_argument("source", allowed, unknown)
    return {known[name]: _array(value) for name, value in flat.items() if name in known}


def _flat(source, prefix=""):
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from _flat(value, prefix if name == "params" else f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _array(value):
    """An array of any of the frameworks, in float64."""
    if isinstance(value, keras.Variable):
        value = keras.ops.convert_to_numpy(value)
    elif hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    return np.array(value, "float64")
