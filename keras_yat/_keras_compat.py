"""Every private or undocumented name of Keras that this package touches, and nothing else.

Where Keras changes one, this is the file to mend; `tests/test_package.py` finds such names
anywhere else.
"""

from typing import Any

import keras

TRIED = ("3.15.1", "3.16.0.dev2026102704")
"""The versions of Keras that the tests passed on; of the nightly build on torch, but for float64
in attention: its `EinsumDense` with a bias gives float32.
"""

# `keras.layers.RNN` draws the random masks of a cell before its loop if the cell has this base:
# within the loop, on JAX, no random state can change. The class has no public name.
_DropoutCell: Any = next(
    base for base in keras.layers.SimpleRNNCell.__mro__ if base.__name__ == "DropoutRNNCell"
)


class BaseDropoutCell(_DropoutCell):
    """Abstract: a cell whose random masks `keras.layers.RNN` has drawn before its loop."""

    def draw_input_masks(self, inputs: Any) -> None:
        """Draws the masks for inputs like these, and those of the kernels."""
        raise NotImplementedError

    def draw_state_masks(self, states: Any) -> None:
        """Draws the masks for states like these."""
        raise NotImplementedError

    def clear_masks(self) -> None:
        """Forgets the masks of the sequence."""
        raise NotImplementedError

    def get_dropout_mask(self, step_input):
        self.draw_input_masks(step_input)

    def get_recurrent_dropout_mask(self, step_input):
        self.draw_state_masks(step_input)

    def reset_dropout_mask(self):
        self.clear_masks()

    def reset_recurrent_dropout_mask(self):
        self.clear_masks()


class BaseRNN(keras.layers.RNN):
    """Abstract: `keras.layers.RNN` with another loop over time, `run_loop`."""

    def run_loop(self, sequences: Any, states: list[Any], mask: Any, training: Any) -> Any:
        """The last output, all outputs and the last states of sequences `(batch, time, dim)`."""
        raise NotImplementedError

    def inner_loop(self, sequences, initial_state, mask, training=False):
        return self.run_loop(sequences, list(initial_state), mask, training)


def loop_of_rnn(cell: Any, sequence: Any, states: list[Any], backwards: bool) -> tuple[Any, Any]:
    """All outputs of a cell over `sequence`, by the loop of `keras.layers.RNN`; the last states."""
    layer = keras.layers.RNN(cell, go_backwards=backwards, return_sequences=True, name="loop")
    _, outputs, states = layer.inner_loop(sequence, states, mask=None)
    return outputs, states


class OneSeed(keras.random.SeedGenerator):
    """A generator that gives one state, which may be a tracer."""

    def __init__(self, state: Any):
        self._state = state
        self._initial_seed = 0  # on torch Keras asks whether there is one

    def next(self, ordered: bool = True) -> Any:
        return self._state


class BaseAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's attention, its projections and private settings under public names."""

    @property
    def use_gate(self) -> bool:
        return self._use_gate

    @property
    def sliding_window(self) -> int | None:
        return self._sliding_window

    @property
    def output_sizes(self) -> tuple[int, ...] | None:
        """The argument `output_shape`, a name that Keras has for something else."""
        return self._output_shape

    @property
    def projection_initializer(self) -> Any:
        """The argument `kernel_initializer`."""
        return self._kernel_initializer

    @property
    def gate_dense(self) -> Any:
        return self._gate_dense

    def set_flash_attention(self, value: bool | None) -> None:
        """Says whether fused kernels may be used; a switch of Keras for all models would too."""
        self._flash_attention = value

    def set_projections(self, **layers: Any) -> None:
        """Takes over the layers `query`, `key`, `value`, `output`, and `gate` if there is one."""
        for name, layer in layers.items():
            setattr(self, f"_{name}_dense", layer)

    def projection_arguments(self) -> dict[str, Any]:
        """The arguments of a projection, as the layer's own constructor got them."""
        return self._get_common_kwargs_for_sublayer()


class TransformedAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's own attention with query and key transformed behind their projections.

    For comparisons: with `transform` Keras's attention gets rotary positions, say.
    """

    def transform(self, query: Any, key: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def _compute_attention(self, query, key, *rest, **settings):
        return super()._compute_attention(*self.transform(query, key), *rest, **settings)
