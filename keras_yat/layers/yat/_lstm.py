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
        return [*super().functions(), self.output_activation or self.activation]

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

    def advance(self, functions, of_input, of_state, states):
        t, s, out = functions
        _, c = states
        total = of_input + of_state
        i, f, g, o = ops.split(total, 4, axis=-1)
        c = s(f) * c + s(i) * t(g)
        return [s(o) * out(c), c], [total]

    def retreat(self, curves, upstream, kept, before, after):
        t, s, out = curves
        of_h, of_c = upstream
        i, f, g, o = ops.split(kept[0], 4, axis=-1)
        (i, di), (f, df), (o, do) = s.with_slope(i), s.with_slope(f), s.with_slope(o)
        (g, dg), (c, dc) = t.with_slope(g), out.with_slope(after[1])
        of_c = of_c + of_h * o * dc
        of_total = ops.concatenate(
            [of_c * g * di, of_c * before[1] * df, of_c * i * dg, of_h * c * do], axis=-1
        )
        return of_total, of_total, [0.0, of_c * f]

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
