"""Yat attention as a pure function."""

import math
import numbers
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._formula import UNITS, largest, sum_of_squares, unit_norm, wide
from keras_yat._gradient import as_parameter, as_tensor
from keras_yat._register import register
from keras_yat.ops._attend import Attention
from keras_yat.ops._masks import Masks, fits, masks_of, position
from keras_yat.ops._weights import Softermax, Softmax

NORMALIZATIONS = ("softmax", "softermax")
NORMS = (None, "sphere")
LONG = 2**18
"""How many scores of a head there are at most in a block of `block_size="auto"`."""


@register("yat_attention")
def yat_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    *,
    query_mask: Any = None,
    key_mask: Any = None,
    is_causal: bool = False,
    sliding_window: int | None = None,
    query_offset: Any = 0,
    scale: float | None = None,
    epsilon: Any = 1e-5,
    alpha: Any = None,
    normalize: str | None = None,
    normalization: str = "softmax",
    power: float = 1,
    dropout: float = 0.0,
    seed: Any = None,
    block_size: int | str | None = "auto",
    return_attention_scores: bool = False,
) -> Any:
    """Attention whose scores are Yat products: `alpha·scale·⟨q, k⟩² / (‖q - k‖² + epsilon)`.

    A key counts the more the better it is aligned with the query and the nearer it is.
    The scores of a query are turned into weights of the keys, and the result is the
    weighted sum of their values. Scores are computed in float32 or wider. A query that
    may attend to nothing gets zeros.

    Args:
        query: Tensor of shape `(batch, length, heads, size)`.
        key: Tensor of shape `(batch, keys, key_heads, size)`. `key_heads` divides `heads`:
            so many query heads in turn share each key head (grouped-query attention).
        value: Tensor of shape `(batch, keys, key_heads, value_size)`.
        mask: None, or booleans that broadcast to `(batch, heads, length, keys)`, True
            where a query may attend to a key.
        query_mask: None, or booleans `(batch, length)`: False for queries that attend to
            nothing.
        key_mask: None, or booleans `(batch, keys)`: False for keys that nothing attends
            to.
        is_causal: Whether a query attends to no key at a later position.
        sliding_window: None, or an int of at least 1: only to keys at fewer positions
            than that from its own, on either side.
        query_offset: Position of the first query among the keys, an int or a scalar
            tensor; for `is_causal` and `sliding_window`.
        scale: Constant factor of the scores; None for `1 / sqrt(size)`.
        epsilon: Number or scalar tensor above 0, in squared units of the input.
        alpha: Factor of the scores: None for 1, a number, or a scalar tensor.
        normalize: None, or `"sphere"` for queries and keys divided by their norms, the
            distance then being `2 - 2·cos`. What is 0 stays 0.
        normalization: From scores to weights: `"softmax"`, or `"softermax"` for
            `s^power / (1e-12 + Σ s^power)`, which has no exponential, and in which a
            negative score counts as 0.
        power: Number above 0, of the softermax.
        dropout: Rate in [0, 1) at which weights are dropped, the rest divided by
            1 - rate.
        seed: An int or a `keras.random.SeedGenerator`, for `dropout`.
        block_size: How many queries are taken at a time: an int, None for all of them,
            or `"auto"` for blocks of about 2¹⁸ scores a head where there are more. Memory is
            proportional to it, in the backward pass too; the result does not depend on it.
            In blocks `is_causal` and `sliding_window` leave out most keys that are masked.
        return_attention_scores: Whether the weights are given too, as they are before
            `dropout`; then all queries are taken at once.

    Returns:
        A tensor of shape `(batch, length, heads, value_size)` in the dtype of the query;
        with `return_attention_scores` a pair of it and the weights, of shape
        `(batch, heads, length, keys)`.

    Raises:
        ValueError: for shapes that do not fit, numbers out of range, or unknown names.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(1, 5, 2, 8)).astype("float32")
    >>> keras_yat.ops.yat_attention(x, x, x, is_causal=True).shape == (1, 5, 2, 8)
    True

    Reference:
        The attention of the Yat networks; A. Vaswani et al., Attention Is All You Need,
        2017, for the rest, and J. Ainslie et al., GQA, 2023, for shared key heads.
        The floor of the distance is this package's: see `keras_yat.ops.yat_product`.
    """
    query, key, value = as_tensor(query), as_tensor(key), as_tensor(value)
    _check_shapes(query, key, value)
    is_causal = _validate.flag("is_causal", is_causal)
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
    attention = Attention(
        normalized,
        # Its products are not rounded to bfloat16; the range of float16 is that of gradients.
        UNITS[dtype if dtype == "float16" else wide(query)],
        Masks(masks, is_causal, sliding_window, query_offset),
        block,
        rate,
        _state(seed) if rate else None,
    )
    precision = wide(query)
    query, key = (
        _in_heads(_on_sphere(ops.cast(x, precision), normalize), heads) for x in (query, key)
    )
    value = _in_heads(ops.cast(value, dtype), heads)
    if not return_attention_scores:
        return _out_of_heads(attention(query, key, value, alpha, epsilon), heads * group)
    weights = attention.weights(query, key, alpha, epsilon)
    left = weights * attention.kept(weights, attention.seed, query_offset) if rate else weights
    output = _out_of_heads(ops.cast(left, dtype) @ value, heads * group)
    shape = ops.shape(weights)
    weights = ops.reshape(weights, (shape[0], heads * group, *shape[3:]))
    return output, ops.cast(weights, dtype)


