"""The gated recurrent unit."""

from keras import ops

from keras_yat import _validate
from keras_yat._register import register
from keras_yat.layers.yat._cell import GatedCell
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
class YatGRUCell(GatedCell):
    gates = 3

    def __init__(self, units, *, reset_after=True, **kwargs):
        super().__init__(units, **kwargs)
        self.reset_after = _validate.flag("reset_after", reset_after)

    def parts(self):
        return [(0, 3)] if self.reset_after else [(0, 2), (2, 3)]

    def advance(self, functions, of_input, of_state, states, *again):
        t, s = functions
        (h,) = states
        z, r, n = ops.split(of_input, 3, axis=-1)
        of_z, of_r, *of_n = ops.split(of_state, 3 - len(again), axis=-1)
        z, r = z + of_z, r + of_r
        of_n = again[0](s(r) * h) if again else of_n[0]
        n = n + (of_n if again else s(r) * of_n)
        new = t(n)
        return [new + s(z) * (h - new)], [z, r, n, of_n]

    def retreat(self, curves, upstream, kept, before, after):
        t, s = curves
        (of_h,) = upstream
        z, r, n, of_state_n = kept
        (h,) = before
        (z, dz), (r, dr), (n, dn) = s.with_slope(z), s.with_slope(r), t.with_slope(n)
        of_n = of_h * (1.0 - z) * dn
        of_z = of_h * (h - n) * dz
        of_r = of_n * of_state_n * dr
        return (
            ops.concatenate([of_z, of_r, of_n], axis=-1),
            ops.concatenate([of_z, of_r, of_n * r], axis=-1),
            [of_h * z],
        )

    def get_config(self):
        return {**super().get_config(), "reset_after": self.reset_after}


@register()
class YatGRU(YatRecurrent):
    cell_class = YatGRUCell
