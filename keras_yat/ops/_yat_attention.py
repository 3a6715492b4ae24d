"""Attention with Yat scores as a pure function."""

from __future__ import annotations

import functools
import math
from typing import Any

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.formula import YatFormula, on_sphere, sum_of_squares
from keras_yat._numerics.gradients import as_parameter
from keras_yat._numerics.products import half_floor, mantissa_bits, rounded
from keras_yat._register import register
from keras_yat._types import Tensor
from keras_yat.ops._attention_call import AttentionCall
from keras_yat.ops._score_normalization import Softermax, Softmax

NORMALIZATIONS = ("softmax", "softermax")
NORMS = (None, "sphere")


@register("yat_attention")
def yat_attention(
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
    scale: float | None = None,
    score_bias: float | Tensor | None = None,
    epsilon: float | Tensor = 1e-5,
    alpha: float | Tensor | None = None,
    normalize: str | None = None,
    normalization: str = "softmax",
    power: float = 1,
    dropout: float = 0.0,
    seed: Any = None,
    block_size: int | str | None = "auto",
    return_attention_scores: bool = False,
) -> Any:
    """Attention whose scores are Yat products: `alpha·scale·(⟨q, k⟩ + b)² / (‖q - k‖² + epsilon)`.

    A key has a large score when it points along the query and lies close to it. The scores of a
    query are normalized to weights of the keys; the output is the weighted sum of their values.
    Scores are computed in float32 or wider. A query without any allowed key gets zeros.

    With b = `score_bias` > 0 the kernel is universal: sums of it approximate any continuous
    function. With b = 0 it is 0 wherever a query or a key is 0.

    Sparse attention: a pair of positions is attended if it is in the window, if one of both is a
    global token, or if its block is in `block_mask`. Time and memory then grow with the number of
    such pairs, where the lengths are known, `block_size` is not None, and torch does not compile.

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
        sliding_window: None, or an int of at least 1: keys are masked at this distance in
            positions from the query and beyond, on either side.
        num_global_tokens: Number of first positions that attend to all positions, and to which
            all attend, whatever the window and `block_mask` are. Above 0 only with one of these.
        block_mask: None, or booleans `(query blocks, key blocks)`, an array: True where the
            queries of a block may attend to the keys of a block.
        mask_block_size: Number of positions in a block of `block_mask`. The last may be shorter.
        query_offset: Position of the first query among the keys, an int or a scalar
            tensor; for `is_causal` and the sparse patterns.
        scale: Constant factor of the scores; None for `1 / sqrt(size)`.
        score_bias: b: None for 0, or at least 0: a number, a scalar, or a value for each head
            `(heads,)`.
        epsilon: Above 0, in squared units of the input: a number, a scalar, or a value for each
            head `(heads,)`.
        alpha: Factor of the scores: None for 1, a number, or a scalar tensor.
        normalize: None, or `"sphere"` to divide queries and keys by their norms, so that the
            distance is `2 - 2·cos`. Vectors of zeros stay zero.
        normalization: Score normalization: `"softmax"`, or `"softermax"` for
            `s^power / (1e-12 + Σ s^power)`, without exponentials; a negative score counts as 0.
        power: Number above 0: the power of the softermax.
        dropout: Dropout rate of the weights, in [0, 1). Kept weights are divided by 1 - rate.
        seed: An int or a `keras.random.SeedGenerator`, for `dropout`.
        block_size: Number of queries in a block: an int, None for all of them, or `"auto"` for
            blocks of at most about 2¹⁸ scores per head. Memory is proportional to it, in the
            backward pass too; the result does not depend on it. In blocks, `is_causal` and sparse
            patterns skip most of the masked keys.
        return_attention_scores: Whether to return the weights before `dropout` as well. All
            queries are then in a single block.

    Returns:
        A tensor of shape `(batch, length, heads, value_size)` in the dtype of the query;
        with `return_attention_scores` a pair of it and the weights, of shape
        `(batch, heads, length, keys)`.

    Raises:
        ValueError: If shapes do not match, a number is out of range, or a name is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2, 8)).astype("float32")
    >>> keras_yat.ops.yat_attention(x, x, x, is_causal=True).shape == (1, 5, 2, 8)
    True

    Reference:
        Scores: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024;
        arXiv:2605.03262 and arXiv:2603.12276. A. Vaswani et al., Attention Is All You Need, 2017;
        J. Ainslie et al., GQA, 2023. The floor of the distance is this package's: see
        `keras_yat.ops.yat_product`.
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
    normalized = normalization_of(normalization, power)
    _validate.one_of("normalize", normalize, NORMS)
    size = call.query.shape[-1]
    scale = 1.0 / math.sqrt(size) if scale is None else _validate.number("scale", scale)
    if not hasattr(alpha, "shape"):
        alpha = 1.0 if alpha is None else _validate.number("alpha", alpha)
    bits = mantissa_bits("matmul", call.query, call.precision)
    formula = functools.partial(
        _formula,
        0.0 if score_bias is None else call.of_heads("score_bias", score_bias, least=0.0),
        scale * as_parameter(alpha),
        call.of_heads("epsilon", epsilon, above=0.0),
        # Products are not rounded to bfloat16; gradients must stay in the range of float16.
        half_floor(call.dtype if call.dtype == "float16" else call.precision, bits, size),
    )
    query, key = call.query, call.key
    if normalize == "sphere":
        query, key = on_sphere(query, -1), on_sphere(key, -1)
    query, key = (call.in_heads(rounded(x, bits)) for x in (query, key))
    return call.attend(query, key, formula, normalized)


def _formula(bias, alpha, epsilon, floor, key):
    square = ops.swapaxes(sum_of_squares(key, -1), -1, -2)
    return YatFormula(square, bias, alpha, epsilon, floor=floor, limit=None)


def normalization_of(name: str, power: float) -> Any:
    """The score normalization of the arguments `normalization` and `power`."""
    power = _validate.number("power", power, above=0.0)
    _validate.one_of("normalization", name, NORMALIZATIONS)
    if name == "softmax" and power != 1.0:
        _validate.invalid_argument("power", "be 1 where `normalization` is 'softmax'", power)
    return Softmax() if name == "softmax" else Softermax(power)
