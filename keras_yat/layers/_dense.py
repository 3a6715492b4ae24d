"""The dense Yat layer."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import keras

from keras_yat._register import register
from keras_yat._types import Identifier, LayerOptions, Shape
from keras_yat.layers._base_dense import BaseYatDense


@register()
class YatDense(BaseYatDense):
    """Dense layer of Yat neurons: `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)`.

    Replaces `keras.layers.Dense` and its activation. The output of a neuron is large when the
    input points along its weights and lies close to them; it is never negative (for alpha ≥ 0).
    With the default starting values the rms of the signal stays near 1 in any number of layers,
    from a width of about 16 on.

    Args:
        units: Number of neurons, an int of at least 1.
        activation: Activation of the output: a name of `keras_yat.activations.get`, a layer, a
            callable, or None.
        use_bias: Whether the neurons have a bias b.
        kernel_initializer: Initializer of the kernel: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
            `"glorot_uniform"` gives the published start: bias 0, alpha 1.
        bias_initializer: Initializer of the bias. None: the kernel initializer's matching default,
            that of `YatNormal`, or 0 for others.
        kernel_regularizer: Regularizer of the kernel, or None.
        bias_regularizer: Regularizer of the bias, or None.
        activity_regularizer: Regularizer of the output, or None.
        kernel_constraint: Constraint on the kernel, or None.
        bias_constraint: Constraint on the bias, or None.
        lora_rank: Rank of a trained low-rank term of the kernel, which is frozen then: see
            `enable_lora`. None for no such term.
        lora_alpha: Factor of the low-rank term, a number above 0, which is divided by `lora_rank`.
            None for `lora_rank`.
        kernel_from: A layer of the same class whose kernel this layer uses, or None. The two share
            a single weight, also in the `.keras` file of a model that has both among its own
            layers; Keras's `clone_model` and `model_from_json` give each its own. Setting
            `trainable` to False on either freezes the kernel for both; `kernel_trainable=False`
            here freezes it for this layer alone. The multiplier is that of `kernel_from`.
        kernel_slice: (start, stop): the neurons of `kernel_from` that this layer uses. None: all.
        kernel_quantizer: None for a float kernel; `"ternary"` or a `keras_yat.quantizers.Ternary`
            for weights -β, 0 and β, with a β per neuron: product and norm use these, training is
            straight-through, and files hold them packed.
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
        seed: Seed for reproducible masks, an int, or None.
        kernel_trainable: Whether the kernel is trained. False freezes the kernel alone.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        `(batch, …, input_dim)`, of rank 2 or more.

    Output shape:
        `(batch, …, units)`.

    Raises:
        ValueError: If an argument is out of range, or the size of the last axis of the input is
            unknown.

    Example:

    >>> digits = np.random.default_rng(0).random((32, 64))
    >>> layer = keras_yat.YatDense(10)
    >>> layer(digits).shape == (32, 10)
    True
    >>> [w.path.split("/")[-1] for w in layer.weights]
    ['kernel', 'bias', 'alpha']

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024; arXiv:2605.03262 and
        arXiv:2603.12276. The starting values and the floor of the distance are this package's: see
        `keras_yat.initializers` and `keras_yat.ops`.
    """

    def __init__(
        self,
        units: int,
        activation: Identifier | None = None,
        use_bias: bool = True,
        kernel_initializer: Identifier = "yat_normal",
        bias_initializer: Identifier | None = None,
        kernel_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        *,
        kernel_from: Any = None,
        kernel_slice: tuple[int, int] | None = None,
        kernel_quantizer: Identifier | None = None,
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = "learned",
        alpha_initializer: Identifier | None = None,
        constant_bias: float | None = None,
        kernel_multiplier: float | Literal["auto"] = "auto",
        normalize: Literal["kernel", "sphere"] | None = None,
        distance: Literal["expanded", "direct"] = "expanded",
        drop_connect: float = 0.0,
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            kernel_from=kernel_from,
            kernel_slice=kernel_slice,
            kernel_quantizer=kernel_quantizer,
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            alpha=alpha,
            alpha_initializer=alpha_initializer,
            constant_bias=constant_bias,
            kernel_multiplier=kernel_multiplier,
            normalize=normalize,
            distance=distance,
            drop_connect=drop_connect,
            seed=seed,
            kernel_trainable=kernel_trainable,
            **kwargs,
        )
        self.input_spec: Any = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
