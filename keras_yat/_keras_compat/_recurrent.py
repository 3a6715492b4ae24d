"""Keras's recurrent layers and cells."""

from typing import TYPE_CHECKING, Any

import keras

from keras_yat._types import Tensor

if TYPE_CHECKING:
    from keras_yat._keras_compat._typed import Typed

    assert issubclass(keras.layers.RNN, Typed)
    _DropoutCell = Typed
else:
    # `keras.layers.RNN` draws the random masks of a cell before its loop if the cell has this base:
    # within the loop, on JAX, no random state can change. The class has no public name.
    _DropoutCell = next(
        base for base in keras.layers.SimpleRNNCell.__mro__ if base.__name__ == "DropoutRNNCell"
    )


class BaseDropoutCell(_DropoutCell):
    """Abstract: a cell whose random masks `keras.layers.RNN` draws before its loop."""

    def _draw_input_masks(self, inputs: Tensor) -> None:
        """Draws the masks of inputs of this shape, and of the kernels."""
        raise NotImplementedError

    def _draw_state_masks(self, states: Tensor) -> None:
        """Draws the masks of states of this shape."""
        raise NotImplementedError

    def _clear_masks(self) -> None:
        """Drops the masks of the sequence."""
        raise NotImplementedError

    def get_dropout_mask(self, step_input: Tensor) -> None:
        self._draw_input_masks(step_input)

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> None:
        self._draw_state_masks(step_input)

    def reset_dropout_mask(self) -> None:
        self._clear_masks()

    def reset_recurrent_dropout_mask(self) -> None:
        self._clear_masks()


class BaseRNN(keras.layers.RNN):
    """Abstract: `keras.layers.RNN` with its own loop over time, `run_loop`."""

    def run_loop(
        self, sequences: Tensor, states: list[Tensor], mask: Tensor | None, training: bool | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The last output, all outputs and the last states, for sequences `(batch, time, dim)`."""
        raise NotImplementedError

    def inner_loop(
        self,
        sequences: Tensor,
        initial_state: list[Tensor],
        mask: Tensor | None,
        training: bool | None = False,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        return self.run_loop(sequences, list(initial_state), mask, training)


def loop_of_rnn(cell: Any, sequence: Any, states: list[Any], backwards: bool) -> tuple[Any, Any]:
    """All outputs of a cell over `sequence`, and its last states, by Keras's loop."""
    layer = keras.layers.RNN(cell, go_backwards=backwards, return_sequences=True, name="loop")
    _, outputs, states = layer.inner_loop(sequence, states, mask=None)
    return outputs, states


class FixedSeed(keras.random.SeedGenerator):
    """A random generator with a constant state, which may be a tracer."""

    def __init__(self, state: Any):
        self._state = state
        self._initial_seed = 0  # on torch Keras asks whether there is one

    def next(self, ordered: bool = True) -> Any:
        return self._state
