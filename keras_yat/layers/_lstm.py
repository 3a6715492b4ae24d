"""The Yat LSTM."""

from __future__ import annotations

from typing import ClassVar, Literal, Unpack

from keras_yat._register import register
from keras_yat._types import Identifier, LayerOptions
from keras_yat.layers._cell import BaseYatCell
from keras_yat.layers._lstm_cell import YatLSTMCell
from keras_yat.layers._recurrent import BaseGatedYatRecurrent, OfCell


@register()
class YatLSTM(BaseGatedYatRecurrent):
    """LSTM whose gates and candidates are computed from two Yat products.

    Replaces `keras.layers.LSTM`, without `use_cudnn`. Layer and `YatLSTMCell`, which has the
    formulas, agree on every backend.

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
        activity_regularizer: Regularizer of the output, or None.
        kernel_constraint: Constraint on the kernel, or None.
        recurrent_constraint: Constraint on the recurrent kernel, or None.
        bias_constraint: Constraint on the bias, or None.
        dropout: Dropout rate of the input, in [0, 1), with the same mask at every step and for
            every gate.
        recurrent_dropout: Dropout rate of the state, in the same way. Training a layer is slower
            with it.
        seed: Seed for reproducible masks, an int, or None.
        return_sequences: Whether to return the outputs of all steps, or only the last.
        return_state: Whether to return the last states as well.
        go_backwards: Whether to process the sequence from its end. Outputs are in the order of
            processing.
        stateful: Whether a batch starts from the last states of the batch before. The batch size is
            then constant; `reset_state()` sets the states to 0.
        unroll: Whether to unroll the loop. The number of steps must be known.
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
        zero_output_for_mask: Whether masked steps return 0, or the output of the step before.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        sequences: Floats of shape `(batch, time, input_dim)`.
        mask: None, or booleans `(batch, time)`: masked steps (False) keep the states.
        training: Whether dropout and DropConnect apply.
        initial_state: [h, c] at the start, each of shape `(batch, units)`; None: zeros.

    Input shape:
        `(batch, time, input_dim)`.

    Output shape:
        `(batch, units)`; with `return_sequences` `(batch, time, units)`. With `return_state` also
        the last h and the last c, `(batch, units)`.

    Raises:
        ValueError: If an argument is out of range, or the size of the last axis of the input is
            unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> layer = keras_yat.YatLSTM(4, return_sequences=True)
    >>> layer(x).shape == (2, 5, 4)
    True
    >>> [w.path.split("/")[-1] for w in layer.weights]
    ['kernel', 'recurrent_kernel', 'bias', 'alpha', 'recurrent_alpha']

    Reference:
        S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, 1997, with forget gates. Yat
        cells: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024 (package nmn).
    """

    cell_class: ClassVar[type[BaseYatCell]] = YatLSTMCell
    unit_forget_bias: OfCell[bool] = OfCell()

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
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        recurrent_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
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
        zero_output_for_mask: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units=units,
            unit_forget_bias=unit_forget_bias,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
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
            zero_output_for_mask=zero_output_for_mask,
            **kwargs,
        )
