"""Recurrent layers: a cell over time, with all that does not depend on its state done at once."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate
from keras_yat.layers.yat import _base
from keras_yat.layers.yat._cell import YatCell

_OF_LAYER = ("name", "dtype", "trainable")


class YatRecurrent(keras.layers.RNN):
    """Abstract: `keras.layers.RNN` over a cell of its own, with the cell's arguments.

    A subclass names its `cell_class`. The inputs of all time steps are projected at
    once; the loop has the recurrent product alone, with the norms of its kernel
    computed before.
    """

    cell_class: ClassVar[type[YatCell]]

    def __init__(
        self,
        units: int,
        *,
        activity_regularizer: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        flags = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "go_backwards": go_backwards,
            "stateful": stateful,
            "unroll": unroll,
            "zero_output_for_mask": zero_output_for_mask,
        }
        own = {name: kwargs.pop(name) for name in _OF_LAYER if name in kwargs}
        layer = {k: kwargs.pop(k) for k in list(kwargs) if k in _OF_KERAS}
        of_cell = {k: v for k, v in own.items() if k != "name"}
        super().__init__(
            self.cell_class(units, **kwargs, **of_cell),
            **{name: _validate.flag(name, flag) for name, flag in flags.items()},
            activity_regularizer=_base.regularizer("activity_regularizer", activity_regularizer),
            **own,
            **layer,
        )
        self.input_spec = [keras.layers.InputSpec(ndim=3)]
        self.supports_masking = True

    def inner_loop(self, sequences, initial_state, mask, training=False):
        projected = self.cell.project(sequences, training)
        recurrence = self.cell.recurrence(training)

        def step(inputs, states):
            return self.cell.advance(inputs, states, recurrence)

        return scan(
            step,
            projected,
            list(initial_state),
            mask,
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            zero_output=self.zero_output_for_mask,
            every_output=self.return_sequences,
        )

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        of_cell = self.cell.get_config()
        for name in _OF_LAYER:
            del of_cell[name]
        return {
            **config,
            **of_cell,
            "activity_regularizer": _base.serialized(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


_OF_KERAS = ("autocast", "input_shape", "batch_input_shape", "batch_shape", "weights")


def scan(
    step: Callable[[Any, Sequence[Any]], list],
    inputs: Any,
    states: list,
    mask: Any,
    *,
    go_backwards: bool,
    unroll: bool,
    zero_output: bool,
    every_output: bool,
) -> tuple[Any, Any, list]:
    """Runs `step` along the second axis of `inputs`.

    Masked steps leave the states as they are, on every backend and unrolled or not:
    Keras's own loop, unrolled, fails or ignores `zero_output_for_mask` on some.

    Returns:
        The last output, all outputs in the order in which they came (without
        `every_output` maybe only the last), the last states.
    """
    loop = _unrolled if unroll or keras.backend.backend() == "torch" else _rolled
    if mask is not None:
        mask = ops.cast(mask, inputs.dtype)
        mask = ops.reshape(mask, (*ops.shape(mask)[:2], 1))
        inputs = ops.concatenate([inputs, mask], axis=-1)
        step = _masked(step)
    after = loop(step, inputs, states, go_backwards, every_output)
    if mask is None or not zero_output:
        return after
    last, outputs, states = after
    if go_backwards:
        mask = ops.flip(mask, axis=1)
    return last * mask[:, -1], outputs * mask[:, -outputs.shape[1] :], states


def _masked(step):
    def masked(inputs, states):
        present = inputs[:, -1:] > 0.5
        after = step(inputs[:, :-1], states)
        return [ops.where(present, new, old) for new, old in zip(after, states, strict=True)]

    return masked


def _unrolled(step, inputs, states, go_backwards, every_output):
    outputs = []
    steps = ops.unstack(inputs, axis=1)
    for x in reversed(steps) if go_backwards else steps:
        states = step(x, states)
        if every_output:
            outputs.append(states[0])
    return states[0], ops.stack(outputs or [states[0]], axis=1), states


def _rolled(step, inputs, states, go_backwards, every_output):
    loop = keras.layers.RNN(
        _Step(step, [s.shape[-1] for s in states]),
        go_backwards=go_backwards,
        return_sequences=every_output,
        name="loop",
    )
    return loop.inner_loop(inputs, states, mask=None)


class _Step:
    """A step as what `keras.layers.RNN` takes for a cell."""

    def __init__(self, step, sizes):
        self._step = step
        self.state_size = sizes
        self.output_size = sizes[0]

    def call(self, inputs, states):
        after = self._step(inputs, states)
        return after[0], after

    __call__ = call
