"""The long short-term memory."""

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._register import register
from keras_yat.layers.yat._cell import GatedCell
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
class YatLSTMCell(GatedCell):
    gates = 4
    OPEN = 2.718

    def __init__(self, units, *, unit_forget_bias=True, output_activation=None, **kwargs):
        super().__init__(units, **kwargs)
        from keras_yat.layers.yat import _base

        self.output_activation = _base.activation(
            "output_activation", output_activation, self.dtype_policy
        )
        self.unit_forget_bias = _validate.flag("unit_forget_bias", unit_forget_bias)
        self.state_size = [self.units, self.units]

    def functions(self):
        return [*super().functions(), self.output_activation]

    def bias_start(self, suited, entries):
        init = super().bias_start(suited, entries)
        if not self.unit_forget_bias:
            return init
        spread = (
            self.kernel_initializer.stddev * (entries) ** 0.5 * self.kernel_initializer.input_scale
        )
        fb = spread * (self.OPEN * 2.38 - 1) ** 0.5

        def start(shape, dtype=None):
            part = (shape[0] // 4,)
            return ops.concatenate(
                [
                    init(part, dtype=dtype),
                    ops.full(part, fb, dtype=dtype),
                    init((2 * part[0],), dtype=dtype),
                ]
            )

        return start

    def advance(self, projected, states, recurrence):
        h, c = states
        i, f, g, o = ops.split(projected + recurrence[0](h), 4, axis=-1)
        s, t = self.recurrent_activation, self.activation
        c = self.activated(s, f) * c + self.activated(s, i) * self.activated(t, g)
        return [self.activated(s, o) * self.activated(self.output_activation or t, c), c]

    def get_config(self):
        return {
            **super().get_config(),
            "unit_forget_bias": self.unit_forget_bias,
            "output_activation": keras.activations.serialize(self.output_activation)
            if self.output_activation
            else None,
        }


@register()
class YatLSTM(YatRecurrent):
    cell_class = YatLSTMCell
