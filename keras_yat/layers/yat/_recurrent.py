"""Recurrent layers: a cell over time, with all that does not depend on its state done at once."""

import inspect
import operator
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import BaseRNN
from keras_yat._space import Space
from keras_yat.layers.yat import _base
from keras_yat.layers.yat._cell import YatCell
from keras_yat.layers.yat._scales import serialized


class YatRecurrent(BaseRNN):
    """Abstract: `keras.layers.RNN` over a cell of its own, with the cell's arguments.

    A subclass names its `cell_class`, and has the cell's arguments as attributes. What
    does not depend on the states is done for all time steps at once.
    """

    cell_class: ClassVar[type[YatCell]]
    search_space: ClassVar[Space]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls.search_space = cls.cell_class.search_space
        for name in _arguments(cls.cell_class):
            setattr(cls, name, property(operator.attrgetter(f"cell.{name}")))

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
        of_cell = {n: kwargs.pop(n) for n in _arguments(self.cell_class) if n in kwargs}
        of_both = {n: kwargs[n] for n in ("dtype", "trainable") if n in kwargs}
        super().__init__(
            self.cell_class(units, **of_cell, **of_both),
            return_sequences=_validate.flag("return_sequences", return_sequences),
            return_state=_validate.flag("return_state", return_state),
            go_backwards=_validate.flag("go_backwards", go_backwards),
            stateful=_validate.flag("stateful", stateful),
            unroll=_validate.flag("unroll", unroll),
            zero_output_for_mask=_validate.flag("zero_output_for_mask", zero_output_for_mask),
            activity_regularizer=_base.regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True  # which Keras 3.16 no longer sets

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def run_loop(self, sequences, states, mask, training):
        try:
            return self._loop(sequences, states, mask, training)
        finally:
            # Whatever happens, masks of this sequence are not for the next.
            self.cell.clear_masks()

    def _loop(self, sequences, states, mask, training):
        self.cell.check_states("initial_state", states, sequences.shape[0])
        if self.stateful:
            # What they were read from is written to in place before the backward pass of torch.
            states = [ops.copy(state) for state in states]
        # Time first, as the loops have it: transposed before it grows to the gates' size.
        if mask is not None:
            mask = self._time_first(mask, sequences)
        sequences = ops.swapaxes(sequences, 0, 1)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        states = self.cell.run(
            sequences,
            states,
            mask,
            training,
            every_output=self.return_sequences,
            unroll=self.unroll,
        )
        outputs = states[0]
        if mask is not None and self.zero_output_for_mask:
            shown = mask if self.return_sequences else mask[-1:]
            outputs = ops.where(shown, outputs, ops.zeros_like(outputs))
        return outputs[-1], ops.swapaxes(outputs, 0, 1), [state[-1] for state in states]

    def _time_first(self, mask, sequences):
        """`mask`, `(batch, time)` or `(batch, time, 1)`, as booleans `(time, batch, 1)`."""
        pairs = zip(mask.shape[:2], sequences.shape[:2], strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            shape = tuple(sequences.shape[:2])
            _validate.refuse("mask", f"have the shape {shape} of the sequences", tuple(mask.shape))
        mask = ops.swapaxes(ops.cast(mask, "bool"), 0, 1)
        return ops.reshape(mask, (*ops.shape(mask)[:2], 1))

    def get_config(self):
        config = super().get_config()
        del config["cell"]
        of_cell = self.cell.get_config()
        return {
            **config,
            **{name: of_cell[name] for name in _arguments(self.cell_class)},
            "activity_regularizer": serialized(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _arguments(cell_class):
    """The names of the arguments of a cell that are its own."""
    return [n for n in inspect.signature(cell_class).parameters if n != "kwargs"]
