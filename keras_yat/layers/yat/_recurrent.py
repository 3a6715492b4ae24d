"""Recurrent layers: a cell over time, with all that does not depend on its state done at once."""

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
        # Time first, as the loops have it: transposed before it grows to the gates' size.
        sequences = ops.swapaxes(sequences, 0, 1)
        if mask is not None:
            mask = ops.swapaxes(mask, 0, 1)
            mask = ops.reshape(mask, (*ops.shape(mask)[:2], 1))
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        states = self.cell.run(
            sequences,
            list(initial_state),
            None if mask is None else ops.cast(mask, self.compute_dtype),
            training,
            every_output=self.return_sequences,
            unroll=self.unroll,
        )
        outputs = states[0]
        if mask is not None and self.zero_output_for_mask:
            shown = mask if self.return_sequences else mask[-1:]
            outputs = ops.where(shown, outputs, ops.zeros_like(outputs))
        return outputs[-1], ops.swapaxes(outputs, 0, 1), [state[-1] for state in states]

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
