"""The base of attention layers: arguments and projections."""

from typing import Any

import keras

from keras_yat import _validate
from keras_yat._keras_compat import BaseAttention
from keras_yat._sizes import all_fit
from keras_yat._types import Config, Shape
from keras_yat.layers._attention_axes import AttentionAxes
from keras_yat.layers._score_layer import ScoreLayer
from keras_yat.layers._weight_options import checked, checked_regularizer
from keras_yat.ops._attention_call import block_of, pattern_of


class ProjectedAttention(ScoreLayer, BaseAttention):
    """Abstract: the constructor of attention layers, and their projections.

    A subclass sets the score normalization.
    """

    normalization: str
    power: float
    normalize: str | None

    def __init__(
        self,
        *,
        num_heads: Any,
        key_dim: Any,
        value_dim: Any,
        dropout: Any,
        use_bias: Any,
        output_shape: Any,
        attention_axes: Any,
        sliding_window: Any,
        flash_attention: Any,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: Any,
        seed: Any,
        num_key_value_heads: Any,
        rope_max_wavelength: Any,
        num_global_tokens: Any,
        block_mask: Any,
        mask_block_size: Any,
        block_size: Any,
        **kwargs: Any,
    ) -> None:
        if flash_attention not in (None, False):
            _validate.invalid_argument("flash_attention", "be None or False", flash_attention)
        count = _validate.count
        super().__init__(
            num_heads=count("num_heads", num_heads),
            key_dim=count("key_dim", key_dim),
            value_dim=_optional(count, "value_dim", value_dim),
            dropout=_validate.rate("dropout", dropout),
            use_bias=_validate.flag("use_bias", use_bias),
            output_shape=_optional(_validate.ints, "output_shape", output_shape, 1),
            attention_axes=_optional(_validate.ints, "attention_axes", attention_axes),
            sliding_window=_optional(count, "sliding_window", sliding_window),
            use_gate=_validate.flag("use_gate", use_gate),
            seed=_validate.seed("seed", seed),
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **checked("kernel", kernel_initializer, kernel_regularizer, kernel_constraint),
            **checked("bias", bias_initializer, bias_regularizer, bias_constraint),
            **kwargs,
        )
        # False, whatever Keras's global switch is.
        self.flash_attention: bool | None = flash_attention
        self._set_flash_attention(flash_attention)
        self.num_key_value_heads: int = _heads(num_key_value_heads, num_heads)
        self.rope_max_wavelength: float | None = _wavelength(rope_max_wavelength, key_dim)
        pattern = pattern_of(sliding_window, num_global_tokens, block_mask, mask_block_size)
        self.num_global_tokens: int = int(num_global_tokens)
        self.mask_block_size: int = int(mask_block_size)
        self._block_mask = None if pattern is None else pattern.blocks
        block_of(block_size, 1, 1)
        self.block_size: Any = block_size
        self.seed_generator: Any = keras.random.SeedGenerator(seed) if dropout else None

    @property
    def block_mask(self) -> Any:
        """The argument `block_mask` as a list of lists, or None."""
        mask = self._block_mask
        return None if mask is None else [list(row) for row in mask.rows]

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        _check_shapes(query_shape, value_shape, key_shape)
        # Raises for axes that do not exist.
        AttentionAxes.of(len(query_shape), self.attention_axes)
        heads, key_heads = self.num_heads, self.num_key_value_heads
        found = (heads, self.value_dim)
        layers = {
            "query": self._projection("query", query_shape, (heads, self.key_dim)),
            "key": self._projection("key", key_shape, (key_heads, self.key_dim)),
            "value": self._projection("value", value_shape, (key_heads, self.value_dim)),
        }
        if self.use_gate:
            layers["gate"] = self._projection("gate", query_shape, found, "sigmoid")
        layers["output"] = self._projection(
            "attention_output",
            (*query_shape[:-1], *found),
            self.output_sizes or (query_shape[-1],),
            features=2,
        )
        self._set_projections(**layers)
        self._add_epsilon_and_alpha(self._default_alpha)
        self._add_score_bias()

    @property
    def _default_alpha(self) -> float | None:
        """The starting value of a learned alpha; None where it would have no effect."""
        raise NotImplementedError

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "flash_attention": self.flash_attention,
            "normalization": self.normalization,
            "power": self.power,
            "normalize": self.normalize,
            "num_key_value_heads": self.num_key_value_heads,
            "rope_max_wavelength": self.rope_max_wavelength,
            "num_global_tokens": self.num_global_tokens,
            "block_mask": self.block_mask,
            "mask_block_size": self.mask_block_size,
            "block_size": self.block_size,
        }


def _check_shapes(query, value, key):
    shapes = {"query": tuple(query), "value": tuple(value), "key": tuple(key)}
    for name, shape in shapes.items():
        if len(shape) < 3 or shape[-1] is None:
            _validate.invalid_argument(
                name, "have a batch, positions, and features of a known size", shape
            )
    ranks = {len(shape) for shape in shapes.values()}
    if len(ranks) > 1 or not all_fit(value[1:-1], key[1:-1]):
        _validate.invalid_argument(
            "value",
            "have the number of axes of the query, and the positions of the key",
            shapes.pop("value"),
            **shapes,
        )


def _optional(check, name, value, *rest):
    """The checked value, or None."""
    return None if value is None else check(name, value, *rest)


def _heads(value, heads):
    found = heads if value is None else _validate.count("num_key_value_heads", value)
    if heads % found:
        _validate.invalid_argument(
            "num_key_value_heads", "divide `num_heads`", found, num_heads=heads
        )
    return found


def _wavelength(value, size):
    if value is None:
        return None
    value = _validate.number("rope_max_wavelength", value, above=0.0)
    if size % 2:
        _validate.invalid_argument(
            "rope_max_wavelength", "be None where `key_dim` is odd", value, key_dim=size
        )
    return value
