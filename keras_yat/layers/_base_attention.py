"""The base of attention with Yat scores: projections, masks, blocks and the cache."""

import string
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import BaseAttention
from keras_yat._numerics.attention_masks import position
from keras_yat._sizes import all_fit
from keras_yat._types import Shape, Tensor
from keras_yat.layers import _attention_cache as caches
from keras_yat.layers._attention_axes import AttentionAxes
from keras_yat.layers._epsilon_alpha import EpsilonAlphaLayer
from keras_yat.ops import rotary_embedding, yat_attention

PROJECTIONS = ("query", "key", "value", "gate", "attention_output")


class BaseYatAttention(EpsilonAlphaLayer, BaseAttention):
    """Abstract: attention with Yat scores, with attributes for its arguments."""

    normalization: str
    power: float
    normalize: str | None
    num_key_value_heads: int
    rope_max_wavelength: float | None
    block_size: int | str | None
    seed_generator: Any

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
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
        # A softermax does not change with a factor of all scores.
        self._add_epsilon_and_alpha(1.0 if self.normalization == "softmax" else None)

    def _check_shapes(self, query, value, key):
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

    def _projection(self, name, shape, outputs, activation=None, features=1):
        """A linear layer from the last `features` axes of `shape` to the axes `outputs`."""
        letters = iter(string.ascii_lowercase)
        free, bound, found = (
            "".join(next(letters) for _ in range(count))
            for count in (len(shape) - features, features, len(outputs))
        )
        layer = keras.layers.EinsumDense(
            f"{free}{bound},{bound}{found}->{free}{found}",
            output_shape=(*(None,) * (len(free) - 1), *outputs),
            bias_axes=found if self.use_bias else None,
            activation=activation,
            name=name,
            **{
                **self._projection_arguments(),
                "kernel_initializer": _with_own_seed(self._projection_initializer, name),
            },
        )
        # Keras would warn of the mask of its input, which does not matter here.
        layer.supports_masking = True
        layer.build(shape)
        layer.quantize = _refuse_to_quantize
        return layer

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
            caches.check(cache, start, query, self._cached_shapes)
            caches.check_masks(value_mask=value_mask, key_mask=key_mask)
        if self.rope_max_wavelength is not None:
            longest = self.rope_max_wavelength
            heads[:2] = (rotary_embedding(x, start, longest) for x in heads[:2])
        if cache is not None:
            heads[1:] = cache = caches.updated(cache, heads[1:], start)
            key = cache[0]
        found = self._attend(
            heads,
            axes.attention_mask(attention_mask, query, key, self.num_heads),
            training,
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

    def _attend(self, heads, mask, training, **settings):
        query, key, value = heads
        # In this order: `training` may be a tracer, which has no truth value.
        rate = self.dropout if self.dropout and training else 0.0
        return yat_attention(
            query,
            key,
            value,
            mask,
            sliding_window=self.sliding_window,
            normalize=self.normalize,
            normalization=self.normalization,
            power=self.power,
            dropout=rate,
            seed=self.seed_generator,
            block_size=self.block_size,
            **self._epsilon_and_alpha(),
            **settings,
        )

    def make_cache(self, batch_size: int, length: int) -> tuple[Any, Any]:
        """An empty cache of keys and values.

        Args:
            batch_size: Number of sequences.
            length: Maximal number of positions.

        Returns:
            Two tensors of zeros, `(batch_size, length, num_key_value_heads, size)`.
        """
        return caches.empty(
            _validate.count("batch_size", batch_size),
            _validate.count("length", length),
            self._cached_shapes,
            self.compute_dtype,
        )

    @property
    def _cached_shapes(self):
        heads = self.num_key_value_heads
        return (heads, self.key_dim), (heads, self.value_dim)

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
            outputs.append(tuple(keras.KerasTensor(x.shape, dtype=x.dtype) for x in cache))
        return tuple(outputs) if len(outputs) > 1 else outputs[0]


def _with_own_seed(initializer, name):
    """`initializer` for the projection `name`, with a different seed for each.

    With identical query and key kernels each token would attend only to itself.
    """
    config = initializer.get_config()
    seed = config.get("seed")
    if isinstance(seed, int):
        config["seed"] = seed + PROJECTIONS.index(name)
    return type(initializer).from_config(config)


def _both(mask, other):
    return mask if other is None else other if mask is None else ops.logical_and(mask, other)


def _refuse_to_quantize(mode: Any = None, config: Any = None, **kwargs: Any) -> None:
    """The method `quantize` of a projection. `model.quantize` warns in these words."""
    raise NotImplementedError(
        "The projections of an attention layer are not quantized: Keras 3.15 saves them without "
        "their dtype policy, and could not load the file. Give the layer a "
        "`keras.dtype_policies.DTypePolicyMap` with quantized policies for them."
    )
