"""Search spaces of convolutions."""

from typing import Any

from keras_yat import _validate, layers
from keras_yat.search._arguments import path_of
from keras_yat.search._layers import layer

_CONVOLUTIONS = {
    (1, False): layers.YatConv1D,
    (2, False): layers.YatConv2D,
    (3, False): layers.YatConv3D,
    (1, True): layers.YatConv1DTranspose,
    (2, True): layers.YatConv2DTranspose,
    (3, True): layers.YatConv3DTranspose,
}
_DEPTHWISE = {1: layers.YatDepthwiseConv1D, 2: layers.YatDepthwiseConv2D}
_SEPARABLE = {1: layers.YatSeparableConv1D, 2: layers.YatSeparableConv2D}


def yat_conv(
    hp: Any,
    filters: int,
    kernel_size: Any,
    name: str | None = None,
    *,
    rank: int = 2,
    transpose: bool = False,
    **kwargs: Any,
) -> Any:
    """Builds a Yat convolution, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `drop_connect` and `kernel_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        filters: Number of neurons.
        kernel_size: Size of the window, an int or one per dimension.
        name: Prefix of the hyperparameters, `"yat_conv"` by default.
        rank: Number of dimensions of the window: 1, 2 or 3.
        transpose: Whether the convolution is transposed.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A `YatConv1D`, `YatConv2D` or `YatConv3D`, or its transpose.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_conv(hp, 16, 3, padding="same").filters
    16

    Reference:
        This package.
    """
    ranks = _validate.one_of("rank", rank, (1, 2, 3)), _validate.flag("transpose", transpose)
    cls = _CONVOLUTIONS[ranks]
    return layer(hp, cls, filters, kernel_size, name=path_of(name, "yat_conv"), **kwargs)


def yat_depthwise_conv(
    hp: Any, kernel_size: Any, name: str | None = None, *, rank: int = 2, **kwargs: Any
) -> Any:
    """Builds a depthwise Yat convolution, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `drop_connect` and `depthwise_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        kernel_size: Size of the window, an int or one per dimension.
        name: Prefix of the hyperparameters, `"yat_depthwise_conv"` by default.
        rank: Number of dimensions of the window: 1 or 2.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A `YatDepthwiseConv1D` or `YatDepthwiseConv2D`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_depthwise_conv(hp, 3, padding="same").kernel_size
    (3, 3)

    Reference:
        This package.
    """
    cls = _DEPTHWISE[_validate.one_of("rank", rank, _DEPTHWISE)]
    return layer(hp, cls, kernel_size, name=path_of(name, "yat_depthwise_conv"), **kwargs)


def yat_separable_conv(
    hp: Any,
    filters: int,
    kernel_size: Any,
    name: str | None = None,
    *,
    rank: int = 2,
    **kwargs: Any,
) -> Any:
    """Builds a separable Yat convolution, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `drop_connect` and `depthwise_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        filters: Number of neurons.
        kernel_size: Size of the window, an int or one per dimension.
        name: Prefix of the hyperparameters, `"yat_separable_conv"` by default.
        rank: Number of dimensions of the window: 1 or 2.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A `YatSeparableConv1D` or `YatSeparableConv2D`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_separable_conv(hp, 16, 3, padding="same").filters
    16

    Reference:
        This package.
    """
    cls, path = _SEPARABLE[_validate.one_of("rank", rank, _SEPARABLE)], "yat_separable_conv"
    return layer(hp, cls, filters, kernel_size, name=path_of(name, path), **kwargs)
