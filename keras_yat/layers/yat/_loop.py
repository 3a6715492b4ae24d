"""One loop over time for all backends, with any number of sequences in and out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


def loop(
    step: Step,
    states: Sequence[Any],
    sequences: Sequence[Any],
    *,
    reverse: bool = False,
    unroll: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Carries `states` through `step` along the first axis of the sequences.

    Args:
        step: From the states and an entry of each sequence to the next states, of the
            same shapes and dtypes, and to any number of outputs.
        states: Tensors.
        sequences: Tensors of shape `(time, batch, …)`, in one dtype.
        reverse: Whether to begin with the last entries.
        unroll: Whether to write every step into the graph.

    Returns:
        The last states, and each output along time: in the order of the sequences.
    """
    backend = keras.backend.backend()
    if unroll or backend == "torch":
        return _unrolled(step, states, sequences, reverse)
    if backend == "jax":
        return _scanned(step, states, sequences, reverse)
    return _rolled(step, states, sequences, reverse)


def _unrolled(step, states, sequences, reverse):
    found = []
    entries = list(zip(*(ops.unstack(s, axis=0) for s in sequences), strict=True))
    for entry in reversed(entries) if reverse else entries:
        states, outputs = step(list(states), list(entry))
        found.append(outputs)
    if reverse:
        found.reverse()
    return list(states), [ops.stack(output) for output in zip(*found, strict=True)]


def _scanned(step, states, sequences, reverse):
    return ops.scan(step, list(states), list(sequences), reverse=reverse)


def _rolled(step, states, sequences, reverse):
    # `ops.scan` has neither outputs of other shapes than the states' nor gradients
    # under XLA on TensorFlow; the loop of `keras.layers.RNN` has one sequence alone.
    sizes = [s.shape[-1] for s in sequences]
    together = sequences[0] if len(sizes) == 1 else ops.concatenate(sequences, axis=-1)
    cell = _Step(step, sizes, len(states))
    layer = keras.layers.RNN(cell, go_backwards=reverse, return_sequences=True, name="loop")
    _, outputs, states = layer.inner_loop(ops.swapaxes(together, 0, 1), list(states), mask=None)
    outputs = [ops.swapaxes(output, 0, 1) for output in outputs]
    return list(states), [ops.flip(o, axis=0) for o in outputs] if reverse else outputs


class _Step:
    """A step as what `keras.layers.RNN` takes for a cell."""

    def __init__(self, step, sizes, states):
        self._step = step
        self._ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
        self.state_size = [1] * states  # asked for, and not used in the loop

    def call(self, inputs, states):
        entry = ops.split(inputs, self._ends, axis=-1) if self._ends else [inputs]
        states, outputs = self._step(list(states), entry)
        return outputs, states

    __call__ = call
