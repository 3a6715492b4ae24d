"""Transformer blocks of Yat layers and of Keras's layers, for the examples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras

import keras_yat
from keras_yat._keras_compat import TransformedAttention

WAVELENGTH = 10_000.0
"""Largest wavelength of the rotary positions."""

# Score normalization of the attention; None for networks of Keras's layers.
VARIANTS: dict[str, Literal["softmax", "softermax"] | None] = {
    "Yat": "softmax",
    "Yat, softermax": "softermax",
    "Keras": None,
    "Keras, rotary": None,
}


@dataclass(frozen=True)
class Size:
    """Sizes of a network, and its dropout rate."""

    length: int
    width: int
    heads: int
    blocks: int
    hidden: int
    dropout: float = 0.0


@keras.saving.register_keras_serializable("keras_yat_examples")
class RotaryAttention(TransformedAttention):
    """Keras's attention with the rotary positions of the Yat attention."""

    def transform(self, query, key):
        query, key = (
            keras_yat.ops.rotary_embedding(x, max_wavelength=WAVELENGTH) for x in (query, key)
        )
        return query, key


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
        heads = size.heads, size.width // size.heads
        self.attention: Any
        normalization = VARIANTS[variant]
        if normalization is None:
            rotary = variant == "Keras, rotary"
            kind = RotaryAttention if rotary else keras.layers.MultiHeadAttention
            self.attention = kind(*heads, dropout=size.dropout)
            self.hidden = keras.layers.Dense(size.hidden, activation="gelu")
        else:
            self.attention = keras_yat.YatMultiHeadAttention(
                *heads,
                dropout=size.dropout,
                sliding_window=window,
                normalization=normalization,
                rope_max_wavelength=WAVELENGTH,
            )
            self.hidden = keras_yat.YatDense(size.hidden)
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
