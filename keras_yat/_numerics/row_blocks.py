"""Evaluates a function on a few rows at a time, where that is faster: on torch's CPU.

torch runs each operation separately. Temporaries larger than the cache triple the time, and
allocating memory for each of them costs even more.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_yat._types import Tensor

BLOCK_ENTRIES = 2**18
"""Number of entries of a temporary that stays in the cache."""


class RowBlocks:
    """Splits tensors along an axis into blocks of rows, and joins the results.

    Args:
        tensors: Inputs of the function. The first of them has the rows.
        row_size: Number of entries that a temporary has for each row. None: as many as the
            first tensor.
        axis: The axis of the rows.
    """

    def __init__(self, tensors: Sequence[Tensor], row_size: int | None = None, axis: int = 0):
        self._starts, self._axis = range(1), axis
        if keras.backend.backend() != "torch" or tensors[0].device.type != "cpu":
            return
        shape = tuple(tensors[0].shape)
        if not shape:
            return
        self._rank, self._rows = len(shape), shape[axis]
        size = math.prod(shape) // max(1, self._rows) if row_size is None else row_size
        if self._rows * size <= BLOCK_ENTRIES:
            return
        self._step = max(1, BLOCK_ENTRIES // size)
        self._starts = range(0, self._rows, self._step)

    def evaluate(self, function: Callable[..., Any], *tensors: Tensor) -> Any:
        """`function(*tensors)`, block by block.

        A single output is concatenated. Of several outputs each belongs to one of the last
        tensors: those of tensors with rows are concatenated, the others summed.
        """
        if len(self._starts) == 1:
            return function(*tensors)
        parts = [
            function(*(self._block(t, start) if self._has_rows(t) else t for t in tensors))
            for start in self._starts
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
