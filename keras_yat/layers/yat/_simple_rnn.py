"""The simple recurrent layer of Yat neurons."""

import keras

from keras_yat._register import register
from keras_yat.layers.yat._cell import YatCell
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
@documented
class YatSimpleRNNCell(YatCell):
    """One step of a recurrent layer of Yat neurons: `h' = t(Y_W(x) + Y_U(h))`.

    Y_W and Y_U are Yat products, t is the `activation`. For `keras.layers.RNN` and
    `keras.layers.StackedRNNCells`, or to be called step by step. Over a sequence
    `YatSimpleRNN` computes the same, faster.

    Args:
        units: Number of neurons, and the size of h.
        <recurrent arguments>
        <cell arguments>
        <yat arguments>

    Call arguments:
        inputs: Floats of shape `(batch, input_dim)`.
        states: [h], `(batch, units)`.
        training: Whether dropout and DropConnect apply.

    Input shape:
        `(batch, input_dim)`.

    Output shape:
        `(batch, units)`, and a list of the next h.

    Raises:
        ValueError: if an argument is out of range, or the last axis of the input
            has no known size.

    Example:

    >>> cell = keras_yat.YatSimpleRNNCell(4)
    >>> x = np.random.default_rng(0).normal(size=(2, 3))
    >>> output, states = cell(x, cell.get_initial_state(2))
    >>> output.shape == (2, 4)
    True

    Reference:
        J. Elman, Finding Structure in Time, 1990; the recurrent cells of the Yat
        networks (package nmn), whose activation is `"score_tanh"`.
    """

    counterpart = keras.layers.SimpleRNNCell

    def advance(self, functions, of_input, of_state, states):
        total = of_input + of_state
        return [functions[0](total)], [total]

    def retreat(self, curves, upstream, kept, before, after):
        _, slope = curves[0].with_slope(kept[0])
        of_total = upstream[0] * slope
        return of_total, of_total, [0.0]


@register()
@documented
class YatSimpleRNN(YatRecurrent):
    """Recurrent layer of Yat neurons: `h' = t(Y_W(x) + Y_U(h))`.

    `YatSimpleRNNCell` over a sequence, with the same numbers: in the place of
    `keras.layers.SimpleRNN`.

    Args:
        units: Number of neurons, and the size of h.
        <recurrent arguments>
        <cell arguments>
        <sequence arguments>
        <yat arguments>

    Call arguments:
        <call arguments>
        initial_state: [h] to start from, `(batch, units)`; None for zeros.

    Input shape:
        `(batch, time, input_dim)`.

    Output shape:
        `(batch, units)`; with `return_sequences` `(batch, time, units)`. With
        `return_state` also the last h, `(batch, units)`.

    Raises:
        ValueError: if an argument is out of range, or the last axis of the input
            has no known size.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> layer = keras.layers.Bidirectional(keras_yat.YatSimpleRNN(4))
    >>> layer(x).shape == (2, 8)
    True

    Reference:
        J. Elman, Finding Structure in Time, 1990; the recurrent cells of the Yat
        networks (package nmn), whose activation is `"score_tanh"`.
    """

    counterpart = keras.layers.SimpleRNN
    cell_class = YatSimpleRNNCell
