"""The layers that `benchmarks.layers` compares, and their sizes."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

import keras_yat

CONTESTANTS = ("keras", "own", "nmn")


@dataclass(frozen=True)
class Case:
    """A layer of Keras with what stands in its place.

    Attributes:
        name: Of the layer in Keras, and behind "Yat" here.
        theirs: Of the layer in `nmn.keras`, or None.
        shape: Of the input.
        features: The first argument: units, filters, rows of an embedding, or the window of a
            depthwise convolution.
        arguments: Further ones of the constructor, which all three take.
    """

    name: str
    theirs: str | None
    shape: tuple[int, ...]
    features: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def small(self) -> "Case":
        """The same in small, to see that it runs."""
        shape = tuple(min(size, 8) for size in self.shape)
        return Case(self.name, self.theirs, shape, 8, self.arguments)

    def layer(self, contestant: str, policy: str) -> keras.layers.Layer:
        """The layer of `"keras"` with `gelu`, this package's (`"own"`), or that of `"nmn"`."""
        arguments = {**self.arguments, "dtype": policy}
        if contestant == "keras":
            stock = getattr(keras.layers, "Dense" if self.name == "Embedding" else self.name)
            return stock(self.features, activation="gelu", **arguments)
        if contestant == "own":
            cls, score = getattr(keras_yat, f"Yat{self.name}"), "score"
        elif self.theirs is None:
            raise LookupError(f"nmn has no {self.name}")
        else:
            cls, score = getattr(importlib.import_module("nmn.keras"), self.theirs), "attend"
        if self.name == "Embedding":
            return Scores(cls(self.features, self.shape[-1], **arguments), score)
        return cls(self.features, **arguments)


class Scores(keras.layers.Layer):
    """What an embedding's method `score` gives for each row, as a layer."""

    def __init__(self, embedding: keras.layers.Layer, score: str):
        super().__init__(dtype=embedding.dtype_policy)
        self.embedding = embedding
        self.score = score

    def build(self, input_shape):
        self.embedding.build(input_shape)

    def call(self, inputs):
        return getattr(self.embedding, self.score)(inputs)


class SelfAttention(keras.layers.Layer):
    """Self-attention as a layer of one input, without the scores.

    Args:
        attention: A layer that is called with query and value.
        **arguments: Further ones of its calls.
    """

    def __init__(self, attention: keras.layers.Layer, **arguments: Any):
        super().__init__(dtype=attention.dtype_policy)
        self.attention, self.arguments = attention, arguments

    def build(self, input_shape):
        self.attention.build(input_shape, input_shape)

    def call(self, inputs):
        found = self.attention(inputs, inputs, **self.arguments)
        return found[0] if isinstance(found, tuple) else found


def _window(size: int, **arguments: Any) -> dict[str, Any]:
    return {"kernel_size": size, "padding": "same", **arguments}


CASES = {
    "dense": Case("Dense", "YatDense", (256, 1024), 1024),
    "conv1d": Case("Conv1D", "YatConv1D", (16, 256, 64), 128, _window(5)),
    "conv2d": Case("Conv2D", "YatConv2D", (16, 32, 32, 64), 128, _window(3)),
    "conv3d": Case("Conv3D", "YatConv3D", (4, 12, 12, 12, 16), 32, _window(3)),
    "conv1d_transpose": Case(
        "Conv1DTranspose", "YatConvTranspose1D", (16, 256, 64), 64, _window(5, strides=2)
    ),
    "conv2d_transpose": Case(
        "Conv2DTranspose", "YatConvTranspose2D", (8, 16, 16, 64), 64, _window(3, strides=2)
    ),
    "conv3d_transpose": Case(
        "Conv3DTranspose", "YatConvTranspose3D", (4, 8, 8, 8, 16), 32, _window(3, strides=2)
    ),
    "depthwise_conv1d": Case("DepthwiseConv1D", None, (16, 256, 64), 5, {"padding": "same"}),
    "depthwise_conv2d": Case("DepthwiseConv2D", None, (16, 32, 32, 64), 3, {"padding": "same"}),
    "separable_conv1d": Case("SeparableConv1D", None, (16, 256, 64), 128, _window(5)),
    "separable_conv2d": Case("SeparableConv2D", None, (16, 32, 32, 64), 128, _window(3)),
    "embedding": Case("Embedding", "YatEmbed", (256, 64), 2000),
}
