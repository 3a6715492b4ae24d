"""Dropout masks that stay the same over a sequence."""

from typing import Any

import keras
from keras import ops

from keras_yat._keras_compat import BaseDropoutCell
from keras_yat._types import Tensor


class SequenceDropout(BaseDropoutCell):
    """Abstract: a cell with dropout masks of its inputs, its state and its two kernels.

    `keras.layers.RNN` draws them before its loop; a call outside of a loop draws new ones. The
    cell calls `_start_masks` in its constructor, and has the rates `dropout`, `recurrent_dropout`
    and `drop_connect` and a `seed_generator`.
    """

    dropout: float
    recurrent_dropout: float
    drop_connect: float
    seed_generator: Any

    def _start_masks(self) -> None:
        """Creates the store of the masks."""
        self._masks = _Store()

    def _apply_dropout(self, name: str, x: Tensor, rate: float, training: bool | None) -> Tensor:
        """`x`, in training with entries dropped by the mask `name`, the others over 1 - rate."""
        # In this order: `training` may be a tracer, which has no truth value.
        if not (rate and training):
            return x
        mask = self._masks.of_sequence.get(name)
        if mask is None:
            mask = self._mask(x, rate)
        return x * ops.cast(mask, x.dtype)

    def _draw_input_masks(self, inputs: Tensor) -> None:
        kernels = ("kernel", "recurrent_kernel")
        self._add_masks(
            inputs=self._mask(inputs, self.dropout),
            **{name: self._mask(getattr(self, name), self.drop_connect) for name in kernels},
        )

    def _draw_state_masks(self, states: Tensor) -> None:
        self._add_masks(state=self._mask(states, self.recurrent_dropout))

    def _add_masks(self, **masks: Any) -> None:
        # A new dictionary: torch cannot trace the change of one.
        self._masks.of_sequence = {**self._masks.of_sequence, **masks}

    def _clear_masks(self) -> None:
        self._masks.of_sequence = {}

    def _mask(self, like, rate):
        """1 / (1 - rate) for a kept entry, 0 for a dropped one; None for a rate of 0."""
        if not rate:
            return None
        ones = ops.ones(ops.shape(like), dtype="float32")
        return keras.random.dropout(ones, rate, seed=self.seed_generator)


class _Store:
    """Hides masks from Keras's tracking: they are not state of the layer."""

    def __init__(self):
        self.of_sequence: dict[str, Any] = {}
