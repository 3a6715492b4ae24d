"""Random masks that stay the same over a sequence."""

from typing import Any

import keras
from keras import ops

from keras_yat._keras_compat import BaseDropoutCell


class SequenceMasks(BaseDropoutCell):
    """Abstract: a cell with random masks on its inputs, its state and its two kernels.

    `keras.layers.RNN` has them drawn before its loop; in a call outside of one each is
    drawn anew. The cell says in `start_masks` that it has them, and has the rates
    `dropout`, `recurrent_dropout` and `drop_connect` and a `seed_generator`.
    """

    def start_masks(self) -> None:
        self._masks = _Drawn()

    def dropped(self, name: str, x: Any, rate: float, training: Any) -> Any:
        """`x`, in training with entries dropped by the mask `name`, the rest over 1 - rate."""
        # In this order: `training` may be a tracer, of which Python cannot ask.
        if not (rate and training):
            return x
        kept = self._masks.of_sequence.get(name)
        if kept is None:
            kept = self._kept(x, rate)
        return x * ops.cast(kept, x.dtype)

    def draw_input_masks(self, inputs):
        drawn = self._masks.of_sequence
        drawn["inputs"] = self._kept(inputs, self.dropout)
        for name in ("kernel", "recurrent_kernel"):
            drawn[name] = self._kept(getattr(self, name), self.drop_connect)

    def draw_state_masks(self, states):
        self._masks.of_sequence["state"] = self._kept(states, self.recurrent_dropout)

    def clear_masks(self):
        self._masks.of_sequence.clear()

    def _kept(self, like, rate):
        """1 / (1 - rate) where an entry is kept, and 0; None where all are."""
        if not rate:
            return None
        ones = ops.ones(ops.shape(like), dtype="float32")
        return keras.random.dropout(ones, rate, seed=self.seed_generator)


class _Drawn:
    """Holds masks out of Keras's sight: they are no state of the layer."""

    def __init__(self):
        self.of_sequence: dict[str, Any] = {}
