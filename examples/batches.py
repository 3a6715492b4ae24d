"""Batches of a run's data."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

SHIFT = 4
"""Images are padded with this many zeros on each side, and cropped."""


@dataclass(frozen=True)
class Split:
    """Inputs and their classes."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Draw:
    """The random numbers of an epoch, determined by seed and epoch."""

    order: np.ndarray
    """The index of each example."""
    moves: np.ndarray
    """The offset of the crop of each image in rows and columns, from 0 to `2 * SHIFT`."""
    flips: np.ndarray
    """Whether each image is mirrored."""


def draw(seed: int, epoch: int, count: int) -> Draw:
    """The random numbers of an epoch for `count` examples."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(count)
    moves = rng.integers(0, 2 * SHIFT + 1, size=(count, 2))
    return Draw(order, moves, rng.random(count) < 0.5)


class Batches(keras.utils.PyDataset):
    """Batches in an order determined by seed and epoch, so that a run can be resumed.

    Call `begin` at the start of each epoch: `fit` may read a batch before it, and may call
    `on_epoch_end` before the first epoch.
    """

    def __init__(self, split: Split, batch_size: int, seed: int, epoch: int, augment: list[str]):
        super().__init__()
        self._split, self._size, self._augment, self._seed = split, batch_size, augment, seed
        self.begin(epoch)

    def begin(self, epoch: int) -> None:
        """Draws the order of an epoch."""
        self._draw = draw(self._seed, epoch, len(self._split.y))

    def __len__(self):
        return -(-len(self._split.y) // self._size)

    def __getitem__(self, index):
        here = slice(index * self._size, (index + 1) * self._size)
        chosen = self._draw.order[here]
        x = self._split.x[chosen]
        if "crop" in self._augment:
            x = _shift(x, self._draw.moves[here])
        if "flip" in self._augment:
            x = np.where(self._draw.flips[here, None, None, None], x[:, :, ::-1], x)
        return x, self._split.y[chosen]


def _shift(x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Crops each image, padded with zeros, at its offset."""
    wide = np.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, x.shape[1:3], axis=(1, 2))
    chosen = windows[np.arange(len(x)), moves[:, 0], moves[:, 1]]
    return np.moveaxis(chosen, 1, -1)


def shift_and_flip(x: Any, drawn: dict[str, Any]) -> Any:
    """The images as `Batches` augments them, in a program of JAX.

    Args:
        x: The images of a batch.
        drawn: Their offsets `"crop"` and their `"flip"`, those that are used.
    """
    import jax
    from jax import lax, numpy

    if "crop" in drawn:
        wide = numpy.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
        shape = x.shape[1:]
        x = jax.vmap(lambda image, at: lax.dynamic_slice(image, (at[0], at[1], 0), shape))(
            wide, drawn["crop"]
        )
    if "flip" in drawn:
        x = numpy.where(drawn["flip"][:, None, None, None], x[:, :, ::-1], x)
    return x
