"""Evaluates a function on a few rows at a time, where that is faster: on torch's CPU.

torch runs each operation separately. Temporaries larger than the cache triple the time, and
allocating memory for each of them costs even more.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_yat._backend import is_tracing
from keras_yat._types import Tensor

BLOCK_ENTRIES = 2**18
"""Number of entries of a temporary that stays in the cache."""


class RowBlocks:
    """Splits tensors along their first axes into blocks, and joins the results.

    Args:
        tensors: Inputs of the function. The first of them has the rows.
        row_size: Number of entries that a temporary has for each row. None: as many as the
            first tensor.
        axes: Number of axes that are split, one after the other.
    """

    def __init__(self, tensors: Sequence[Tensor], row_size: int | None = None, axes: int = 1):
        self._axes: list[_Blocks] = []
        if keras.backend.backend() != "torch" or is_tracing() or tensors[0].device.type != "cpu":
            return
        shape = tuple(tensors[0].shape)
        # Where a tensor has more axes than the first, so has the output: its rows are others.
        if len(shape) < axes or any(len(t.shape) > len(shape) for t in tensors):
            return
        size = math.prod(shape[axes:]) if row_size is None else row_size
        for axis in range(axes):
            each = size * math.prod(shape[axis + 1 : axes])
            if shape[axis] * each > BLOCK_ENTRIES:
                self._axes.append(_Blocks(len(shape), axis, shape[axis], each))

    def evaluate(self, function: Callable[..., Any], *tensors: Tensor) -> Any:
        """`function(*tensors)`, block by block.

        A single output is concatenated. Of several outputs each belongs to one of the last
        tensors: those of tensors with rows are concatenated, the others summed.
        """
        for blocks in reversed(self._axes):
            function = functools.partial(blocks.evaluate, function)
        return function(*tensors)


class _Blocks:
    """The blocks along an axis of tensors of some rank."""

    def __init__(self, rank: int, axis: int, rows: int, row_size: int):
        self._rank, self._axis, self._rows = rank, axis, rows
        self._step = max(1, BLOCK_ENTRIES // max(1, row_size))

    def evaluate(self, function, *tensors):
        parts = [
            function(*(self._block(t, start) if self._has_rows(t) else t for t in tensors))
            for start in range(0, self._rows, self._step)
        ]
        if not isinstance(parts[0], tuple):
            return ops.concatenate(parts, axis=self._axis)
        likes = tensors[len(tensors) - len(parts[0]) :]
        return tuple(
            ops.concatenate(every, axis=self._axis) if self._has_rows(like) else sum(every)
            for every, like in zip(zip(*parts, strict=True), likes, strict=True)
        )

    def _block(self, tensor, start):
        return tensor[(*[slice(None)] * self._axis, slice(start, start + self._step))]

    def _has_rows(self, tensor):
        return len(tensor.shape) == self._rank and tensor.shape[self._axis] == self._rows
