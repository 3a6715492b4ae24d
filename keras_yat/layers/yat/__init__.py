"""Layers of Yat neurons."""

from keras_yat.layers.yat._conv import YatConv1D, YatConv2D, YatConv3D
from keras_yat.layers.yat._conv_transpose import (
    YatConv1DTranspose,
    YatConv2DTranspose,
    YatConv3DTranspose,
)
from keras_yat.layers.yat._dense import YatDense
from keras_yat.layers.yat._embedding import YatEmbedding

__all__ = [
    "YatConv1D",
    "YatConv1DTranspose",
    "YatConv2D",
    "YatConv2DTranspose",
    "YatConv3D",
    "YatConv3DTranspose",
    "YatDense",
    "YatEmbedding",
]
