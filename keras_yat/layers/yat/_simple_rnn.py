"""The simple recurrent layer."""

from keras_yat._register import register
from keras_yat.layers.yat._cell import YatCell
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
class YatSimpleRNNCell(YatCell):
    def advance(self, projected, states, recurrence):
        return [self.activated(self.activation, projected + recurrence[0](states[0]))]


@register()
class YatSimpleRNN(YatRecurrent):
    cell_class = YatSimpleRNNCell
