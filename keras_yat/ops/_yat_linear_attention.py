"""Attention with scores near to Yat products, in time linear in the length."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.formula import on_sphere
from keras_yat._numerics.linear_attention import (
    LinearAttention,
    SquaredProduct,
    affine_root,
    running_sum,
)
from keras_yat._register import register
from keras_yat._sizes import all_fit, fits, is_known, is_one
from keras_yat._types import Tensor
from keras_yat.ops._attention_call import AttentionCall
from keras_yat.ops._score_normalization import SMALLEST_SUM, Softermax

FLOOR = 1e-4
"""The least score over the largest. Sums of features are exact to about 1e-7 of the largest."""

BLOCK = 256
"""Number of positions in a block of `block_size="auto"`."""


@register("yat_linear_attention")
def yat_linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    query_mask: Tensor | None = None,
    key_mask: Tensor | None = None,
    is_causal: bool = False,
    sliding_window: int | None = None,
    num_global_tokens: int = 0,
    block_mask: Any = None,
    mask_block_size: int = 64,
    query_offset: int | Tensor = 0,
    score_bias: float | Tensor = 1.0,
    epsilon: float | Tensor = 1.0,
    dropout: float = 0.0,
    seed: Any = None,
    block_size: int | str | None = "auto",
    return_attention_scores: bool = False,
    state: Tensor | None = None,
) -> Any:
    """Attention with the scores `(c₀ + c₁·s)²`, near to `(s + b)² / (2 + epsilon - 2s)`.

    A ten-thousandth of the largest score is added, so that rounding errors of the sums stay small
    for a query whose scores are all near 0.

    s is the cosine of query and key, and the second formula the Yat product of the two on the
    sphere, with the bias b. c₀ and c₁ are at least 0 and follow from b and epsilon: they are those
    for which c₀ + c₁·s is nearest to the root of the Yat product, in the mean over vectors that are
    uniform on the sphere. The weights of a query are its scores, divided by their sum.

    The scores are inner products of (size + 1)·(size + 2)/2 features of query and key: exactly,
    without random numbers, and they are never negative. The sum over the keys is taken once for all
    queries. Time and memory grow linearly with the length, instead of with its square. Without
    `is_causal` the features of a block of positions exist at a time; with it, the sums over earlier
    blocks are carried along, and scores are computed within a block.

    It is a good replacement of `yat_attention(normalize="sphere", normalization="softermax")` for
    large b and epsilon. With a size of 64, b = 1 and epsilon = 1 the cosine of both outputs is
    above 0.99 for random vectors. It fails for a small epsilon: the score then has a narrow peak at
    s = 1, by which exact attention selects single keys, and an affine function has none. It costs
    more than exact attention for sequences that are shorter than the number of features.

    The scores of all pairs are computed where the result depends on each of them: with a `mask` of
    both positions, a sparse pattern, a `query_offset`, `dropout`, or `return_attention_scores`.
    Time then grows with the square of the length.

    Args:
        query: Tensor of shape `(batch, length, heads, size)`.
        key: Tensor of shape `(batch, keys, key_heads, size)`. `key_heads` divides `heads`:
            consecutive query heads share a key head (grouped-query attention).
        value: Tensor of shape `(batch, keys, key_heads, value_size)`.
        mask: None, or booleans that broadcast to `(batch, heads, length, keys)`: True
            where a query may attend to a key.
        query_mask: None, or booleans `(batch, length)`: False for masked queries.
        key_mask: None, or booleans `(batch, keys)`: False for masked keys.
        is_causal: Whether keys at later positions than the query are masked.
        sliding_window: As in `yat_attention`.
        num_global_tokens: As in `yat_attention`.
        block_mask: As in `yat_attention`.
        mask_block_size: As in `yat_attention`.
        query_offset: Position of the first query among the keys, an int or a scalar tensor.
        score_bias: b, at least 0: a number, a scalar, or a value for each head `(heads,)`.
        epsilon: Above 0: a number, a scalar, or a value for each head `(heads,)`.
        dropout: Dropout rate of the weights, in [0, 1). Kept weights are divided by 1 - rate.
        seed: An int or a `keras.random.SeedGenerator`, for `dropout`.
        block_size: Number of positions in a block: an int, None for all of them, or `"auto"` for
            256. The result does not depend on it.
        return_attention_scores: Whether to return the weights before `dropout` as well.
        state: None, or the state after all earlier positions, for decoding: zeros of the shape
            `(batch, key_heads, (size + 1)·(size + 2)/2, value_size + 1)` before the first one. The
            call is then causal, and the next state is returned too.

    Returns:
        A tensor of shape `(batch, length, heads, value_size)` in the dtype of the query. With
        `return_attention_scores` a pair of it and the weights, `(batch, heads, length, keys)`; with
        a `state` a pair of it and the next state.

    Raises:
        ValueError: If shapes do not match, a number is out of range, or a `state` is given with an
            argument that needs the scores of all pairs.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2, 8)).astype("float32")
    >>> keras_yat.ops.yat_linear_attention(x, x, x, is_causal=True).shape == (1, 5, 2, 8)
    True

    Reference:
        The kernel: arXiv:2605.03262. Linear attention: A. Katharopoulos et al., Transformers are
        RNNs, ICML 2020. The fitted square and its features are this package's.
    """
    call = AttentionCall(
        query,
        key,
        value,
        mask,
        query_mask=query_mask,
        key_mask=key_mask,
        is_causal=is_causal,
        sliding_window=sliding_window,
        num_global_tokens=num_global_tokens,
        block_mask=block_mask,
        mask_block_size=mask_block_size,
        query_offset=query_offset,
        dropout=dropout,
        seed=seed,
        block_size=block_size,
        return_attention_scores=return_attention_scores,
    )
    size = call.query.shape[-1]
    first, second = affine_root(
        call.of_heads("score_bias", score_bias, least=0.0),
        call.of_heads("epsilon", epsilon, above=0.0),
        size,
    )
    query, key = (call.in_heads(on_sphere(x, -1)) for x in (call.query, call.key))
    floor = FLOOR * (first + second) ** 2
    # The inner product of both is c₀ + c₁·s.
    query = ops.concatenate([first * ops.ones_like(query[..., :1]), second * query], axis=-1)
    key = ops.concatenate([ops.ones_like(key[..., :1]), key], axis=-1)
    apart = _separated(call.masks.tensors)
    if apart is None or _needs_scores(call):
        if state is not None:
            _validate.invalid_argument(
                "state",
                "be None with `dropout`, `query_offset`, `return_attention_scores`, a sparse "
                "pattern, or a `mask` of both positions",
                tuple(state.shape),
            )
        return call.attend(query, key, lambda key: SquaredProduct(floor), Softermax(1.0))
    block = BLOCK if block_size == "auto" else call.block
    of_queries, of_keys = apart
    return _linear(call, query, key, floor, of_queries, of_keys, block, state)


def _needs_scores(call):
    masks = call.masks
    offset = not is_known(masks.offset) or masks.offset != 0
    return call.return_scores or call.rate or masks.pattern is not None or offset


def _separated(masks):
    """Masks of queries and of keys; None if there is one of both positions, or of query heads."""
    of_queries, of_keys = [], []
    for mask in masks:
        if is_one(mask.shape[4]):
            of_queries.append(mask)
        elif is_one(mask.shape[3]) and is_one(mask.shape[2]):
            of_keys.append(ops.swapaxes(mask, 3, 4))
        else:
            return None
    return of_queries, of_keys


def _linear(
    call: AttentionCall,
    query: Any,
    key: Any,
    floor: Any,
    of_queries: Any,
    of_keys: Any,
    block: Any,
    state: Any,
) -> Any:
    value = ops.cast(call.in_heads(call.value), call.precision)
    value = ops.concatenate([value, ops.ones_like(value[..., :1])], axis=-1)
    for mask in of_keys:
        value = ops.where(mask, value, ops.zeros_like(value))
    causal = call.masks.causal or state is not None
    if state is not None:
        _check_state(state, query, key, value)
    if causal:
        key, value = (_of_length(x, query) for x in (key, value))
    attention = LinearAttention(causal, block)
    if state is None:
        found, before = attention.sums(query, key, value), None
    else:
        before = ops.cast(state, call.precision)
        state, found = attention.next_sums(before, query, key, value)
    found = found + floor * running_sum(value, causal, before)
    output = found[..., :-1] / (SMALLEST_SUM + found[..., -1:])
    for mask in of_queries:
        output = ops.where(mask, output, ops.zeros_like(output))
    output = call.out_of_heads(output)
    return output if state is None else (output, state)


def _of_length(x, query):
    """`x` with as many positions as the query: what is behind is 0, or left out."""
    count, wanted = ops.shape(x)[3], ops.shape(query)[3]
    if not is_known(count, wanted) or count < wanted:
        shape = ops.shape(x)
        behind = ops.zeros((*shape[:3], wanted, shape[4]), dtype=x.dtype)
        x = ops.concatenate([x, behind], axis=3)
    return x[:, :, :, :wanted]


def _check_state(state, query, key, value):
    entries, columns = key.shape[-1], value.shape[-1]
    wanted = (key.shape[0], key.shape[1], entries * (entries + 1) // 2, columns)
    found = tuple(state.shape)
    if len(found) != 4 or not all_fit(found, wanted):
        _validate.invalid_argument("state", f"have the shape {wanted}", found)
    if not fits(query.shape[3], key.shape[3]):
        _validate.invalid_argument(
            "key",
            "have as many positions as the query where there is a `state`",
            key.shape[3],
            queries=query.shape[3],
        )
