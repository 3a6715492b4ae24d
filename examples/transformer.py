"""Transformer blocks of Yat layers and of Keras's layers, for the examples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

import keras_yat
from keras_yat._keras_compat import TransformedAttention

WAVELENGTH = 10_000.0
"""Largest wavelength of the rotary positions."""


@dataclass(frozen=True)
class Size:
    """Sizes of a network, and its dropout rate."""

    length: int
    width: int
    heads: int
    blocks: int
    hidden: int
    dropout: float = 0.0

    @property
    def of_heads(self) -> tuple[int, int]:
        """The number of heads and their size."""
        return self.heads, self.width // self.heads


@keras.saving.register_keras_serializable("keras_yat_examples")
class RotaryAttention(TransformedAttention):
    """Keras's attention with the rotary positions of the Yat attention."""

    def transform(self, query, key):
        query, key = (
            keras_yat.ops.rotary_embedding(x, max_wavelength=WAVELENGTH) for x in (query, key)
        )
        return query, key


def _yat(size: Size, window: int | None, **arguments: Any) -> Any:
    return keras_yat.YatMultiHeadAttention(
        *size.of_heads,
        dropout=size.dropout,
        sliding_window=window,
        rope_max_wavelength=WAVELENGTH,
        **arguments,
    )


def _linear(size: Size, window: int | None) -> Any:
    # Its state has no positions, so that it cannot have a window.
    return keras_yat.YatLinearAttention(
        *size.of_heads, dropout=size.dropout, rope_max_wavelength=WAVELENGTH
    )


def _keras(size: Size, window: int | None) -> Any:
    return keras.layers.MultiHeadAttention(*size.of_heads, dropout=size.dropout)


def _rotary(size: Size, window: int | None) -> Any:
    return RotaryAttention(*size.of_heads, dropout=size.dropout)


@dataclass(frozen=True)
class Variant:
    """The layers of a transformer.

    Attributes:
        attention: Builds the attention from a size and a window.
        is_yat: Whether the MLP is a YatDense; else a Dense with GELU.
    """

    attention: Callable[[Size, int | None], Any]
    is_yat: bool = True


_EXACT: Any = {
    "normalize": "sphere",
    "normalization": "softermax",
    "score_bias": 1.0,
    "epsilon": 1.0,
}
VARIANTS: dict[str, Variant] = {
    "Yat": Variant(_yat),
    "Yat, softermax": Variant(partial(_yat, normalization="softermax")),
    "Yat, linear": Variant(_linear),
    # The attention that the linear one is near to.
    "Yat, sphere": Variant(partial(_yat, **_EXACT)),
    "Yat, b = 1": Variant(partial(_yat, score_bias=1.0)),
    "Yat, learned b": Variant(partial(_yat, score_bias="learned")),
    "Yat, learned b and epsilon": Variant(
        partial(_yat, score_bias="learned", epsilon=1.0, learn_epsilon=True)
    ),
    "Keras": Variant(_keras, is_yat=False),
    "Keras, rotary": Variant(_rotary, is_yat=False),
    "Keras, rotary, Yat MLP": Variant(_rotary),
}


@keras.saving.register_keras_serializable("keras_yat_examples")
class Positions(keras.layers.Layer):
    """Adds a learned vector to each position, and passes the mask on."""

    def __init__(self, length: int, initializer: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.length = length
        self.initializer = keras.initializers.get(initializer)
        self.supports_masking = True

    def build(self, input_shape):
        shape = (self.length, input_shape[-1])
        self.rows = self.add_weight(name="rows", shape=shape, initializer=self.initializer)

    def call(self, inputs):
        return inputs + self.rows[: keras.ops.shape(inputs)[1]]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "length": self.length, "initializer": initializer}


class Block:
    """Pre-norm transformer block: attention and an MLP, each with a residual connection.

    The MLP is a YatDense, or a Dense with GELU, followed by a Dense back to the width. All
    calls of a block share its weights. With a `window`, Yat attention attends to at most
    that many positions.
    """

    def __init__(self, variant: str, size: Size, window: int | None = None):
        self.attention: Any = VARIANTS[variant].attention(size, window)
        self.hidden = (
            keras_yat.YatDense(size.hidden)
            if VARIANTS[variant].is_yat
            else keras.layers.Dense(size.hidden, activation="gelu")
        )
        self.back = keras.layers.Dense(size.width)
        self.norms = keras.layers.LayerNormalization(), keras.layers.LayerNormalization()
        self.dropouts = keras.layers.Dropout(size.dropout), keras.layers.Dropout(size.dropout)

    def __call__(self, x: Any, *, causal: bool = False) -> Any:
        y = self.norms[0](x)
        return self._residuals(x, self.attention(y, y, use_causal_mask=causal))

    def step(self, x: Any, cache: Any, index: Any) -> tuple[Any, Any]:
        """The output for the token at position `index`, and the updated cache."""
        y = self.norms[0](x)
        y, cache = self.attention(y, y, cache=cache, cache_update_index=index)
        return self._residuals(x, y), cache

    def _residuals(self, x, y):
        # `keras.layers.add` passes masks on; the operator + does not.
        x = keras.layers.add([x, self.dropouts[0](y)])
        y = self.back(self.hidden(self.norms[1](x)))
        return keras.layers.add([x, self.dropouts[1](y)])


def embed_tokens(tokens: Any, embedding: Any, variant: str, size: Size) -> Any:
    """The tokens' embeddings, with learned positions for Keras's attention without rotary ones."""
    x = embedding(tokens)
    if variant != "Keras":
        return x
    return Positions(size.length, embedding.embeddings_initializer)(x)


def match_parameters(build: Callable[[int], Any], target: int) -> int:
    """The number of hidden units whose model is closest to `target` parameters."""
    one, two = (build(hidden).count_params() for hidden in (1, 2))
    return max(1, 1 + round((target - one) / (two - one)))
