"""Convolutions of Yat neurons."""

from keras_yat._register import register
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._window import Conv


@register()
@documented
class YatConv1D(Conv):
    """1D convolution of Yat neurons: `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)`.

    X is the patch of the input under the window, zeros of the padding included. In
    the place of `keras.layers.Conv1D` with an activation: it needs none.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int.
        strides: Steps of the window, an int; 1 where `dilation_rate` is not.
        padding: `"valid"`, `"same"` or `"causal"` (an output sees no later step).
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the window's taps, an int.
        groups: In how many groups the channels of the input are split, each seen by
            its own filters. Divides the channels and `filters`.
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
    >>> keras_yat.YatConv1D(4, 3)(x).shape == (2, 7, 4)
    True

    Reference:
        The convolution of the Yat networks. Starting values and the floor of the
        distance are this package's: see `keras_yat.initializers` and `keras_yat.ops`.
    """

    rank = 1

    paddings = ("valid", "same", "causal")


@register()
@documented
class YatConv2D(Conv):
    """2D convolution of Yat neurons: `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)`.

    X is the patch of the input under the window, zeros of the padding included. In
    the place of `keras.layers.Conv2D` with an activation: it needs none.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int, or 2 of them.
        strides: Steps of the window, an int, or 2 of them; 1 where `dilation_rate` is not.
        padding: `"valid"`, `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the window's taps, an int, or 2 of them.
        groups: In how many groups the channels of the input are split, each seen by
            its own filters. Divides the channels and `filters`.
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
    >>> keras_yat.YatConv2D(4, 3)(x).shape == (2, 6, 6, 4)
    True

    Reference:
        The convolution of the Yat networks. Starting values and the floor of the
        distance are this package's: see `keras_yat.initializers` and `keras_yat.ops`.
    """

    rank = 2


@register()
@documented
class YatConv3D(Conv):
    """3D convolution of Yat neurons: `alpha·(⟨W, X⟩ + b)² / (‖W - X‖² + epsilon)`.

    X is the patch of the input under the window, zeros of the padding included. In
    the place of `keras.layers.Conv3D` with an activation: it needs none.

    Args:
        filters: Number of neurons, an int of at least 1: the channels of the output.
        kernel_size: Size of the window, an int, or 3 of them.
        strides: Steps of the window, an int, or 3 of them; 1 where `dilation_rate` is not.
        padding: `"valid"`, `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for
            `keras.config.image_data_format()`.
        dilation_rate: Spacing of the window's taps, an int, or 3 of them.
        groups: In how many groups the channels of the input are split, each seen by
            its own filters. Divides the channels and `filters`.
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
    >>> keras_yat.YatConv3D(4, 3)(x).shape == (2, 3, 4, 5, 4)
    True

    Reference:
        The convolution of the Yat networks. Starting values and the floor of the
        distance are this package's: see `keras_yat.initializers` and `keras_yat.ops`.
    """

    rank = 3
