"""What all attention functions share: their arguments of shapes, masks, blocks and dropout."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.attention import Attention
from keras_yat._numerics.attention_masks import AttentionMasks, masks_of, position
from keras_yat._numerics.gradients import as_parameter, as_tensor, at_least_float32
from keras_yat._numerics.sparse_pattern import BlockMask, SparsePattern
from keras_yat._sizes import all_fit, fits, is_known
from keras_yat._types import Tensor

LONG = 2**18
"""Largest number of scores of a head in a block of `block_size="auto"`."""


class AttentionCall:
    """Checks the arguments of a call, and computes with them.

    Attributes:
        query: In the precision of the scores, `(batch, length, heads, size)`.
        key: In the precision of the scores.
        value: In the dtype of the query.
        dtype: That of the query.
        precision: That of the scores.
        masks: Which query may attend to which key.
        rate: Dropout rate of the weights.
        return_scores: Whether the weights are returned as well.
        block: Number of queries in a block; None: all.
    """

    def __init__(
        self,
        query: Any,
        key: Any,
        value: Any,
        mask: Any,
        *,
        query_mask: Any,
        key_mask: Any,
        is_causal: Any,
        sliding_window: Any,
        num_global_tokens: Any,
        block_mask: Any,
        mask_block_size: Any,
        query_offset: Any,
        dropout: Any,
        seed: Any,
        block_size: Any,
        return_attention_scores: Any,
    ) -> None:
        query, key, value = as_tensor(query), as_tensor(key), as_tensor(value)
        _check_shapes(query, key, value)
        is_causal = _validate.call_flag("is_causal", is_causal)
        self.return_scores: bool = _validate.call_flag(
            "return_attention_scores", return_attention_scores
        )
        offset = position("query_offset", query_offset)
        pattern = pattern_of(sliding_window, num_global_tokens, block_mask, mask_block_size)
        if pattern is not None:
            pattern.check(query.shape[1], key.shape[1], offset)
        self.rate: float = _validate.rate("dropout", dropout)
        self._seed = _state(seed) if self.rate else None
        self.block: int | None = block_of(block_size, query.shape[1], key.shape[1])
        self._heads = key.shape[2]
        self._group = query.shape[2] // self._heads
        masks = masks_of(mask, query_mask, key_mask, query, key)
        self.masks: AttentionMasks = AttentionMasks(masks, is_causal, pattern, offset)
        self.dtype: str = keras.backend.standardize_dtype(query.dtype)
        self.precision: str = at_least_float32(query)
        self.query, self.key = (ops.cast(x, self.precision) for x in (query, key))
        self.value: Tensor = ops.cast(value, self.dtype)

    def of_heads(self, name: str, value: Any, **limits: float) -> Any:
        """The argument `name`: a number, a scalar, or the values of the heads with five axes."""
        if isinstance(value, (list, tuple)):
            value = np.array(
                [_validate.number(f"{name}[{i}]", v, **limits) for i, v in enumerate(value)]
            )
        elif isinstance(value, numbers.Real) or not hasattr(value, "shape"):
            return _validate.number(name, value, **limits)
        value, heads = ops.cast(as_parameter(value), self.precision), self._heads * self._group
        if not len(value.shape):
            return value
        if len(value.shape) > 1 or not fits(value.shape[0], heads):
            _validate.invalid_argument(name, f"be a number, or {heads} of them", tuple(value.shape))
        return ops.reshape(value, (1, self._heads, self._group, 1, 1))

    def in_heads(self, x: Any) -> Any:
        """From `(batch, length, heads, size)` to the five axes of `Attention`."""
        batch, length, heads, size = ops.shape(x)
        x = ops.reshape(x, (batch, length, self._heads, heads // self._heads, size))
        return ops.transpose(x, (0, 2, 3, 1, 4))

    def out_of_heads(self, x: Any) -> Any:
        """The inverse of `in_heads`, in the dtype of the query."""
        x = ops.transpose(ops.cast(x, self.dtype), (0, 3, 1, 2, 4))
        batch, length, _, _, size = ops.shape(x)
        return ops.reshape(x, (batch, length, self._heads * self._group, size))

    def attend(
        self,
        query: Any,
        key: Any,
        formula: Callable[[Any], Any],
        normalize: Callable[[Any, Any], Any],
    ) -> Any:
        """The result, for queries and keys with five axes, by the scores of all pairs."""
        attention = Attention(formula, normalize, self.masks, self.block, self.rate, self._seed)
        value = self.in_heads(self.value)
        if not self.return_scores:
            return self.out_of_heads(attention(query, key, value))
        weights = attention.weights(query, key)
        dropped = weights
        if self.rate:
            mask = attention.dropout_mask(weights, attention.seed, self.masks.offset)
            dropped = weights * mask
        output = self.out_of_heads(ops.cast(dropped, self.dtype) @ value)
        shape = ops.shape(weights)
        weights = ops.reshape(weights, (shape[0], self._heads * self._group, *shape[3:]))
        return output, ops.cast(weights, self.dtype)


def pattern_of(window: Any, tokens: Any, blocks: Any, block_size: Any) -> SparsePattern | None:
    """The sparse pattern of the arguments; None where all positions are allowed."""
    if window is not None:
        window = _validate.count("sliding_window", window)
    tokens = _validate.count("num_global_tokens", tokens, least=0)
    block_size = _validate.count("mask_block_size", block_size)
    if blocks is not None:
        blocks = BlockMask.of(blocks)
    if window is None and blocks is None:
        if tokens:
            _validate.invalid_argument(
                "num_global_tokens", "be 0 without `sliding_window` and `block_mask`", tokens
            )
        return None
    return SparsePattern(window, tokens, blocks, block_size)


def block_of(size: Any, queries: Any, keys: Any) -> int | None:
    """Number of queries in a block of `block_size`; None for all."""
    if size is None:
        return None
    if size == "auto":
        if not is_known(queries, keys) or queries * keys <= LONG:
            return None
        return max(16, LONG // keys)
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        _validate.invalid_argument("block_size", "be an int of at least 1, None or 'auto'", size)
    return int(size)


def _check_shapes(query, key, value):
    shapes = {"query": query.shape, "key": key.shape, "value": value.shape}
    for name, shape in shapes.items():
        if len(shape) != 4:
            _validate.invalid_argument(
                name, "have four axes: batch, length, heads, size", tuple(shape)
            )
    shapes = {name: tuple(shape) for name, shape in shapes.items()}
    (batch, _, heads, size), keys, values = shapes.values()
    if keys[3] != size or not fits(keys[0], batch) or heads % keys[2]:
        _validate.invalid_argument(
            "key",
            "have the batch and size of the query, and a number of heads that divides the query's",
            keys,
            query=shapes["query"],
        )
    if not all_fit(values[:3], keys[:3]):
        _validate.invalid_argument(
            "value", "have the batch, length and heads of the key", values, key=keys
        )


def _state(seed):
    """The next state of a random generator."""
    if isinstance(seed, keras.random.SeedGenerator):
        return seed.next()
    if seed is None:
        _validate.invalid_argument(
            "seed", "be an int or a SeedGenerator where `dropout` is above 0", seed
        )
    seed = _validate.seed("seed", seed)
    dtype = "uint32" if keras.backend.backend() == "jax" else "int32"
    return ops.convert_to_tensor([seed & 0x7FFFFFFF, 0], dtype=dtype)
