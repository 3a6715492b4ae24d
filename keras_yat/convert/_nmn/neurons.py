"""Dense layers, convolutions and embeddings."""

from typing import Any

import numpy as np

from keras_yat import _validate, layers
from keras_yat.convert._nmn.arguments import assign, epsilon_and_alpha, neurons
from keras_yat.convert._nmn.padding import padding_of, with_pairs
from keras_yat.convert._nmn.source import NmnSource


def dense(source: NmnSource) -> Any:
    """A dense layer."""
    kernel = _kernel(source)
    if source.framework in ("torch", "linen", "tf", "mlx"):
        kernel = kernel.T
    kernel = _used(source, kernel, -1)
    layer = layers.YatDense(kernel.shape[-1], **neurons(source))
    layer.build((None, kernel.shape[0]))
    return assign(layer, source, kernel=kernel)


def conv(source: NmnSource) -> Any:
    """A convolution, behind a padding that Keras does not have."""
    kernel = _kernel(source)
    if source.framework == "torch":
        kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
    elif source.framework == "mlx":
        kernel = np.moveaxis(kernel, 0, -1)
    kernel, groups = _used(source, kernel, -1), source.option("groups", 1)
    channels = kernel.shape[-2] * groups
    return _sliding(source, kernel, kernel.shape[-1], channels, False, groups=groups)


def conv_transpose(source: NmnSource) -> Any:
    """A transposed convolution, before a cropping that Keras does not have."""
    kernel, groups = _kernel(source), source.option("groups", 1)
    if groups != 1:
        _validate.invalid_argument("groups", "be 1: there is no counterpart of others", groups)
    if source.framework == "torch":
        kernel = np.moveaxis(kernel, (0, 1), (-1, -2))
    elif source.framework == "mlx":
        kernel = np.moveaxis(kernel, 0, -2)
    elif source.framework in ("nnx", "linen") and not source.option("transpose_kernel", False):
        # A correlation with the dilated input, where Keras's is the gradient of a convolution.
        kernel = np.flip(kernel, axis=tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)
    kernel = _used(source, kernel, -2)
    return _sliding(source, kernel, kernel.shape[-2], kernel.shape[-1], True)


def _sliding(source, kernel, filters, channels, transposed, **more):
    *window, _, _ = kernel.shape
    rank = len(window)
    if not 1 <= rank <= 3:
        _validate.invalid_argument("kernel", "have 3 to 5 axes", kernel.shape, kind=source.kind)
    strides, dilation = (
        _validate.counts(name, source.option(name, None) or 1, rank)
        for name in ("strides", "dilation")
    )
    reach = [(size - 1) * rate + 1 for size, rate in zip(window, dilation, strict=True)]
    padding, pairs = padding_of(source, reach, strides, transposed)
    first = source.framework == "torch" or source.option("data_format", None) == "channels_first"
    layer = getattr(layers, f"YatConv{rank}D{'Transpose' if transposed else ''}")(
        filters,
        tuple(window),
        strides,
        data_format="channels_first" if first else "channels_last",
        dilation_rate=dilation,
        **padding,
        **more,
        **neurons(source),
    )
    whole = with_pairs(layer, pairs, transposed)
    positions = (None,) * rank
    whole.build((None, channels, *positions) if first else (None, *positions, channels))
    assign(layer, source, kernel=kernel)
    return whole


def embedding(source: NmnSource) -> Any:
    """An embedding."""
    rows, options = source.array("embedding"), epsilon_and_alpha(source)
    if source.option("weight_normalized", False) and source.framework == "linen":
        # Linen normalizes rows at each call, the other front ends only their starting values.
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if source.option("spherical", False):
        options["normalize"] = "sphere"
    layer = layers.YatEmbedding(*rows.shape, kernel_multiplier=1, **options)
    layer.build(None)
    return assign(layer, source, embeddings=rows)


def _kernel(source):
    kernel, mask = source.array("kernel"), source.arrays.get("mask")
    return kernel if mask is None else kernel * mask


def _used(source, kernel, axis):
    """The neurons of the kernel that the layer uses: the first of a bank that layers share."""
    features = source.option("features", kernel.shape[axis])
    if source.option("tie_kernel_bank", False):
        return np.take(kernel, range(_validate.count("features", features)), axis)
    return kernel
