"""Layers of the package `nmn` in each of its front ends, with random weights.

The names of the arguments are those of the front end.
"""

import importlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Options = Mapping[str, Any]

FRAMEWORKS = ("keras", "nnx", "linen", "torch", "tf", "mlx")
CHANNELS, FEATURES, SIZES = 4, 6, (8, 7, 9)
ROWS, WIDTH, HEADS, LENGTH = 10, 8, 2, 6


@dataclass(frozen=True)
class Case:
    """A layer of `nmn`.

    Attributes:
        framework: One of `FRAMEWORKS`.
        kind: Argument of `keras_yat.convert.from_nmn`.
        cls: Name of the class.
        options: Arguments of the constructor, next to the sizes.
        rank: Number of spatial axes of a convolution.
    """

    framework: str
    kind: str
    cls: str
    options: Options
    rank: int = 0

    @property
    def setting(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items()) or "default"

    def input(self) -> np.ndarray:
        """Random input, with the channels first for torch's convolutions."""
        shape: tuple[int, ...] = {"attention": (2, LENGTH, WIDTH)}.get(self.kind, (3, WIDTH))
        if self.rank:
            shape = (2, *SIZES[: self.rank], CHANNELS)
            if self.framework == "torch" or self.options.get("data_format") == "channels_first":
                shape = (2, CHANNELS, *SIZES[: self.rank])
        return np.random.default_rng(1).normal(size=shape).astype("float32")

    def layer(self) -> "Layer":
        """The layer with random weights."""
        module = importlib.import_module(f"nmn.{self.framework}")
        return _ADAPTERS[self.framework](getattr(module, self.cls), self)


class Layer:
    """A layer of `nmn`: `source` for `from_nmn`, and its outputs as an array."""

    source: Any

    def __init__(self, cls: Any, case: Case) -> None:
        self.case = case
        self.rng = np.random.default_rng(0)
        self.set_up(cls, case.input())

    def set_up(self, cls: Any, x: np.ndarray) -> None:
        """Sets `source`, a built layer with random weights."""
        raise NotImplementedError

    def outputs(self, x: np.ndarray) -> Any:
        """The outputs in evaluation; of an embedding those of its tied head."""
        return self.source.attend(x) if self.case.kind == "embedding" else self.source(x)

    def draw(self, weight: Any) -> np.ndarray:
        """Random values of a weight; those of a single entry are positive."""
        shape = tuple(weight.shape)
        single = self.rng.uniform(0.5, 1.5, size=shape)
        values = single if shape == (1,) else 0.5 * self.rng.normal(size=shape)
        return values.astype("float32")

    def sizes(self, channels: bool = True) -> tuple[Any, ...]:
        """The positional arguments of the constructor."""
        case, inputs = self.case, (CHANNELS,) if channels else ()
        if case.kind == "dense":
            return ((WIDTH,) if channels else ()) + (FEATURES,)
        if case.kind == "embedding":
            return ROWS, WIDTH
        if case.kind == "attention":
            return WIDTH, HEADS
        # The window of TensorFlow's front end in 1D is an int.
        window: Any = 3 if case.rank == 1 and case.framework == "tf" else (3, 2, 4)[: case.rank]
        return (*inputs, FEATURES, window)


class Tf(Layer):
    def set_up(self, cls, x):
        self.source = cls(*self.sizes(False), **self.case.options)
        self.source(np.array([1]) if self.case.kind == "embedding" else x)
        for weight in self.source.variables:
            weight.assign(self.draw(weight))


class Keras(Tf):
    def outputs(self, x):
        return keras.ops.convert_to_numpy(super().outputs(x))


class Mlx(Layer):
    def set_up(self, cls, x):
        self.array = importlib.import_module("mlx.core").array
        self.source = cls(*self.sizes(False), **self.case.options)
        if self.case.kind != "embedding":
            self.source(self.array(x))
        weights = {n: w for n, w in self.source.parameters().items() if not n.startswith("freqs")}
        self.source.update({name: self.array(self.draw(w)) for name, w in weights.items()})

    def outputs(self, x):
        return super().outputs(self.array(x))


class Torch(Layer):
    def set_up(self, cls, x):
        import torch

        self.source = cls(*self.sizes(), **self.case.options).eval()
        with torch.no_grad():
            for weight in self.source.state_dict().values():
                weight.copy_(torch.tensor(self.draw(weight)))

    def outputs(self, x):
        import torch

        with torch.no_grad():
            return super().outputs(torch.tensor(x))