def _check_shapes(query, key, value):
    shapes = {"query": query.shape, "key": key.shape, "value": value.shape}
    for name, shape in shapes.items():
        if len(shape) != 4:
            _validate.refuse(name, "have four axes: batch, length, heads, size", tuple(shape))
    shapes = {name: tuple(shape) for name, shape in shapes.items()}
    (batch, _, heads, size), keys, values = shapes.values()
    if keys[3] != size or not fits(keys[0], batch) or heads % keys[2]:
        _validate.refuse(
            "key",
            "have the batch and size of the query, and a number of heads that divides the query's",
            keys,
            query=shapes["query"],
        )
    if not all(map(fits, values[:3], keys[:3])):
        _validate.refuse("value", "have the batch, length and heads of the key", values, key=keys)


def normalization_of(name: str, power: float) -> Any:
    """What `normalization` and `power` make of scores."""
    power = _validate.number("power", power, above=0.0)
    _validate.one_of("normalization", name, NORMALIZATIONS)
    if name == "softmax" and power != 1.0:
        _validate.refuse("power", "be 1 where `normalization` is 'softmax'", power)
    return Softmax() if name == "softmax" else Softermax(power)


def block_of(size: Any, queries: int | None, keys: int | None) -> int | None:
    """How many queries `block_size` takes at a time; None for all."""
    if size is None:
        return None
    if size == "auto":
        if queries is None or keys is None or queries * keys <= LONG:
            return None
        return max(16, LONG // keys)
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        _validate.refuse("block_size", "be an int of at least 1, None or 'auto'", size)
    return int(size)


def _on_sphere(x, normalize):
    if normalize is None:
        return x
    # The squares of very large or small entries might over- or underflow.
    x = x / largest(x, -1)
    return x * unit_norm(sum_of_squares(x, -1))[0]


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
    """The state that a random generator would have next."""
    if isinstance(seed, keras.random.SeedGenerator):
        return seed.next()
    if seed is None:
        _validate.refuse("seed", "be an int or a SeedGenerator where `dropout` is above 0", seed)
    seed = _validate.seed("seed", seed)
    dtype = "uint32" if keras.backend.backend() == "jax" else "int32"
    return ops.convert_to_tensor([seed & 0x7FFFFFFF, 0], dtype=dtype)
