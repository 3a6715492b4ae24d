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

    def advance(self, projected, states, recurrence):
        (h,) = states
        s, t = self.recurrent_activation, self.activation
        z, r, n = ops.split(projected, 3, axis=-1)
        if self.reset_after:
            of_z, of_r, of_n = ops.split(recurrence[0](h), 3, axis=-1)
            r = self.activated(s, r + of_r)
            of_n = r * of_n
        else:
            of_z, of_r = ops.split(recurrence[0](h), 2, axis=-1)
            r = self.activated(s, r + of_r)
            of_n = recurrence[1](r * h)
        z = self.activated(s, z + of_z)
        n = self.activated(t, n + of_n)
        return [n + z * (h - n)]

    def get_config(self):
        return {**super().get_config(), "reset_after": self.reset_after}


@register()
class YatGRU(YatRecurrent):
    cell_class = YatGRUCell
