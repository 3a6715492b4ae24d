"""The cell of the simple recurrent Yat layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._register import register
from keras_yat._types import Identifier, LayerOptions, Tensor
from keras_yat.layers._cell import BaseYatCell


@register()
class YatSimpleRNNCell(BaseYatCell):
    """A step of a simple recurrent layer of Yat neurons: `h' = t(Y_W(x) + Y_U(h))`.

    Y_W and Y_U are Yat products, t is the `activation`. For `keras.layers.RNN` and
    `keras.layers.StackedRNNCells`, or to be called step by step. `YatSimpleRNN` computes the same
    over a sequence, faster.

    Args:
        units: Number of neurons, and the size of h.
        activation: Activation t of the candidates, from sums of Yat products, which are ≥ 0 for
            alpha ≥ 0: a name of `keras_yat.activations.get`, a layer, a callable, or None. The
            published cells use `"score_tanh"`.
        use_bias: Whether the Yat product of the input has a bias.
        kernel_initializer: Initializer of the kernel of the input: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
            `"glorot_uniform"` gives the published start: bias 0, alpha 1.
        recurrent_initializer: Initializer of the kernel of the state, as `kernel_initializer`.
        bias_initializer: Initializer of the bias. None: the kernel initializer's matching default,
            that of `YatNormal`, or 0 for others.
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
        states: [h], of shape `(batch, units)`.
        training: Whether dropout and DropConnect apply.

    Input shape:
        `(batch, input_dim)`.

    Output shape:
        `(batch, units)`, and a list of the next h.

    Raises:
        ValueError: If an argument is out of range, or the size of the last axis of the input is
            unknown.

    Example:

    >>> cell = keras_yat.YatSimpleRNNCell(4)
    >>> x = np.random.default_rng(0).normal(size=(2, 3))
    >>> output, states = cell(x, cell.get_initial_state(2))
    >>> output.shape == (2, 4)
    True

    Reference:
        J. Elman, Finding Structure in Time, 1990. Yat cells: T. Bouhsine, Deep Learning 2.0:
        Artificial Neurons That Matter, 2024 (package nmn), with the activation `"score_tanh"`.
    """

    def __init__(
        self,
        units: int,
        activation: Identifier | None = "tanh",
        use_bias: bool = True,
        kernel_initializer: Identifier = "yat_normal",
        recurrent_initializer: Identifier = "yat_normal",
        bias_initializer: Identifier | None = None,
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

    def step(
        self,
        functions: Sequence[Any],
        of_input: Tensor,
        of_state: Tensor,
        states: Sequence[Tensor],
        *further: Any,
    ) -> list[Tensor]:
        return [functions[0](of_input + of_state)]

    def step_backward(
        self,
        functions: Sequence[ValueAndSlope],
        upstream: Sequence[Tensor],
        of_input: Tensor,
        of_state: Tensor,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, list[Any]]:
        _, slope = functions[0].with_slope(of_input + of_state)
        of_total = upstream[0] * slope
        return of_total, of_total, [0.0]
