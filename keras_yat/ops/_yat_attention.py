"""Attention with Yat scores as a pure function."""

from __future__ import annotations

import math
import numbers
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.attention import Attention
from keras_yat._numerics.attention_masks import AttentionMasks, masks_of, position
from keras_yat._numerics.formula import on_sphere
from keras_yat._numerics.gradients import as_parameter, as_tensor, at_least_float32
from keras_yat._numerics.products import half_floor, mantissa_bits, rounded
from keras_yat._register import register
from keras_yat._sizes import all_fit, fits, is_known
from keras_yat._types import Tensor
from keras_yat.ops._score_normalization import Softermax, Softmax

NORMALIZATIONS = ("softmax", "softermax")
NORMS = (None, "sphere")
LONG = 2**18
"""Largest number of scores of a head in a block of `block_size="auto"`."""


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
    query_offset: int | Tensor = 0,
    scale: float | None = None,
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
    """Attention whose scores are Yat products: `alpha·scale·⟨q, k⟩² / (‖q - k‖² + epsilon)`.

    A key has a large score when it points along the query and lies close to it. The scores of a
    query are normalized to weights of the keys; the output is the weighted sum of their values.
    Scores are computed in float32 or wider. A query without any allowed key gets zeros.

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
        query_offset: Position of the first query among the keys, an int or a scalar
            tensor; for `is_causal` and `sliding_window`.
        scale: Constant factor of the scores; None for `1 / sqrt(size)`.
        epsilon: Number or scalar tensor above 0, in squared units of the input.
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
            backward pass too; the result does not depend on it. In blocks, `is_causal` and
            `sliding_window` skip most of the masked keys.
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
    query, key, value = as_tensor(query), as_tensor(key), as_tensor(value)
    _check_shapes(query, key, value)
    is_causal = _validate.call_flag("is_causal", is_causal)
    return_attention_scores = _validate.call_flag(
        "return_attention_scores", return_attention_scores
    )
    if sliding_window is not None:
        sliding_window = _validate.count("sliding_window", sliding_window)
    query_offset = position("query_offset", query_offset)
    size, dtype = query.shape[-1], keras.backend.standardize_dtype(query.dtype)
    scale = 1.0 / math.sqrt(size) if scale is None else _validate.number("scale", scale)
    rate = _validate.rate("dropout", dropout)
    normalized = normalization_of(normalization, power)
    _validate.one_of("normalize", normalize, NORMS)
    if isinstance(epsilon, numbers.Real) or not hasattr(epsilon, "shape"):
        epsilon = _validate.number("epsilon", epsilon, above=0.0)
    if not hasattr(alpha, "shape"):
        alpha = 1.0 if alpha is None else _validate.number("alpha", alpha)
    epsilon, alpha = as_parameter(epsilon), scale * as_parameter(alpha)
    block = None if return_attention_scores else block_of(block_size, query.shape[1], key.shape[1])
    heads = key.shape[2]
    group = query.shape[2] // heads
    masks = masks_of(mask, query_mask, key_mask, query, key)
    precision = at_least_float32(query)
    bits = mantissa_bits("matmul", query, precision)
    attention = Attention(
        normalized,
        # Products are not rounded to bfloat16; gradients must stay in the range of float16.
        half_floor(dtype if dtype == "float16" else precision, bits, size),
        AttentionMasks(masks, is_causal, sliding_window, query_offset),
        block,
        rate,
        _state(seed) if rate else None,
    )
    query, key = (ops.cast(x, precision) for x in (query, key))
    if normalize == "sphere":
        query, key = on_sphere(query, -1), on_sphere(key, -1)
    query, key = (_in_heads(rounded(x, bits), heads) for x in (query, key))
    value = _in_heads(ops.cast(value, dtype), heads)
    if not return_attention_scores:
        return _out_of_heads(attention(query, key, value, alpha, epsilon), heads * group)
    weights = attention.weights(query, key, alpha, epsilon)
    dropped = weights
    if rate:
        dropped = weights * attention.dropout_mask(weights, attention.seed, query_offset)
    output = _out_of_heads(ops.cast(dropped, dtype) @ value, heads * group)
    shape = ops.shape(weights)
    weights = ops.reshape(weights, (shape[0], heads * group, *shape[3:]))
    return output, ops.cast(weights, dtype)


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


def normalization_of(name: str, power: float) -> Any:
    """The score normalization of the arguments `normalization` and `power`."""
    power = _validate.number("power", power, above=0.0)
    _validate.one_of("normalization", name, NORMALIZATIONS)
    if name == "softmax" and power != 1.0:
        _validate.invalid_argument("power", "be 1 where `normalization` is 'softmax'", power)
    return Softmax() if name == "softmax" else Softermax(power)


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


def _in_heads(x, key_heads):
    """From `(batch, length, heads, size)` to the five axes of `Attention`."""
    batch, length, heads, size = ops.shape(x)
    x = ops.reshape(x, (batch, length, key_heads, heads // key_heads, size))
    return ops.transpose(x, (0, 2, 3, 1, 4))


def _out_of_heads(x, heads):
    x = ops.transpose(x, (0, 3, 1, 2, 4))
    batch, length, _, _, size = ops.shape(x)
    return ops.reshape(x, (batch, length, heads, size))


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
