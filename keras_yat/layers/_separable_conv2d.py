"""The 2D separable Yat convolution."""

from __future__ import annotations

from typing import Literal, Unpack

from keras_yat._register import register
from keras_yat._types import Identifier, LayerOptions, Size
from keras_yat.layers._base_separable_conv import BaseYatSeparableConv


@register()
class YatSeparableConv2D(BaseYatSeparableConv):
    """2D separable convolution of Yat neurons, whose kernel has a depthwise and a pointwise factor.

    The outputs are `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)`. X is the patch of the input under
    the window, with the zeros of the padding, and W the kernel
    `W[k, c, f] = Σ_m D[k, c, m]·P[c·depth_multiplier + m, f]`, composed from a depthwise kernel D
    and a pointwise kernel P. The outputs are those of `YatConv2D` with this kernel; the product
    is computed as a depthwise convolution and a matrix product. Replaces
    `keras.layers.SeparableConv2D` and its activation. `prototypes()` returns W.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int, or 2 ints.
        strides: Strides of the window, an int, or 2 ints; on TensorFlow two equal ints.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the entries of the window, an int, or 2 ints.
        depth_multiplier: Number of depthwise kernels of each channel of the input, an int of at
            least 1.
        activation: Activation of the output: a name of `keras_yat.activations.get`, a layer, a
            callable, or None.
        use_bias: Whether the neurons have a bias b.
        depthwise_initializer: Initializer of the depthwise kernel: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
            `"glorot_uniform"` starts bias and alpha at 0 and 1.
        pointwise_initializer: Initializer of the pointwise kernel. None: the depthwise
            initializer's matching default. With `YatNormal` it has the variance 1 /
            depth_multiplier, so that entries of the composed kernel have that of `YatNormal`; with
            others it is `"glorot_uniform"`. With another one bias and alpha start at 0 and 1.
        bias_initializer: Initializer of the bias. None: the kernel initializer's matching default,
            that of `YatNormal`, or 0 for others.
        depthwise_regularizer: Regularizer of the depthwise kernel, or None.
        pointwise_regularizer: Regularizer of the pointwise kernel, or None.
        bias_regularizer: Regularizer of the bias, or None.
        activity_regularizer: Regularizer of the output, or None.
        depthwise_constraint: Constraint on the depthwise kernel, or None.
        pointwise_constraint: Constraint on the pointwise kernel, or None.
        bias_constraint: Constraint on the bias, or None.
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
        kernel_multiplier: Factor between each of the two trained variables and its kernel: a number
            above 0, or `"auto"` for the initializer's matching default. With those of the default
            initializers the usual learning rates of Keras's layers are suitable; with others it is
            1. `prototypes()` returns w. Regularizers, constraints and weight decay apply to the
            trained variables.
        normalize: None; `"kernel"` to divide each w by its norm; `"sphere"` to divide each input by
            its norm as well. Vectors of zeros stay zero.
        distance: `"expanded"`: a depthwise convolution and a matrix product. Their rounding hides
            distances ‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision.
            `"direct"`: the sum of squared differences, exact and slow.
        drop_connect: DropConnect rate of both kernels in training, in [0, 1). Kept entries are
            divided by 1 - rate; each call draws new masks.
        seed: Seed for reproducible masks, an int, or None.
        kernel_trainable: Whether the kernels are trained. False freezes both of them alone.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `data_format="channels_first"`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or
        `(batch, filters, new_height, new_width)` with `data_format="channels_first"`.

    Raises:
        ValueError: If an argument is out of range or contradicts another, or the number of
            channels is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    >>> keras_yat.YatSeparableConv2D(4, 3)(x).shape == (2, 6, 6, 4)
    True

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024; arXiv:2605.03262 and
        arXiv:2603.12276. The separable form, the starting values and the floor of the distance are
        this package's: see `keras_yat.initializers` and `keras_yat.ops`.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Size = 1,
        depth_multiplier: int = 1,
        activation: Identifier | None = None,
        use_bias: bool = True,
        depthwise_initializer: Identifier = "yat_normal",
        pointwise_initializer: Identifier | None = None,
        bias_initializer: Identifier | None = None,
        depthwise_regularizer: Identifier | None = None,
        pointwise_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        depthwise_constraint: Identifier | None = None,
        pointwise_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
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
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
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
