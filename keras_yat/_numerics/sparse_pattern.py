"""Sparse patterns: which positions may attend to which, the same for all sequences and heads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._backend import constant
from keras_yat._sizes import is_known


@dataclass(frozen=True)
class BlockMask:
    """Booleans `(query blocks, key blocks)`, checked. Not an array, which torch cannot trace."""

    rows: tuple[tuple[bool, ...], ...]

    @classmethod
    def of(cls, value: Any) -> "BlockMask":
        """The argument `block_mask`."""
        if isinstance(value, BlockMask):
            return value
        try:
            found = np.asarray(value)
        except ValueError:  # rows of several lengths
            found = np.empty(0)
        if found.ndim != 2 or not found.size or not np.isin(found, (0, 1)).all():
            _validate.invalid_argument(
                "block_mask", "be booleans `(query blocks, key blocks)`", value
            )
        return cls(tuple(tuple(bool(cell) for cell in row) for row in found))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])


@dataclass(frozen=True)
class SparsePattern:
    """The union of a window, of global positions, and of blocks of positions.

    Attributes:
        window: None, or the distance in positions from which on pairs are not in the window.
        global_tokens: Number of first positions that attend to all, and to which all attend.
        blocks: None, or which blocks of queries attend to which blocks of keys.
        block_size: Number of positions in a block of `blocks`.
    """

    window: int | None = None
    global_tokens: int = 0
    blocks: BlockMask | None = None
    block_size: int = 1

    def check(self, queries: Any, keys: Any, offset: Any) -> None:
        """Raises unless `blocks` has all positions of queries from `offset` on, and of keys."""
        if self.blocks is None:
            return
        found = self.blocks.shape
        last = offset + queries if is_known(offset, queries) else 0
        wanted = [-(-n // self.block_size) if is_known(n) else 0 for n in (last, keys)]
        if any(have < need for have, need in zip(found, wanted, strict=True)):
            _validate.invalid_argument(
                "block_mask", f"have at least {tuple(wanted)} blocks of {self.block_size}", found
            )

    def allows(self, rows: Any, columns: Any) -> Any:
        """Booleans for tensors of positions."""
        parts = []
        if self.window is not None:
            parts.append(ops.abs(columns - rows) < self.window)
        if self.global_tokens:
            parts += [rows < self.global_tokens, columns < self.global_tokens]
        if self.blocks is not None:
            across = self.blocks.shape[1]
            places = [
                ops.clip(ops.floor_divide(x, self.block_size), 0, n - 1)
                for x, n in zip((rows, columns), self.blocks.shape, strict=True)
            ]
            flat = constant([cell for row in self.blocks.rows for cell in row], rows, "bool")
            parts.append(ops.take(flat, places[0] * across + places[1], axis=0))
        found = parts[0]
        for part in parts[1:]:
            found = ops.logical_or(found, part)
        return found

    def covers(self, queries: Any, keys: Any, offset: Any) -> bool:
        """Whether all pairs of known positions are in the window."""
        if self.window is None or not is_known(queries, keys, offset):
            return False
        return self.window >= max(keys - offset, offset + queries)

    def step(self) -> int:
        """A number of positions, for blocks of which a plan is made."""
        if self.blocks is not None:
            return self.block_size
        # Three blocks reach over a window on both sides.
        return min(512, max(16, 2 ** round(np.log2(self.window or 1))))

    def reached(self, queries: int, keys: int, offset: int, causal: bool, step: int) -> np.ndarray:
        """Booleans `(query blocks, key blocks)`: whether any pair in them is allowed.

        Query blocks start at `offset`, and have `step` positions, as key blocks have.
        """
        rows = (offset + step * np.arange(-(-queries // step)))[:, None]
        columns = step * np.arange(-(-keys // step))
        last = step - 1
        found = np.zeros((len(rows), len(columns)), bool)
        if self.window is not None:
            gap = np.maximum(columns - (rows + last), rows - (columns + last))
            found |= gap < self.window
        found |= (rows < self.global_tokens) | (columns < self.global_tokens)
        if self.blocks is not None:
            # A query block that does not start with a block of `blocks` lies in two of them.
            blocks = np.array(self.blocks.rows)
            first, second = (
                np.clip((rows[:, 0] + shift) // self.block_size, 0, len(blocks) - 1)
                for shift in (0, last)
            )
            found |= (blocks[first] | blocks[second])[:, : len(columns)]
        return found & (columns <= rows + last) if causal else found
