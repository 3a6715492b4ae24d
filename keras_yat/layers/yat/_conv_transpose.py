"""Transposed convolutions of Yat neurons."""

from typing import Any

from keras_yat._register import register
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._window import ConvTranspose


@register()
@documented
class YatConv1DTranspose(ConvTranspose):
    """1D transposed convolution of Yat neurons, for upsampling.

    The Yat convolution `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)` over the input
    with zeros put between and around its entries; W is a neuron's whole kernel. In
    the place of `keras.layers.Conv1DTranspose` with an activation.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int.
        strides: Upsampling factors, an int; 1 where `dilation_rate` is not.
        padding: `"valid"` or `"same"`.
        output_padding: Entries added to the output behind each axis, an int,
            each less than its stride; None for what inverts the shape of a convolution.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the window's taps, an int.
        <kernel arguments>
        <yat arguments>

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)`
        with `data_format="channels_first"`.

    Output shape:
        `(batch, new_steps, filters)`, or
        `(batch, filters, new_steps)`.

    Raises:
        ValueError: if an argument is out of range or does not go with another, or
            the number of channels is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 9, 3))
    >>> keras_yat.YatConv1DTranspose(4, 3, strides=2, padding="same")(x).shape == (2, 18, 4)
    True

    Reference:
        The transposed convolution of the Yat networks. Starting values and the floor
        of the distance are this package's: see `keras_yat.initializers` and
        `keras_yat.ops`.
    """

    rank = 1


@register()
@documented
class YatConv2DTranspose(ConvTranspose):
    """2D transposed convolution of Yat neurons, for upsampling.

    The Yat convolution `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)` over the input
    with zeros put between and around its entries; W is a neuron's whole kernel. In
    the place of `keras.layers.Conv2DTranspose` with an activation.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int, or 2 of them.
        strides: Upsampling factors, an int, or 2 of them; 1 where `dilation_rate` is not.
        padding: `"valid"` or `"same"`.
        output_padding: Entries added to the output behind each axis, an int, or 2 of them,
            each less than its stride; None for what inverts the shape of a convolution.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the window's taps, an int, or 2 of them.
        <kernel arguments>
        <yat arguments>

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)`
        with `data_format="channels_first"`.

    Output shape:
        `(batch, new_height, new_width, filters)`, or
        `(batch, filters, new_height, new_width)`.

    Raises:
        ValueError: if an argument is out of range or does not go with another, or
            the number of channels is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    >>> keras_yat.YatConv2DTranspose(4, 3, strides=2, padding="same")(x).shape == (2, 16, 16, 4)
    True

    Reference:
        The transposed convolution of the Yat networks. Starting values and the floor
        of the distance are this package's: see `keras_yat.initializers` and
        `keras_yat.ops`.
    """

    rank = 2


@register()
@documented
class YatConv3DTranspose(ConvTranspose):
    """3D transposed convolution of Yat neurons, for upsampling.

    The Yat convolution `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)` over the input
    with zeros put between and around its entries; W is a neuron's whole kernel. In
    the place of `keras.layers.Conv3DTranspose` with an activation.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int, or 3 of them.
        strides: Upsampling factors, an int, or 3 of them; 1 where `dilation_rate` is not.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        output_padding: Entries added to the output behind each axis, an int, or 3 of them,
            each less than its stride; None for what inverts the shape of a convolution.
        dilation_rate: Spacing of the window's taps, an int, or 3 of them.
        <kernel arguments>
        <yat arguments>

    Input shape:
        `(batch, depth, height, width, channels)`, or
        `(batch, channels, depth, height, width)`
        with `data_format="channels_first"`.

    Output shape:
        `(batch, new_depth, new_height, new_width, filters)`, or
        `(batch, filters, new_depth, new_height, new_width)`.

    Raises:
        ValueError: if an argument is out of range or does not go with another, or
            the number of channels is unknown.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 5, 6, 7, 3))
    >>> keras_yat.YatConv3DTranspose(4, 3, strides=2, padding="same")(x).shape == (2, 10, 12, 14, 4)
    True

    Reference:
        The transposed convolution of the Yat networks. Starting values and the floor
        of the distance are this package's: see `keras_yat.initializers` and
        `keras_yat.ops`.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
        *args: Any,
        **kwargs: Any,
    ):
        # Keras's order, which differs from that of its other two.
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            *args,
            **kwargs,
        )
