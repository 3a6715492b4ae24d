"""Multi-head attention in linear time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

from keras import ops

from keras_yat import _validate
from keras_yat._register import register
from keras_yat._sizes import all_fit, fits, is_known
from keras_yat._space import Choice, Flag, Float, Space
from keras_yat._types import Identifier, LayerOptions, Size
from keras_yat.layers._base_attention import BaseYatAttention
from keras_yat.layers._score_layer import SCORE_BIAS
from keras_yat.ops import yat_linear_attention

_OF_PAIRS = (
    *("dropout", "return_attention_scores", "sliding_window", "num_global_tokens", "block_mask"),
)
"""Settings that need the scores of all pairs."""


@register()
class YatLinearAttention(BaseYatAttention):
    """Attention with the scores `(c₀ + c₁·cos(q, k))²`, in time linear in the length.

    The scores are near to Yat products on the sphere, `(cos + b)² / (2 + epsilon - 2·cos)` with b =
    `score_bias`: c₀ + c₁·s is nearest to the root of the Yat product, in the mean over vectors that
    are uniform on the sphere. Weights are scores divided by their sum. It replaces
    `YatMultiHeadAttention(normalize="sphere", normalization="softermax")`, with the same arguments,
    projections and masks; these two arguments, `power` and `alpha` are there so that
    a configuration of one layer builds the other.

    Scores are exact inner products of (key_dim + 1)·(key_dim + 2)/2 features, without random
    numbers, and never negative. Time and memory grow linearly with the length. Decoding needs a
    state of constant size in place of a cache of all positions: see `make_cache`.

    The affine fit is good for large b and epsilon: for a key_dim of 64, b = 1 and epsilon = 1 the
    cosine of its output and that of exact attention is above 0.99 for random vectors. It fails for
    a small epsilon, where exact attention selects the few nearest keys. Exact attention is faster
    for sequences of fewer positions than features.

    The scores of all pairs are computed, in quadratic time, with an `attention_mask` of both
    positions, a sparse pattern, returned scores, and `dropout` in training.

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
        normalization: Must be `"softermax"`.
        power: Must be 1.
        normalize: Must be `"sphere"`.
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
        alpha: A factor of the scores has no effect: their sum is 1.
        alpha_initializer: Initializer of a learned alpha, or None.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        query: Floats of shape `(batch, length, dim)`.
        value: Floats of shape `(batch, keys, dim)`.
        key: Floats of shape `(batch, keys, dim)`, or None for `value`.
        query_mask: None, or booleans `(batch, length)`: False for masked queries.
        value_mask: None, or booleans `(batch, keys)`: False for masked keys.
        key_mask: As `value_mask`; a key is masked if either is False.
        attention_mask: None, or booleans that broadcast to `(batch, length, keys)` or
            `(batch, num_heads, length, keys)`: True where a query may attend to a key. If it
            depends on both positions, the scores of all pairs are computed.
        return_attention_scores: Whether to return the weights as well, for which the scores of all
            pairs are computed.
        training: Whether dropout applies.
        use_causal_mask: Whether keys at later positions than the query are masked.
        cache: None, or the cache that `make_cache` or the previous call returned: a state of
            constant size. The keys and values of this call are added to it, and each query attends
            to the positions up to its own. Not with `value_mask`, `key_mask` or `attention_mask`.
        cache_update_index: Position of the first query, an int or a scalar tensor, for rotary
            embedding.

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
    >>> layer = keras_yat.YatLinearAttention(4, 8)
    >>> layer(x, x, use_causal_mask=True).shape == (2, 7, 16)
    True

    Token by token, with the same result:

    >>> cache = layer.make_cache(batch_size=2)
    >>> for i in range(7):
    ...     token = x[:, i : i + 1]
    ...     y, cache = layer(token, token, cache=cache, cache_update_index=i)

    Reference:
        The kernel: arXiv:2605.03262. Linear attention: A. Katharopoulos et al., Transformers are
        RNNs, ICML 2020. The fitted square and its features are this package's: see
        `keras_yat.ops.yat_linear_attention`.
    """

    search_space: ClassVar[Space] = {
        "epsilon": Float(0.1, 10.0, log=True, default=1.0),
        "learn_epsilon": Flag(),
        "score_bias": Choice({n: SCORE_BIAS[n] for n in ("constant", "learned")}),
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
        normalization: Literal["softermax"] = "softermax",
        power: Literal[1] = 1,
        normalize: Literal["sphere"] = "sphere",
        num_key_value_heads: int | None = None,
        rope_max_wavelength: float | None = None,
        num_global_tokens: int = 0,
        block_mask: Any = None,
        mask_block_size: int = 64,
        block_size: int | Literal["auto"] | None = "auto",
        score_bias: float | Sequence[float] | Literal["learned"] | None = 1.0,
        score_bias_initializer: Identifier | None = None,
        epsilon: float | Sequence[float] = 1.0,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = None,
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
        self.normalization: str = _validate.one_of("normalization", normalization, ["softermax"])
        self.power: float = float(_validate.one_of("power", power, [1]))
        self.normalize: str | None = _validate.one_of("normalize", normalize, ["sphere"])

    @property
    def _default_alpha(self) -> float | None:
        return None

    def _attend(self, heads: list[Any], cache: Any, **settings: Any) -> tuple[Any, Any]:
        bias = self._bias_of_scores()
        settings |= {
            "epsilon": self._epsilon_and_alpha()["epsilon"],
            "score_bias": 0.0 if bias is None else bias,
        }
        if cache is None:
            return yat_linear_attention(*heads, **settings), None
        for name in _OF_PAIRS:
            if settings[name] not in (None, 0, False):
                _validate.invalid_argument(name, "be 0, False or None with a `cache`", "given")
        if settings["mask"] is not None:
            shape = tuple(settings["mask"].shape)
            _validate.invalid_argument("attention_mask", "be None with a `cache`", shape)
        # The state has no positions: its keys are those before the queries.
        settings |= {"query_offset": 0, "state": cache[0]}
        output, state = yat_linear_attention(*heads, **settings)
        return output, (state,)

    def make_cache(self, batch_size: int, length: int | None = None) -> tuple[Any]:
        """The cache before the first position: a state of constant size.

        Args:
            batch_size: Number of sequences.
            length: Not used: there is no maximal number of positions.

        Returns:
            A tuple of one tensor of zeros, of the shape `(batch_size, num_key_value_heads,
            (key_dim + 1)·(key_dim + 2)/2, value_dim + 1)`.
        """
        shape = self._state_shape(_validate.count("batch_size", batch_size))
        return (ops.zeros(shape, dtype=self._scale_dtype),)

    def _check_cache(self, cache: Any, start: Any, query: Any, key: Any) -> None:
        wanted = self._state_shape(query.shape[0])
        found = [tuple(x.shape) for x in cache] if isinstance(cache, (tuple, list)) else []
        if len(found) != 1 or len(found[0]) != 4 or not all_fit(found[0], wanted):
            _validate.invalid_argument(
                "cache",
                f"be a tuple of a state of the shape {wanted}, as `make_cache` returns it",
                found or type(cache).__name__,
            )
        if len(query.shape) != 3 or not fits(query.shape[1], key.shape[1]):
            _validate.invalid_argument(
                "cache",
                "be None for inputs of other than three axes, and for more or fewer keys than "
                "queries",
                found,
                query=tuple(query.shape),
                key=tuple(key.shape),
            )
        if is_known(start) and start < 0:
            _validate.invalid_argument("cache_update_index", "be at least 0", start)

    def _state_shape(self, batch):
        entries = self.key_dim + 1
        features = entries * (entries + 1) // 2
        return (batch, self.num_key_value_heads, features, self.value_dim + 1)

    def _with_cache(self, cache: Any, heads: list[Any], start: Any, key: Any) -> tuple[Any, Any]:
        return cache, key
