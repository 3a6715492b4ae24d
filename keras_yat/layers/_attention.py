"""Multi-head attention with Yat scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

from keras_yat import _validate
from keras_yat._register import register
from keras_yat._space import Choice, Float, Option, Space
from keras_yat._types import Identifier, LayerOptions, Size
from keras_yat.layers import _attention_cache as caches
from keras_yat.layers._base_attention import BaseYatAttention
from keras_yat.layers._epsilon_alpha import ALPHA, EpsilonAlphaLayer
from keras_yat.layers._score_layer import SCORE_BIAS
from keras_yat.ops import yat_attention
from keras_yat.ops._yat_attention import NORMS, normalization_of


@register()
class YatMultiHeadAttention(BaseYatAttention):
    """Attention with the scores `alpha·(⟨q, k⟩ + b)² / (‖q - k‖² + epsilon) / sqrt(key_dim)`.

    Replaces `keras.layers.MultiHeadAttention`, with the same arguments, projections and masks. A
    key has a large score when it points along the query and lies close to it. Scores are
    normalized by a softmax, or by a softermax, which has no exponential, and computed in float32
    or wider.

    b is `score_bias`. With b > 0 the kernel is universal, and a query or a key of zeros still
    attends; with b = 0, the default, all its scores are 0.

    Sparse attention: `sliding_window`, `num_global_tokens` and `block_mask` are united, and time
    and memory grow with the number of pairs that they allow.

    Additional features: rotary embedding, grouped-query attention, a cache for decoding, and
    memory that grows linearly with the length. A `query_mask` is applied too: a query without any
    allowed key gets zeros before the output projection.

    Args:
        num_heads: Number of heads, an int of at least 1.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value; None: `key_dim`.
        dropout: Dropout rate of the weights, in [0, 1).
        use_bias: Whether the projections have a bias.
        output_shape: The shape of an output after batch and positions, an int or ints; None: the
            size of the query.
        attention_axes: The axes over which attention is applied, an int or ints; None: all but the
            batch and the features.
        sliding_window: None, or an int of at least 1: keys are masked at this distance in positions
            from the query and beyond, on either side.
        flash_attention: None or False. Fused attention is not supported; for long sequences see
            `block_size`.
        kernel_initializer: Initializer of the kernels of the projections, any of
            `keras.initializers.get`. Each projection gets its own values.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the kernels, or None.
        bias_regularizer: Regularizer of the biases, or None.
        activity_regularizer: Regularizer of the outputs of the projections, or None.
        kernel_constraint: Constraint on the kernels, or None.
        bias_constraint: Constraint on the biases, or None.
        use_gate: Whether the attention output is multiplied by a sigmoid of a projection of the
            query.
        seed: Seed for reproducible masks, an int, or None.
        normalization: Score normalization: `"softmax"` or `"softermax"`. A softermax does not
            change with a factor of all scores: there is no learned alpha with it.
        power: A number above 0: the power of the softermax.
        normalize: None, or `"sphere"` to divide each query and key by its norm, so that the
            distance is `2 - 2·cos`. Vectors of zeros stay zero.
        num_key_value_heads: Number of key/value heads (grouped-query attention), a divisor of
            `num_heads`; None: `num_heads`.
        rope_max_wavelength: None, or a number above 0, such as 10 000.0, for rotary embedding: the
            slowest pair of entries has a period of about 2π times this number of positions.
            Requires an even `key_dim`.
        num_global_tokens: Number of first positions that attend to all positions, and to which all
            attend, whatever the window and `block_mask` are. Above 0 only with one of these.
        block_mask: None, or booleans `(query blocks, key blocks)`, an array or lists: True where
            the queries of a block may attend to the keys of a block.
        mask_block_size: Number of positions in a block of `block_mask`. The last may be shorter.
        block_size: Number of positions that are computed at a time: an int, None for all of them,
            or `"auto"`. Memory is proportional to it, in the backward pass too; the result does not
            depend on it. In blocks, a causal mask and sparse patterns skip most of the masked keys.
        score_bias: b: a number of at least 0, a list with one for each head, None for 0, or
            `"learned"` to train a value for each head, at least 0.
        score_bias_initializer: Initializer of a learned `score_bias`. None: 1.
        epsilon: Added to the squared distance: a number above 0, or a list with one for each head.
            In squared units of the projected query; on the sphere it has no unit. The smaller it
            is, the larger is the score of a key that is equal to the query.
        learn_epsilon: Whether an epsilon for each head is trained. It starts at `epsilon` and stays
            at or above 1e-7. Adam moves it by about its learning rate per step: start it at the
            scale of the squared distances of the data.
        alpha: Factor of the scores: `"learned"` to train it, a number for a constant, None for 1.
        alpha_initializer: Initializer of a learned alpha. None: 1.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        query: Floats of shape `(batch, length, dim)`.
        value: Floats of shape `(batch, keys, dim)`.
        key: Floats of shape `(batch, keys, dim)`, or None for `value`.
        query_mask: None, or booleans `(batch, length)`: False for masked queries.
        value_mask: None, or booleans `(batch, keys)`: False for masked keys.
        key_mask: As `value_mask`; a key is masked if either is False.
        attention_mask: None, or booleans that broadcast to `(batch, length, keys)` or
            `(batch, num_heads, length, keys)`: True where a query may attend to a key.
        return_attention_scores: Whether to return the weights as well. All queries are then in a
            single block.
        training: Whether dropout applies.
        use_causal_mask: Whether keys at later positions than the query are masked.
        cache: None, or the cache that `make_cache` or the previous call returned. The keys and
            values of this call are written at `cache_update_index`, and each query attends to the
            positions up to its own. Not with `value_mask` or `key_mask`.
        cache_update_index: Position of the first query, an int or a scalar tensor.

    Input shape:
        `(batch, length, dim)`, or with more axes of positions.

    Output shape:
        `(batch, length, dim of the query)`, or `output_shape` after the positions. With
        `return_attention_scores` also the weights, `(batch, num_heads, length, keys)`; with
        `cache` also the next cache.

    Raises:
        ValueError: If an argument is out of range, or shapes do not match.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 7, 16))
    >>> layer = keras_yat.YatMultiHeadAttention(4, 8, rope_max_wavelength=10_000.0)
    >>> layer(x, x, use_causal_mask=True).shape == (2, 7, 16)
    True

    Token by token, with the same result:

    >>> cache = layer.make_cache(batch_size=2, length=7)
    >>> for i in range(7):
    ...     token = x[:, i : i + 1]
    ...     y, cache = layer(token, token, cache=cache, cache_update_index=i)

    Reference:
        Scores: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024;
        arXiv:2605.03262 and arXiv:2603.12276. A. Vaswani et al., Attention Is All You Need, 2017;
        J. Ainslie et al., GQA, 2023; J. Su et al., RoFormer, 2021 (pairs from the halves of a
        head). Blocks of queries and the floor of the distance are this package's.
    """

    search_space: ClassVar[Space] = {
        **{n: d for n, d in EpsilonAlphaLayer.search_space.items() if n != "alpha"},
        "normalize": Choice.of(*NORMS),
        "score_bias": Choice(SCORE_BIAS),
        # A softermax does not change with a factor of all scores.
        "normalization": Choice(
            {
                "softmax": Option("softmax", alpha=ALPHA),
                "softermax": Option("softermax", power=Float(0.5, 8.0, log=True, default=1.0)),
            },
            exclusive=("power",),
        ),
        "kernel_initializer": Choice.of("glorot_uniform", "he_normal", "orthogonal"),
    }

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Size | None = None,
        attention_axes: Size | None = None,
        sliding_window: int | None = None,
        flash_attention: Literal[False] | None = None,
        kernel_initializer: Identifier = "glorot_uniform",
        bias_initializer: Identifier = "zeros",
        kernel_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        normalization: Literal["softmax", "softermax"] = "softmax",
        power: float = 1,
        normalize: Literal["sphere"] | None = None,
        num_key_value_heads: int | None = None,
        rope_max_wavelength: float | None = None,
        num_global_tokens: int = 0,
        block_mask: Any = None,
        mask_block_size: int = 64,
        block_size: int | Literal["auto"] | None = "auto",
        score_bias: float | Sequence[float] | Literal["learned"] | None = None,
        score_bias_initializer: Identifier | None = None,
        epsilon: float | Sequence[float] = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = "learned",
        alpha_initializer: Identifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            num_heads=num_heads,
            key_dim=key_dim,
            alpha=alpha,
            alpha_initializer=alpha_initializer,
            value_dim=value_dim,
            dropout=dropout,
            use_bias=use_bias,
            output_shape=output_shape,
            attention_axes=attention_axes,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_gate=use_gate,
            seed=seed,
            num_key_value_heads=num_key_value_heads,
            rope_max_wavelength=rope_max_wavelength,
            num_global_tokens=num_global_tokens,
            block_mask=block_mask,
            mask_block_size=mask_block_size,
            block_size=block_size,
            score_bias=score_bias,
            score_bias_initializer=score_bias_initializer,
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            **kwargs,
        )
        normalization_of(normalization, power)
        self.normalization: str = normalization
        self.power: float = float(power)
        self.normalize: str | None = _validate.one_of("normalize", normalize, NORMS)

    @property
    def _default_alpha(self) -> float | None:
        # A softermax does not change with a factor of all scores.
        return 1.0 if self.normalization == "softmax" else None

    def _attend(self, heads: list[Any], cache: Any, **settings: Any) -> tuple[Any, Any]:
        query, key, value = heads
        found = yat_attention(
            query,
            key,
            value,
            score_bias=self._bias_of_scores(),
            normalize=self.normalize,
            normalization=self.normalization,
            power=self.power,
            **self._epsilon_and_alpha(),
            **settings,
        )
        return found, cache

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

    def _check_cache(self, cache: Any, start: Any, query: Any, key: Any) -> None:
        caches.check(cache, start, query, key, self._cached_shapes)

    def _with_cache(self, cache: Any, heads: list[Any], start: Any, key: Any) -> tuple[Any, Any]:
        heads[1:] = cache = caches.updated(cache, heads[1:], start)
        return cache, cache[0]