class Nnx(Layer):
    def set_up(self, cls, x):
        import jax
        from flax import nnx

        sizes = self.sizes()
        if cls.__name__ == "MultiHeadAttention":
            sizes, self.more = (HEADS, WIDTH), {"deterministic": True, "decode": False}
        else:
            self.more = {}
        self.source = cls(*sizes, rngs=nnx.Rngs(0), **self.case.options, **self.more)
        weights = nnx.state(self.source, nnx.Any(nnx.Param, nnx.PathContains("kernel")))
        nnx.update(self.source, jax.tree.map(self.draw, weights))

    def outputs(self, x):
        if self.case.kind in ("attention", "embedding"):
            return super().outputs(x)
        return self.source(x, deterministic=True)


class Linen(Layer):
    def set_up(self, cls, x):
        import jax

        sizes = {"embedding": (ROWS, WIDTH), "attention": (HEADS,)}
        module = cls(*sizes.get(self.case.kind, self.sizes(False)), **self.case.options)
        method = {"method": module.attend} if self.case.kind == "embedding" else {}
        variables = module.init(jax.random.key(0), x, **method)
        self.source = module.bind(jax.tree.map(self.draw, variables))


_ADAPTERS = {"keras": Keras, "nnx": Nnx, "linen": Linen, "torch": Torch, "tf": Tf, "mlx": Mlx}

# By kind: for all front ends, and for some of them.
_EVERYWHERE: dict[str, list[Options]] = {
    "dense": [
        *({}, {"learnable_epsilon": True}, {"constant_alpha": True}, {"constant_alpha": 1.7}),
        *({"spherical": True}, {"weight_normalized": True}, {"constant_bias": 0.3}),
        *({"use_alpha": False}, {"use_bias": False}, {"lazy": True}),
    ],
    "conv": [
        *({"padding": "valid"}, {"padding": "same"}),
        {"padding": "valid", "learnable_epsilon": True},
        {"padding": "valid", "constant_bias": 0.3, "use_alpha": False},
    ],
    "embedding": [
        *({}, {"constant_alpha": True}, {"use_alpha": False}, {"spherical": True}),
        {"weight_normalized": True},
    ],
    "attention": [
        *({}, {"constant_alpha": True}, {"use_alpha": False}, {"use_bias": False}),
        {"normalize_qk": True},
    ],
}
_SOFTPLUS = {"softplus_bias": True, "scalar_bias": True}
_BANK = {"tie_kernel_bank": True, "kernel_bank_size": 9}
_SOME: dict[tuple[str, str], list[Options]] = {
    ("nnx", "dense"): [_SOFTPLUS, _BANK],
    ("torch", "dense"): [_SOFTPLUS, _BANK],
    ("keras", "conv"): [
        *({"strides": 2, "padding": "same"}, {"dilation_rate": 2}, {"groups": 2}),
        *({"weight_normalized": True}, {"data_format": "channels_first"}, _BANK),
    ],
    ("nnx", "conv"): [
        *({"strides": 2, "padding": "SAME"}, {"kernel_dilation": 2}, {"feature_group_count": 2}),
        *({"strides": 2, "padding": 1}, {"constant_alpha": True}, _SOFTPLUS, _BANK),
        *({"weight_normalized": True, "padding": "VALID"}, {"padding": "CAUSAL"}),
    ],
    ("linen", "conv"): [{"strides": 2, "padding": "SAME"}, {"feature_group_count": 2}],
    ("torch", "conv"): [
        *({"stride": 2, "padding": 1}, {"padding": 1}, {"dilation": 2, "padding": "same"}),
        *({"groups": 2}, {"weight_normalized": True}, {"constant_alpha": True}, _SOFTPLUS, _BANK),
        {"padding": (1, 2, 0)},
    ],
    ("tf", "conv"): [{"strides": 2, "padding": "same"}, {"dilation_rate": 2}],
    ("keras", "conv_transpose"): [
        *({"strides": 2, "padding": "same"}, {"strides": 2}, {"learnable_epsilon": True}),
        {"strides": 2, "padding": "same", "output_padding": 1},
        *({"dilation_rate": 2}, {"weight_normalized": True}),
    ],
    ("nnx", "conv_transpose"): [
        *({"strides": 2}, {"strides": 2, "padding": "VALID"}, {"strides": 2, "padding": 1}),
        *({"strides": 2, "transpose_kernel": True}, {"kernel_dilation": 2}),
    ],
    ("linen", "conv_transpose"): [{"strides": 2, "padding": "SAME"}, {"strides": 2}],
    ("torch", "conv_transpose"): [
        *({}, {"stride": 2}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"stride": 3}),
        *({"stride": 2, "padding": 1, "output_padding": 1}, {"constant_alpha": True}),
    ],
    ("tf", "conv_transpose"): [{"strides": 2}, {"strides": 2, "padding": "valid"}],
    ("mlx", "conv"): [
        *({"strides": 2, "padding": "same"}, {"strides": 2, "padding": 1}, {"dilation_rate": 2}),
        *({"groups": 2}, {"weight_normalized": True}, {"constant_alpha": True}),
    ],
    ("mlx", "conv_transpose"): [
        *({"strides": 2}, {"strides": 2, "padding": "same"}, {"strides": 2, "padding": 1}),
        *({"strides": 2, "padding": 1, "output_padding": 1}, {"dilation_rate": 2}),
        *({"strides": 3}, {"strides": 3, "output_padding": 1}),
    ],
    ("nnx", "embedding"): [{"learnable_epsilon": True}],
    **{
        (framework, "attention"): [{"spherical": True}, {"use_out_proj": False}]
        for framework in ("keras", "torch", "tf", "mlx")
    },
    ("nnx", "attention"): [{"use_softermax": True, "power": 2.0}, {"learnable_epsilon": True}],
    ("linen", "attention"): [{"spherical": True}, {"normalization": "l1"}],
}
_ROTARY: dict[str, list[Options]] = {
    "nnx": [
        *({}, {"use_bias": True}, {"constant_alpha": 1.7}, {"normalization": "l1"}),
        *({"use_out_proj": False}, {"learnable_epsilon": True}, {"theta": 50.0}),
    ],
    "mlx": [
        *({}, {"use_bias": False}, {"constant_alpha": 1.7}),
        *({"use_out_proj": False}, {"theta": 50.0}),
    ],
}
_CLASSES = {
    **{("nnx", kind): name for kind, name in (("embedding", "Embed"),)},
    **{(framework, "attention"): "MultiHeadAttention" for framework in ("nnx", "linen")},
}
_NAMES = {"dense": "YatNMN", "embedding": "YatEmbed", "attention": "MultiHeadYatAttention"}


