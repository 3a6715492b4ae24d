"""The paddings of `nmn`'s convolutions, of which Keras has but two."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat.convert._nmn.source import NmnSource

Pairs = list[tuple[int, int]]


def padding_of(
    source: NmnSource, reach: Sequence[int], strides: Sequence[int], transposed: bool
) -> tuple[dict[str, Any], Pairs]:
    """The padding arguments of a convolution, and the rest as pairs (before, after) of each axis.

    A convolution pads its input by the pairs, a transposed one crops its output.

    Args:
        source: Has the option `padding`: a name, an int, or for each axis an int or a pair.
        reach: Size of the window with its dilation.
        strides: Strides of the window.
        transposed: Whether the convolution is transposed.
    """
    padding = source.option("padding")
    if isinstance(padding, str):
        if not transposed:
            return {"padding": padding}, []
        return {"padding": padding, "output_padding": _extra(source, padding)}, []
    pairs = _pairs(padding, len(reach))
    if not transposed:
        around = [((size - 1) // 2, size // 2) for size in reach]
        if max(strides) == 1 and pairs == around:
            return {"padding": "same"}, []
        return {"padding": "valid"}, pairs if any(map(any, pairs)) else []
    extra: Any = source.option("output_padding", 0)
    if source.framework in ("nnx", "linen"):
        # Of the input with zeros between its entries; the uncut output has `reach - 1` there.
        pairs = [(size - 1 - a, size - 1 - b) for size, (a, b) in zip(reach, pairs, strict=True)]
        if any(min(pair) < 0 for pair in pairs):
            allowed = f"be at most {tuple(size - 1 for size in reach)} on each side"
            _validate.invalid_argument("padding", allowed, padding)
    return {"padding": "valid", "output_padding": extra}, pairs if any(map(any, pairs)) else []


def _extra(source, padding):
    extra = source.option("output_padding", None)
    if source.framework != "mlx" or padding == "valid":
        return extra
    # There `"same"` adds it to the size of the output without one.
    if np.any(extra):
        _validate.invalid_argument("output_padding", "be 0: others differ", extra, padding=padding)
    return None


def _pairs(padding, rank):
    if isinstance(padding, int):
        padding = (padding,) * rank
    pairs = [(each, each) if isinstance(each, int) else tuple(each) for each in padding]
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        allowed = f"be a name, an int, or {rank} ints or pairs of ints, at least 0"
        _validate.invalid_argument("padding", allowed, padding)
    return pairs


def with_pairs(layer: Any, pairs: Pairs, transposed: bool) -> Any:
    """The layer behind a padding of its input, or before a cropping of its output."""
    if not pairs:
        return layer
    rank, data_format = len(pairs), layer.data_format
    given: Any = pairs[0] if rank == 1 else tuple(pairs)
    if not transposed:
        pad = getattr(keras.layers, f"ZeroPadding{rank}D")(given, data_format=data_format)
        return keras.Sequential([pad, layer])
    if rank > 1:
        crop = getattr(keras.layers, f"Cropping{rank}D")(given, data_format=data_format)
        return keras.Sequential([layer, crop])
    cut: list[Any] = [keras.layers.Cropping1D(given)]
    if data_format == "channels_first":  # which this layer of Keras does not have
        cut = [keras.layers.Permute((2, 1)), *cut, keras.layers.Permute((2, 1))]
    return keras.Sequential([layer, *cut])
