"""The long short-term memory of Yat neurons."""

import math
from typing import Any

import keras
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._register import register
from keras_yat.layers.yat._cell import GatedCell
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._recurrent import YatRecurrent

_OPEN = math.e
"""Where forget gates start: softer_sigmoid of it is the sigmoid of 1, Keras's bias."""


@register()
@documented
class YatLSTMCell(GatedCell):
    """One step of a long short-term memory whose gates and candidate are Yat neurons.

    With y = Y_W(x) + Y_U(h) in four blocks, Y_W and Y_U Yat products, s the
    `recurrent_activation` and t the `activation`:

    - c' = s(y_f)·c + s(y_i)·t(y_c)
    - h' = s(y_o)·t(c')

    score_tanh, the default t, counts a negative c as 0.

    For `keras.layers.RNN` and `keras.layers.StackedRNNCells`, or to be called step by
    step. Over a sequence `YatLSTM` computes the same, faster.

    Args:
        units: Number of neurons in each block, and the size of h and of c.
        <recurrent arguments>
        <lstm arguments>
        <cell arguments>
        <yat arguments>

    Call arguments:
        inputs: Floats of shape `(batch, input_dim)`.
        states: [h, c], each `(batch, units)`.
        training: Whether dropout and DropConnect apply.

    Input shape:
        `(batch, input_dim)`.

    Output shape:
        `(batch, units)`, and a list of the next h and c of the same shape.

    Raises:
        ValueError: if an argument is out of range, or the last axis of the input
            has no known size.

    Example:

    >>> cell = keras_yat.YatLSTMCell(4)
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> keras.layers.RNN(cell)(x).shape == (2, 4)
    True

    Reference:
        S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997, with forget
        gates; the recurrent cells of the Yat networks (package nmn).
    """

    counterpart = keras.layers.LSTMCell
    gates = 4

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **kwargs: Any):
        super().__init__(units, **kwargs)
        self.unit_forget_bias = _validate.flag("unit_forget_bias", unit_forget_bias)
        self.state_size = [self.units, self.units]

    def bias_start(self, suited, entries):
        start = super().bias_start(suited, entries)
        if not self.unit_forget_bias:
            return start
        opened = 1.0
        kernel = self.kernel_initializer
        if self.bias_initializer is None and isinstance(kernel, initializers.YatNormal):
            opened = kernel.bias_of_response(_OPEN, entries, self.normalize)

        def with_open_gates(shape, dtype=None):
            of_input = start((self.units,), dtype=dtype)
            of_forget = ops.full((self.units,), opened, dtype=dtype)
            return ops.concatenate([of_input, of_forget, start((2 * self.units,), dtype=dtype)])

        return with_open_gates

    def advance(self, functions, of_input, of_state, states):
        t, s = functions
        _, c = states
        total = of_input + of_state
        i, f, g, o = ops.split(total, 4, axis=-1)
        c = s(f) * c + s(i) * t(g)
        return [s(o) * t(c), c], [total]

    def retreat(self, curves, upstream, kept, before, after):
        t, s = curves
        of_h, of_c = upstream
        i, f, g, o = ops.split(kept[0], 4, axis=-1)
        (i, di), (f, df), (o, do) = s.with_slope(i), s.with_slope(f), s.with_slope(o)
        (g, dg), (c, dc) = t.with_slope(g), t.with_slope(after[1])
        of_c = of_c + of_h * o * dc
        of_total = ops.concatenate(
            [of_c * g * di, of_c * before[1] * df, of_c * i * dg, of_h * c * do], axis=-1
        )
        return of_total, of_total, [0.0, of_c * f]

    def get_config(self):
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@register()
@documented
class YatLSTM(YatRecurrent):
    """Long short-term memory whose gates and candidate are Yat neurons.

    `YatLSTMCell` over a sequence, with the same numbers: in the place of
    `keras.layers.LSTM`, but for `use_cudnn`: no fused kernel knows a Yat neuron.

    Args:
        units: Number of neurons in each block, and the size of h and of c.
        <recurrent arguments>
        <lstm arguments>
        <cell arguments>
        <sequence arguments>
        <yat arguments>

    Call arguments:
        <call arguments>
        initial_state: [h, c] to start from, each `(batch, units)`; None for zeros.

    Input shape:
        `(batch, time, input_dim)`.

    Output shape:
        `(batch, units)`; with `return_sequences` `(batch, time, units)`. With
        `return_state` also the last h and the last c, `(batch, units)`.

    Raises:
        ValueError: if an argument is out of range, or the last axis of the input
            has no known size.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> layer = keras_yat.YatLSTM(4, return_sequences=True)
    >>> layer(x).shape == (2, 5, 4)
    True
    >>> [w.path.split("/")[-1] for w in layer.weights]
    ['kernel', 'recurrent_kernel', 'bias', 'alpha', 'recurrent_alpha']

    Reference:
        S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997, with forget
        gates; the recurrent cells of the Yat networks (package nmn).
    """

    counterpart = keras.layers.LSTM
    cell_class = YatLSTMCell
