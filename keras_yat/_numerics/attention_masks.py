"""Which query may attend to which key."""

import functools
import numbers
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.sparse_pattern import SparsePattern
from keras_yat._sizes import all_fit, fits, is_one, positions


@dataclass(frozen=True)
class AttentionMasks:
    """Which query may attend to which key.

    Attributes:
        tensors: Booleans of five axes that broadcast to the scores.
        causal: Whether keys at later positions are masked.
        pattern: A sparse pattern of positions, or None.
        offset: The position of the first query; the first key is at 0.
        places: None, or the positions of queries and keys, which are then not consecutive.
    """

    tensors: Sequence[Any] = ()
    causal: bool = False
    pattern: SparsePattern | None = None
    offset: Any = 0
    places: tuple[Any, Any] | None = None

    def within(self, queries: Any, keys: Any) -> "AttentionMasks":
        """The masks without a pattern that allows all pairs."""
        if self.pattern is None or not self.pattern.covers(queries, keys, self.offset):
            return self
        return replace(self, pattern=None)

    def constants(self, queries: int) -> list[Any]:
        """The positions of the queries, those of the keys if given, and the tensors."""
        if self.places is not None:
            return [*self.places, *self.tensors]
        rows = positions(queries) + self.offset
        return [ops.reshape(rows, (1, 1, 1, -1, 1)), *self.tensors]

    def cut(self, rows: slice, keys: slice) -> "AttentionMasks":
        """The masks of a part of the queries and a part of the keys, without a pattern."""

        def part(x):
            for axis, some in ((3, rows), (4, keys)):
                if not is_one(x.shape[axis]):
                    x = x[(*[slice(None)] * axis, some)]
            return x

        start = self.offset + rows.start - keys.start
        return replace(self, tensors=[part(x) for x in self.tensors], offset=start)

    def allowed(self, constants: Sequence[Any], keys: int) -> Any:
        """Booleans for the queries of `constants`; None if every key is allowed."""
        rows, *parts = constants
        columns = positions(keys) if self.places is None else parts.pop(0)
        if self.causal:
            parts.append(columns <= rows)
        if self.pattern is not None:
            parts.append(self.pattern.allows(rows, columns))
        return functools.reduce(ops.logical_and, parts) if parts else None


def position(name: str, value: Any) -> Any:
    """The argument `name` as a position: an int or a scalar tensor."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    dtype = keras.backend.standardize_dtype(value.dtype) if hasattr(value, "dtype") else ""
    if "int" not in dtype or len(value.shape):
        _validate.invalid_argument(name, "be an int or a scalar tensor of ints", value)
    # TensorFlow requires the same dtype for all indices.
    return ops.cast(value, "int32")


def masks_of(mask: Any, query_mask: Any, key_mask: Any, query: Any, key: Any) -> list[Any]:
    """The masks as booleans of five axes that broadcast to the scores."""
    of_query, of_key = tuple(query.shape), tuple(key.shape)
    found = []
    if query_mask is not None:
        found.append(_positions_mask("query_mask", query_mask, of_query, (1, 2, 4)))
    if key_mask is not None:
        found.append(_positions_mask("key_mask", key_mask, of_key, (1, 2, 3)))
    if mask is not None:
        found.append(_pairs_mask(mask, of_query, of_key))
    return found


def _positions_mask(name, mask, shape, axes):
    mask = ops.cast(mask, "bool")
    if len(mask.shape) != 2 or not all_fit(mask.shape, shape):
        _validate.invalid_argument(name, f"have the shape {shape[:2]}", tuple(mask.shape))
    return ops.expand_dims(mask, axes)


def _pairs_mask(mask, query, key):
    mask = ops.cast(mask, "bool")
    sizes, wanted = tuple(mask.shape), (query[0], query[2], query[1], key[1])
    ends = zip(reversed(sizes), reversed(wanted), strict=False)
    if len(sizes) > 4 or not all(is_one(n) or fits(n, m) for n, m in ends):
        _validate.invalid_argument("mask", f"broadcast to {wanted}", sizes)
    mask = ops.reshape(mask, (*(1,) * (4 - len(sizes)), *ops.shape(mask)))
    batch, _, *pairs = ops.shape(mask)
    heads = (1, 1) if is_one(mask.shape[1]) else (key[2], query[2] // key[2])
    return ops.reshape(mask, (batch, *heads, *pairs))
