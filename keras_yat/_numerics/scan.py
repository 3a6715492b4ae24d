"""A loop over the first axis for all backends, with any number of sequences in and out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_yat._backend import is_recording, is_tracing
from keras_yat._keras_compat import loop_of_rnn
from keras_yat._sizes import is_known, is_one, positions

Step = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


def scan(
    step: Step,
    states: Sequence[Any],
    sequences: Sequence[Any],
    *,
    reverse: bool = False,
    unroll: bool = False,
    differentiable: bool = True,
) -> tuple[list[Any], list[Any]]:
    """Carries `states` through `step` along the first axis of the sequences.

    Args:
        step: Maps the states and an entry of each sequence to the next states, of the same
            shapes and dtypes, and to any number of outputs.
        states: Tensors.
        sequences: Tensors of shape `(time, batch, …)`, all of the same dtype.
        reverse: Whether to start at the last entries.
        unroll: Whether every step is written into the graph.
        differentiable: Whether the backend has to derive a gradient of the loop.

    Returns:
        The last states, and each output along time, in the order of the sequences.
    """
    if unroll or is_unrolled():
        return _unrolled(step, states, sequences, reverse)
    if keras.backend.backend() == "jax":
        return _scanned(step, states, sequences, reverse)
    return _rolled(step, states, sequences, reverse, differentiable)


def in_blocks(
    block: int | None,
    step: Callable[..., Any],
    totals: Sequence[Any],
    sequences: Sequence[Any],
    *,
    reverse: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Calls `step` on blocks of `block` entries along the fourth axis of `sequences`.

    `step(totals, *entries)` returns the next totals and any number of outputs. Returns the last
    totals, and each output concatenated. A sequence with a single entry goes to every block. None
    is a single block. The backend derives no gradient.
    """
    count = ops.shape(sequences[0])[3]
    known = is_known(count)
    if block is None or (count <= block if known else is_unrolled()):
        return step(list(totals), *sequences)
    number = -(-count // block)
    places = positions(number * block)
    moving = [not is_one(s.shape[3]) for s in sequences]

    def apart(x):
        """The blocks of `x` along a new first axis, the last one padded with zeros."""
        if not known or count % block:
            inside = ops.reshape(places < count, (-1, 1))
            x = ops.take(x, ops.minimum(places, count - 1), axis=3)
            x = ops.where(inside, x, ops.zeros_like(x))
        shape = ops.shape(x)
        return ops.moveaxis(ops.reshape(x, (*shape[:3], number, block, shape[4])), 3, 0)

    def together(y):
        y = ops.moveaxis(y, 0, 3)
        shape = ops.shape(y)
        return ops.reshape(y, (*shape[:3], number * block, shape[5]))[:, :, :, :count]

    def entry_of(totals, entries):
        entries = iter(entries)
        return step(
            totals, *(next(entries) if m else s for m, s in zip(moving, sequences, strict=True))
        )

    parts = [apart(s) for s, m in zip(sequences, moving, strict=True) if m]
    totals, outputs = scan(entry_of, totals, parts, reverse=reverse, differentiable=False)
    return totals, [together(output) for output in outputs]


def is_unrolled() -> bool:
    """Whether the backend has no loops: their number of steps must then be known."""
    return keras.backend.backend() == "torch"


def hold_masked(present: Any, after: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """The states `after` a step; where `present` is 0, those `before` it."""
    return [ops.where(present > 0.5, new, old) for new, old in zip(after, before, strict=True)]


def _unrolled(step, states, sequences, reverse):
    entries = list(zip(*(ops.unstack(s, axis=0) for s in sequences), strict=True))
    places = range(len(entries))
    found: list[_Stack] = []
    for place in reversed(places) if reverse else places:
        states, outputs = step(list(states), list(entries[place]))
        found = found or [_Stack(output, len(entries)) for output in outputs]
        for stack, output in zip(found, outputs, strict=True):
            stack[place] = output
    return list(states), [stack.stacked() for stack in found]


class _Stack:
    """Tensors that become one, along a new first axis.

    On torch they are written into it at once: a list of them takes the same memory again.
    """

    def __init__(self, like, count):
        in_place = keras.backend.backend() == "torch" and not (is_tracing() or is_recording())
        self._entries = like.new_empty((count, *like.shape)) if in_place else [None] * count

    def __setitem__(self, place, entry):
        self._entries[place] = entry

    def stacked(self):
        return ops.stack(self._entries) if isinstance(self._entries, list) else self._entries


def _scanned(step, states, sequences, reverse):
    return ops.scan(step, list(states), list(sequences), reverse=reverse)


def _rolled(step, states, sequences, reverse, differentiable):
    """The loop of `keras.layers.RNN`, which takes a single sequence.

    `ops.scan` on TensorFlow only has outputs of the states' shapes, and no gradient under XLA.
    """
    if differentiable:
        sizes = [s.shape[-1] for s in sequences]
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
        sequence = ops.swapaxes(ops.concatenate(sequences, axis=-1), 0, 1)

        def entry(x):
            return ops.split(x, ends, axis=-1) if ends else [x]

    else:
        # The sequence is the number of the step: nothing is copied. The gradient in an entry
        # would be as large as its whole sequence.
        sequence = ops.reshape(positions(ops.shape(sequences[0])[0]), (1, -1, 1))

        def entry(x):
            return [ops.take(s, x[0, 0], axis=0) for s in sequences]

    def call(x, states):
        states, outputs = step(list(states), entry(x))
        return outputs, states

    cell = _Cell(call, len(states))
    outputs, states = loop_of_rnn(cell, sequence, list(states), backwards=reverse)
    outputs = [ops.swapaxes(output, 0, 1) for output in outputs]
    return list(states), [ops.flip(o, axis=0) for o in outputs] if reverse else outputs


class _Cell:
    """A step in the form of a cell of `keras.layers.RNN`."""

    def __init__(self, call, states):
        self.call = call
        self.state_size = [1] * states  # required, and not used in the loop

    def __call__(self, inputs, states):
        return self.call(inputs, states)
