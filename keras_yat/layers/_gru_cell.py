"""The cell of the Yat GRU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._register import register
from keras_yat._types import Config, Identifier, LayerOptions, Tensor
from keras_yat.layers._gated_cell import BaseGatedYatCell


@register()
class YatGRUCell(BaseGatedYatCell):
    """A step of a GRU whose gates and candidates are computed from two Yat products.

    With Y_W(x) and Y_U(h) Yat products in three blocks, s the `recurrent_activation` and t the
    `activation`:

    - z = s(Y_W(x)_z + Y_U(h)_z), r = s(Y_W(x)_r + Y_U(h)_r)
    - n = t(Y_W(x)_n + r·Y_U(h)_n), or t(Y_W(x)_n + Y_U(r·h)_n) without `reset_after`
    - h' = (1 - z)·n + z·h

    For `keras.layers.RNN` and `keras.layers.StackedRNNCells`, or to be called step by step.
    `YatGRU` computes the same over a sequence, faster.

    Args:
        units: Number of neurons in each block, and the size of h.
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
        reset_after: Whether the reset gate is applied to the Yat product of the state, or to the
            state before it, which is slower. Unlike in Keras there is no second bias.
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

    >>> cells = [keras_yat.YatGRUCell(4), keras_yat.YatGRUCell(6)]
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> keras.layers.RNN(cells)(x).shape == (2, 6)
    True

    Reference:
        K. Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014,
        arXiv:1406.1078. Yat cells: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter,
        2024 (package nmn).
    """

    gates: ClassVar[int] = 3

    def __init__(
        self,
        units: int,
        activation: Identifier | None = "score_tanh",
        recurrent_activation: Identifier | None = "softer_sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after: bool = _validate.flag("reset_after", reset_after)

    def _recurrent_parts(self) -> list[tuple[int, int]]:
        return [(0, 3)] if self.reset_after else [(0, 2), (2, 3)]

    def step(
        self,
        functions: Sequence[Any],
        of_input: Tensor,
        of_state: Tensor,
        states: Sequence[Tensor],
        *further: Any,
    ) -> list[Tensor]:
        t, s = functions
        (h,) = states
        z, r, n = ops.split(of_input, 3, axis=-1)
        of_z, of_r, *of_n = ops.split(of_state, 3 - len(further), axis=-1)
        z, r = z + of_z, r + of_r
        if further:
            return [_mixed(s(z), h, t(n + further[0](s(r) * h)))]
        return [_mixed(s(z), h, t(n + s(r) * of_n[0]))]

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
        (of_h,) = upstream
        (h,) = before
        z, r, n = ops.split(of_input, 3, axis=-1)
        of_state_z, of_state_r, of_state_n = ops.split(of_state, 3, axis=-1)
        (z, dz), (r, dr) = s.with_slope(z + of_state_z), s.with_slope(r + of_state_r)
        n, dn = t.with_slope(n + r * of_state_n)
        of_n = of_h * (1.0 - z) * dn
        of_z = of_h * (h - n) * dz
        of_r = of_n * of_state_n * dr
        return (
            ops.concatenate([of_z, of_r, of_n], axis=-1),
            ops.concatenate([of_z, of_r, of_n * r], axis=-1),
            [of_h * z],
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "reset_after": self.reset_after}


def _mixed(z, h, n):
    """(1 - z)·n + z·h."""
    return n + z * (h - n)
