"""Batches of a run's data."""

from dataclasses import dataclass

import keras
import numpy as np


@dataclass(frozen=True)
class Split:
    """Inputs and their classes."""

    x: np.ndarray
    y: np.ndarray


class Batches(keras.utils.PyDataset):
    """Batches in an order determined by seed and epoch, so that a run can be resumed."""

    def __init__(self, split: Split, batch_size: int, seed: int, epoch: int, augment: list[str]):
        super().__init__()
        self._split, self._size, self._augment = split, batch_size, augment
        self._seed, self._epoch = seed, epoch
        self._draw()

    def _draw(self):
        rng = np.random.default_rng([self._seed, self._epoch])
        self._order = rng.permutation(len(self._split.y))
        self._moves = rng.integers(0, 9, size=(len(self._order), 2))
        self._flips = rng.random(len(self._order)) < 0.5

    def __len__(self):
        return -(-len(self._order) // self._size)

    def __getitem__(self, index):
        here = slice(index * self._size, (index + 1) * self._size)
        chosen = self._order[here]
        x = self._split.x[chosen]
        if "crop" in self._augment:
            x = _shift(x, self._moves[here])
        if "flip" in self._augment:
            x = np.where(self._flips[here, None, None, None], x[:, :, ::-1], x)
        return x, self._split.y[chosen]

    def on_epoch_end(self):
        self._epoch += 1
        self._draw()


def _shift(x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Crops each image, padded with 4 zeros on each side, at its offset of 0 to 8 pixels."""
    wide = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, x.shape[1:3], axis=(1, 2))
    chosen = windows[np.arange(len(x)), moves[:, 0], moves[:, 1]]
    return np.moveaxis(chosen, 1, -1)
