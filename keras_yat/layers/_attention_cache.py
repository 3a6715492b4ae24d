"""The cache of keys and values for decoding with attention."""

from typing import Any

from keras import ops

from keras_yat import _validate
from keras_yat._sizes import all_fit, fits, is_known


def empty(batch_size: int, length: int, shapes: Any, dtype: str) -> tuple[Any, Any]:
    """Keys and values, zeros of shape `(batch_size, length, heads, size)`.

    `shapes` are the shapes of keys and of values at a position.
    """
    keys, values = (ops.zeros((batch_size, length, *shape), dtype) for shape in shapes)
    return keys, values


def check(cache: Any, index: Any, query: Any, key: Any, shapes: Any) -> None:
    """Raises unless it is a cache of `shapes` with room for queries and keys at `index`."""
    if len(query.shape) != 3:
        _validate.invalid_argument(
            "cache", "be None for an input of this rank", type(cache).__name__
        )
    found = [tuple(x.shape) for x in cache] if isinstance(cache, (tuple, list)) else []
    if [shape[2:] for shape in found] != list(shapes) or not all_fit(found[0][:2], found[1][:2]):
        keys, values = (f"(batch, length, {heads}, {size})" for heads, size in shapes)
        _validate.invalid_argument(
            "cache",
            f"be a pair {keys}, {values}, as `make_cache` returns it",
            found or type(cache).__name__,
        )
    (batch, length), queries, keys = found[0][:2], query.shape[1], key.shape[1]
    if not fits(batch, query.shape[0]):
        _validate.invalid_argument(
            "cache", "have the batch of the query", found, query=tuple(query.shape)
        )
    if not is_known(index, length, queries, keys):
        return
    if not 0 <= index <= length - max(queries, keys):
        _validate.invalid_argument(
            "cache_update_index",
            "leave room for all queries and keys in the cache",
            index,
            queries=queries,
            keys=keys,
            length=length,
        )


def check_masks(**masks: Any) -> None:
    """Raises for masks of this call's keys, which do not cover those before."""
    for name, mask in masks.items():
        if mask is not None:
            _validate.invalid_argument(
                name,
                "be None with a `cache`, which `attention_mask` masks (the mask of an embedding "
                "with `mask_zero` counts too)",
                tuple(mask.shape),
            )


def updated(cache: Any, heads: Any, index: Any) -> tuple[Any, Any]:
    """The cache, with the keys and values `heads` written from `index` on."""
    keys, values = (
        ops.slice_update(old, (0, index, 0, 0), ops.cast(new, old.dtype))
        for old, new in zip(cache, heads, strict=True)
    )
    return keys, values
