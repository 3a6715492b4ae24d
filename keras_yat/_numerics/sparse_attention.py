"""Attention with a sparse pattern: each block of queries with the blocks of keys that it reaches.

Blocks of keys are gathered for each block of queries. Query blocks that reach about equally many
are one group. The attention of a group has an axis of query blocks before the five axes, over
which it goes step by step: memory is proportional to the keys and values that are attended, and
scores exist for one query block at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from keras_yat._backend import is_tracing, pad
from keras_yat._numerics.attention_masks import AttentionMasks
from keras_yat._sizes import is_known, is_one

MOST = 0.6
"""The largest share of all pairs that is computed block by block."""


@dataclass(frozen=True)
class Plan:
    """Which blocks of keys each block of queries is computed with.

    Attributes:
        step: Number of positions in a block.
        groups: Pairs of query blocks `(n,)` and the key blocks of each, `(n, k)`. A key block
            after the last one stands for none.
    """

    step: int
    groups: list[tuple[np.ndarray, np.ndarray]]

    @property
    def order(self) -> np.ndarray:
        """The place of each query block in the concatenated groups."""
        return np.argsort(np.concatenate([rows for rows, _ in self.groups]))


def plan(masks: AttentionMasks, queries: Any, keys: Any) -> Plan | None:
    """The blocks to compute, or None where sizes are unknown or most pairs are allowed.

    Also None where torch traces, which it cannot do with NumPy.
    """
    pattern = masks.pattern
    if pattern is None or is_tracing() or not is_known(queries, keys, masks.offset):
        return None
    step = pattern.step()
    reached = pattern.reached(queries, keys, masks.offset, masks.causal, step)
    counts = np.maximum(reached.sum(axis=1), 1)
    # Powers of two: few groups, each with at most twice the blocks that are needed.
    padded = np.minimum(2 ** np.ceil(np.log2(counts)).astype(int), reached.shape[1])
    if padded.sum() > MOST * reached.size:
        return None
    places = np.where(reached, np.arange(reached.shape[1]), reached.shape[1])
    places = np.sort(places, axis=1)
    rows = [np.flatnonzero(padded == count) for count in np.unique(padded)]
    return Plan(step, [(row, places[row, : padded[row[0]]]) for row in rows])


def attend(
    chosen: Plan,
    masks: AttentionMasks,
    query: Any,
    key: Any,
    value: Any,
    sums: Callable[[AttentionMasks, int, Any, Any, Any], Any],
) -> Any:
    """The weighted sums of the values for each query.

    `sums(masks, number, query, key, value)` returns those of the group of this number, for
    tensors with an axis of query blocks before the others.
    """
    queries, keys, step = query.shape[3], key.shape[3], chosen.step
    parts = []
    for number, (rows, columns) in enumerate(chosen.groups):
        some = replace(
            masks,
            tensors=[*_masks(masks, queries, keys, step, rows, columns)],
            places=(
                _constant(masks.offset + _positions(rows[:, None], step), -2),
                _constant(_positions(columns, step), -1),
            ),
        )
        gathered = [_blocks(x, step, columns) for x in (key, value)]
        parts.append(sums(some, number, _blocks(query, step, rows[:, None]), *gathered))
    found = ops.take(ops.concatenate(parts, axis=0), _indices(chosen.order), axis=0)
    found = ops.moveaxis(found, 0, 3)
    shape = ops.shape(found)
    return ops.reshape(found, (*shape[:3], shape[3] * step, shape[5]))[:, :, :, :queries]


def _positions(blocks, step):
    """The positions in blocks `(n, k)`: `(n, k·step)`."""
    return (blocks[..., None] * step + np.arange(step)).reshape(len(blocks), -1)


def _constant(places, axis):
    """Positions `(n, …)` with six axes, the last ones along `axis`."""
    shape = [len(places), 1, 1, 1, 1, 1]
    shape[axis] = -1
    return ops.convert_to_tensor(places.reshape(shape), "int32")


def _indices(array):
    return ops.convert_to_tensor(np.ravel(array), "int32")


def _blocks(x: Any, step: int, blocks: np.ndarray, axis: int = 3) -> Any:
    """The blocks `(n, k)` of `x` along `axis`: `n` along a new first axis, `k·step` along `axis`.

    What is behind the last block is 0.
    """
    x = _in_steps(x, step, axis)
    shape = ops.shape(x)
    x = ops.take(x, _indices(blocks), axis=axis)
    along = (len(blocks), blocks.shape[1] * step)
    x = ops.reshape(x, (*shape[:axis], *along, *shape[axis + 2 :]))
    return ops.moveaxis(x, axis, 0)


def _in_steps(x, step, axis):
    """`axis` as two, blocks and positions in them, with one more block at the end."""
    size = x.shape[axis]
    count = -(-size // step) + 1
    behind = [[0, 0] for _ in x.shape]
    behind[axis][1] = count * step - size
    shape = ops.shape(x)
    return ops.reshape(pad(x, behind), (*shape[:axis], count, step, *shape[axis + 1 :]))


def _masks(masks, queries, keys, step, rows, columns) -> Iterator[Any]:
    """The masks of a group: those that are given, and of the keys that there are."""
    there = _positions(columns, step) < keys
    if not there.all():
        yield ops.convert_to_tensor(there.reshape(len(there), 1, 1, 1, 1, -1))
    for mask in masks.tensors:
        if is_one(mask.shape[3]) and is_one(mask.shape[4]):
            yield ops.expand_dims(mask, 0)
        elif is_one(mask.shape[3]):
            yield _blocks(mask, step, columns, 4)
        elif is_one(mask.shape[4]):
            yield _blocks(mask, step, rows[:, None], 3)
        else:
            yield _pairs(mask, step, rows, columns)


def _pairs(mask, step, rows, columns):
    """A mask of pairs: its blocks as `(n, …, step, k·step)`."""
    mask = _in_steps(_in_steps(mask, step, 3), step, 5)
    shape = ops.shape(mask)
    mask = ops.reshape(ops.swapaxes(mask, 4, 5), (*shape[:3], shape[3] * shape[5], step, step))
    mask = ops.take(mask, _indices(rows[:, None] * shape[5] + columns), axis=3)
    mask = ops.reshape(mask, (*shape[:3], *columns.shape, step, step))
    mask = ops.transpose(mask, (3, 0, 1, 2, 5, 4, 6))
    return ops.reshape(mask, (len(rows), *shape[:3], step, columns.shape[1] * step))
