"""The simple recurrent layer."""

from keras_yat._register import register
from keras_yat.layers.yat._cell import YatCell
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
class YatSimpleRNNCell(YatCell):
    def advance(self, functions, of_input, of_state, states):
        total = of_input + of_state
        return [functions[0](total)], [total]

    def retreat(self, curves, upstream, kept, before, after):
        of_total = upstream[0] * curves[0].with_slope(kept[0])[1]
        return of_total, of_total, [0.0]


@register()
class YatSimpleRNN(YatRecurrent):
    cell_class = YatSimpleRNNCell
