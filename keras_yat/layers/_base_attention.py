"""The base of attention layers: a call with masks, axes and a cache."""

from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.attention_masks import position
from keras_yat._types import Tensor
from keras_yat.layers import _attention_cache as caches
from keras_yat.layers._attention_axes import AttentionAxes
from keras_yat.layers._projected_attention import ProjectedAttention
from keras_yat.ops import rotary_embedding


class BaseYatAttention(ProjectedAttention):
    """Abstract: an attention layer.

    A subclass defines `_attend`, what it caches, and how a cache is checked.
    """

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        cache: Any = None,
        cache_update_index: int | Tensor | None = None,
    ) -> Any:
        key = value if key is None else key
        use_causal_mask = _validate.call_flag("use_causal_mask", use_causal_mask)
        return_attention_scores = _validate.call_flag(
            "return_attention_scores", return_attention_scores
        )
        axes = AttentionAxes.of(len(query.shape), self.attention_axes)
        gate = self.gate_dense(query) if self.use_gate else None
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        heads = [axes.flat(x) for x in projected]
        start = 0
        if cache is not None:
            start = position("cache_update_index", cache_update_index)
            use_causal_mask = True
            caches.check_masks(value_mask=value_mask, key_mask=key_mask)
            self._check_cache(cache, start, query, key)
        if self.rope_max_wavelength is not None:
            longest = self.rope_max_wavelength
            heads[:2] = (rotary_embedding(x, start, longest) for x in heads[:2])
        if cache is not None:
            cache, key = self._with_cache(cache, heads, start, key)
        # In this order: `training` may be a tracer, which has no truth value.
        rate = self.dropout if self.dropout and training else 0.0
        found, cache = self._attend(
            heads,
            cache,
            mask=axes.attention_mask(attention_mask, query, key, self.num_heads),
            sliding_window=self.sliding_window,
            num_global_tokens=self.num_global_tokens,
            block_mask=self._block_mask,
            mask_block_size=self.mask_block_size,
            block_size=self.block_size,
            dropout=rate,
            seed=self.seed_generator,
            return_attention_scores=return_attention_scores,
            query_mask=axes.mask("query_mask", query_mask, query),
            key_mask=_both(
                axes.mask("key_mask", key_mask, key), axes.mask("value_mask", value_mask, key)
            ),
            is_causal=use_causal_mask,
            query_offset=start,
        )
        output, scores = found if return_attention_scores else (found, None)
        output = axes.unflat(output, query)
        outputs = [self.output_dense(output if gate is None else output * gate)]
        if return_attention_scores:
            outputs.append(axes.scores(scores, query, key))
        if cache is not None:
            outputs.append(cache)
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _attend(self, heads: list[Any], cache: Any, **settings: Any) -> tuple[Any, Any]:
        """The output, with the scores if they are returned; and the next cache or None."""
        raise NotImplementedError

    def _check_cache(self, cache: Any, start: Any, query: Any, key: Any) -> None:
        """Raises unless it is a cache with room for queries and keys at position `start`."""
        raise NotImplementedError

    def _with_cache(self, cache: Any, heads: list[Any], start: Any, key: Any) -> tuple[Any, Any]:
        """The cache and the keys that are attended, after changes in `heads`."""
        raise NotImplementedError

    def compute_output_spec(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        return_attention_scores: bool = False,
        cache: Any = None,
        **rest: Any,
    ) -> Any:
        key = value if key is None else key
        shape = self.compute_output_shape(query.shape, value.shape, key.shape)
        outputs = [keras.KerasTensor(shape, dtype=self.compute_dtype)]
        if return_attention_scores:
            axes = AttentionAxes.of(len(query.shape), self.attention_axes)
            along = key.shape if cache is None else cache[0].shape
            shape = axes.scores_shape(tuple(query.shape), tuple(along), self.num_heads)
            outputs.append(keras.KerasTensor(shape, dtype=self.compute_dtype))
        if cache is not None:
            outputs.append(
                keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, dtype=x.dtype), cache)
            )
        return tuple(outputs) if len(outputs) > 1 else outputs[0]


def _both(mask, other):
    return mask if other is None else other if mask is None else ops.logical_and(mask, other)