def cases() -> Iterator[Case]:
    """Every layer that is compared."""
    for framework, kind in itertools.product(FRAMEWORKS, (*_EVERYWHERE, "conv_transpose")):
        settings = [*_EVERYWHERE.get(kind, []), *_SOME.get((framework, kind), [])]
        for options in (_renamed(framework, kind, each) for each in settings):
            if kind in _NAMES:
                cls = _CLASSES.get((framework, kind), _NAMES[kind])
                yield Case(framework, kind, cls, options)
                continue
            for rank in (1, 2, 3):
                if options.get("padding") != "CAUSAL" or rank == 1:
                    cls = f"YatConv{'Transpose' * (kind != 'conv')}{rank}D"
                    yield Case(framework, kind, cls, _for_rank(framework, options, rank), rank)
    for framework, settings in _ROTARY.items():
        for options in settings:
            yield Case(framework, "attention", "RotaryYatAttention", options)


def _renamed(framework, kind, options):
    """The options by the names that they have in the constructors of a front end."""
    names = {"use_bias": "bias"} if framework == "torch" else {}
    if framework == "torch" and kind == "dense":
        names["use_alpha"] = "alpha"
    upper = framework in ("nnx", "linen") and isinstance(options.get("padding"), str)
    more = {"padding": options["padding"].upper()} if upper else {}
    return {**{names.get(name, name): value for name, value in options.items()}, **more}


def _for_rank(framework, options, rank):
    """Sizes of each axis; linen takes no others."""
    if framework == "linen":
        options = {n: (v,) * rank if n == "strides" else v for n, v in options.items()}
    return {n: v[:rank] if isinstance(v, tuple) else v for n, v in options.items()}
