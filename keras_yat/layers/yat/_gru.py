"""The gated recurrent unit of Yat neurons."""

from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._register import register
from keras_yat.layers.yat._cell import GatedCell
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._recurrent import YatRecurrent


@register()
@documented
class YatGRUCell(GatedCell):
    """One step of a gated recurrent unit whose gates and candidate are Yat neurons.

    With Y_W(x) and Y_U(h) Yat products in three blocks, s the `recurrent_activation`
    and t the `activation`:

    - z = s(Y_W(x)_z + Y_U(h)_z), r = s(Y_W(x)_r + Y_U(h)_r)
    - n = t(Y_W(x)_n + r·Y_U(h)_n), or t(Y_W(x)_n + Y_U(r·h)_n) without `reset_after`
    - h' = (1 - z)·n + z·h

    For `keras.layers.RNN` and `keras.layers.StackedRNNCells`, or to be called step by
    step. Over a sequence `YatGRU` computes the same, faster.

    Args:
        units: Number of neurons in each block, and the size of h.
        <recurrent arguments>
        <gru arguments>
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

    >>> cells = [keras_yat.YatGRUCell(4), keras_yat.YatGRUCell(6)]
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> keras.layers.RNN(cells)(x).shape == (2, 6)
    True

    Reference:
        K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder,
        2014, arXiv:1406.1078; the recurrent cells of the Yat networks (package nmn).
    """

    counterpart = keras.layers.GRUCell
    gates = 3

    def __init__(
        self,
        units: int,
        *,
        recurrent_activation: Any = "sigmoid",
        reset_after: bool = True,
        **kwargs: Any,
    ):
        super().__init__(units, recurrent_activation=recurrent_activation, **kwargs)
        self.reset_after = _validate.flag("reset_after", reset_after)

    def parts(self):
        return [(0, 3)] if self.reset_after else [(0, 2), (2, 3)]

    def advance(self, functions, of_input, of_state, states, *again):
        t, s = functions
        (h,) = states
        z, r, n = ops.split(of_input, 3, axis=-1)
        of_z, of_r, *of_n = ops.split(of_state, 3 - len(again), axis=-1)
        z, r = z + of_z, r + of_r
        if again:
            return [_mixed(s(z), h, t(n + again[0](s(r) * h)))], []
        n = n + s(r) * of_n[0]
        return [_mixed(s(z), h, t(n))], [z, r, n, of_n[0]]

    def retreat(self, curves, upstream, kept, before, after):
        t, s = curves
        (of_h,) = upstream
        (h,) = before
        z, r, n, of_state_n = kept
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


def _mixed(z, h, n):
    """(1 - z)·n + z·h."""
    return n + z * (h - n)


@register()
@documented
class YatGRU(YatRecurrent):
    """Gated recurrent unit whose gates and candidate are Yat neurons.

    `YatGRUCell` over a sequence, with the same numbers: in the place of
    `keras.layers.GRU`, but for `use_cudnn`: no fused kernel knows a Yat neuron.

    Args:
        units: Number of neurons in each block, and the size of h.
        <recurrent arguments>
        <gru arguments>
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
    >>> output, state = keras_yat.YatGRU(4, return_state=True)(x)
    >>> state.shape == (2, 4)
    True

    Reference:
        K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder,
        2014, arXiv:1406.1078; the recurrent cells of the Yat networks (package nmn).
    """

    counterpart = keras.layers.GRU
    cell_class = YatGRUCell
