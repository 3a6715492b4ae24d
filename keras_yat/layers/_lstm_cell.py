"""The cell of the Yat LSTM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

from keras import ops

from keras_yat import _validate, initializers
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._register import register
from keras_yat._types import Config, Identifier, LayerOptions, Tensor
from keras_yat.layers._gated_cell import BaseGatedYatCell

_OPEN = math.e
"""The output of the forget gates' neurons at the start: its softer_sigmoid is the sigmoid of 1."""


@register()
class YatLSTMCell(BaseGatedYatCell):
    """A step of an LSTM whose gates and candidates are computed from two Yat products.

    With y = Y_W(x) + Y_U(h) in four blocks, Y_W and Y_U Yat products, s the
    `recurrent_activation` and t the `activation`:

    - c' = s(y_f)·c + s(y_i)·t(y_c)
    - h' = s(y_o)·t(c')

    score_tanh, the default t, maps a negative c to the same as 0. For `keras.layers.RNN` and
    `keras.layers.StackedRNNCells`, or to be called step by step. `YatLSTM` computes the same over
    a sequence, faster.

    Args:
        units: Number of neurons in each block, and the size of h and of c.
        activation: Activation t of the candidates, from sums of Yat products, which are ≥ 0 for
            alpha ≥ 0: a name of `keras_yat.activations.get`, a layer, a callable, or None. The
            published cells use `"score_tanh"`.
        recurrent_activation: Activation s of the gates, as `activation`. The published cells use
            `"softer_sigmoid"`.
        use_bias: Whether the Yat product of the input has a bias.
        kernel_initializer: Initializer of the kernel of the input: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
            `"glorot_uniform"` gives the published start: bias 0, alpha 1.
        recurrent_initializer: Initializer of the kernel of the state, as `kernel_initializer`.
        bias_initializer: Initializer of the bias. None: the kernel initializer's matching default,
            that of `YatNormal`, or 0 for others.
        unit_forget_bias: Whether forget gates start open. With the default initializers their
            neurons output e on average, whose softer_sigmoid equals Keras's start, the sigmoid
            of 1. With another initializer of the kernel or the bias, their bias starts at 1.
        kernel_regularizer: Regularizer of the kernel, or None.
        recurrent_regularizer: Regularizer of the recurrent kernel, or None.
        bias_regularizer: Regularizer of the bias, or None.
        kernel_constraint: Constraint on the kernel, or None.
        recurrent_constraint: Constraint on the recurrent kernel, or None.
        bias_constraint: Constraint on the bias, or None.
        dropout: Dropout rate of the input, in [0, 1), with the same mask at every step and for
            every gate.
        recurrent_dropout: Dropout rate of the state, in the same way. Training a layer is slower
            with it.
        seed: Seed for reproducible masks, an int, or None.
        epsilon: Added to the squared distance: a number above 0, in squared units of the input.
            Within this squared distance the output levels off.
        learn_epsilon: Whether epsilon is trained. It starts at `epsilon` and stays at or above
            1e-7. Adam moves it by about its learning rate per step: start it at the scale of the
            squared distances of the data.
        alpha: Factor of the Yat product: `"learned"` to train it, a number for a constant, None for
            1.
        alpha_initializer: Initializer of a learned alpha. None: the kernel initializer's matching
            default, that of `YatNormal`, or 1 for others.
        constant_bias: A number that replaces the trained bias, or None.
        kernel_multiplier: Factor between the trained variable and the weights w of the neurons: a
            number above 0, or `"auto"` for the kernel initializer's matching default. With that of
            `YatNormal` the usual learning rates of Keras's layers are suitable; with others it is
            1. `prototypes()` returns w. Regularizers, constraints and weight decay apply to the
            trained variable.
        normalize: None; `"kernel"` to divide each w by its norm; `"sphere"` to divide each input by
            its norm as well. Vectors of zeros stay zero.
        distance: `"expanded"`: a single matrix product or convolution. Its rounding hides distances
            ‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision. `"direct"`: the sum
            of squared differences, exact and slow.
        drop_connect: DropConnect rate of the kernel in training, in [0, 1). Kept entries are
            divided by 1 - rate; each call draws a new mask.
        kernel_trainable: Whether the kernel is trained. False freezes the kernel alone.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: Floats of shape `(batch, input_dim)`.
        states: [h, c], each of shape `(batch, units)`.
        training: Whether dropout and DropConnect apply.

    Input shape:
        `(batch, input_dim)`.

    Output shape:
        `(batch, units)`, and a list of the next h and c of the same shape.

    Raises:
        ValueError: If an argument is out of range, or the size of the last axis of the input is
            unknown.

    Example:

    >>> cell = keras_yat.YatLSTMCell(4)
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> keras.layers.RNN(cell)(x).shape == (2, 4)
    True

    Reference:
        S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997, with forget gates. Yat
        cells: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn).
    """

    gates: ClassVar[int] = 4

    def __init__(
        self,
        units: int,
        activation: Identifier | None = "score_tanh",
        recurrent_activation: Identifier | None = "softer_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Identifier = "yat_normal",
        recurrent_initializer: Identifier = "yat_normal",
        bias_initializer: Identifier | None = None,
        unit_forget_bias: bool = True,
        kernel_regularizer: Identifier | None = None,
        recurrent_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        recurrent_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        *,
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = "learned",
        alpha_initializer: Identifier | None = None,
        constant_bias: float | None = None,
        kernel_multiplier: float | Literal["auto"] = "auto",
        normalize: Literal["kernel", "sphere"] | None = None,
        distance: Literal["expanded", "direct"] = "expanded",
        drop_connect: float = 0.0,
        kernel_trainable: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            alpha=alpha,
            alpha_initializer=alpha_initializer,
            constant_bias=constant_bias,
            kernel_multiplier=kernel_multiplier,
            normalize=normalize,
            distance=distance,
            drop_connect=drop_connect,
            kernel_trainable=kernel_trainable,
            **kwargs,
        )
        self.unit_forget_bias: bool = _validate.flag("unit_forget_bias", unit_forget_bias)
        self.state_size: Any = [self.units, self.units]

    def _initial_bias(self, default: float, entries: int) -> Any:
        start = super()._initial_bias(default, entries)
        if not self.unit_forget_bias:
            return start
        open_gate = 1.0
        kernel = self._kernel_options.initializer
        if self._bias_options.initializer is None and isinstance(kernel, initializers.YatNormal):
            open_gate = kernel.bias_for_output(_OPEN, entries, self.normalize)

        def with_open_gates(shape, dtype=None):
            of_input = start((self.units,), dtype=dtype)
            of_forget = ops.full((self.units,), open_gate, dtype=dtype)
            return ops.concatenate([of_input, of_forget, start((2 * self.units,), dtype=dtype)])

        return with_open_gates

    def step(
        self,
        functions: Sequence[Any],
        of_input: Tensor,
        of_state: Tensor,
        states: Sequence[Tensor],
        *further: Any,
    ) -> list[Tensor]:
        t, s = functions
        _, c = states
        i, f, g, o = ops.split(of_input + of_state, 4, axis=-1)
        c = s(f) * c + s(i) * t(g)
        return [s(o) * t(c), c]

    def step_backward(
        self,
        functions: Sequence[ValueAndSlope],
        upstream: Sequence[Tensor],
        of_input: Tensor,
        of_state: Tensor,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, list[Any]]:
        t, s = functions
        of_h, of_c = upstream
        i, f, g, o = ops.split(of_input + of_state, 4, axis=-1)
        (i, di), (f, df), (o, do) = s.with_slope(i), s.with_slope(f), s.with_slope(o)
        (g, dg), (c, dc) = t.with_slope(g), t.with_slope(after[1])
        of_c = of_c + of_h * o * dc
        of_total = ops.concatenate(
            [of_c * g * di, of_c * before[1] * df, of_c * i * dg, of_h * c * do], axis=-1
        )
        return of_total, of_total, [0.0, of_c * f]

    def get_config(self) -> Config:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}
