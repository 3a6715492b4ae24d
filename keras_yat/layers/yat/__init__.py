"""Layers of Yat neurons."""

from keras_yat.layers.yat._attention import YatMultiHeadAttention
from keras_yat.layers.yat._conv import YatConv1D, YatConv2D, YatConv3D
from keras_yat.layers.yat._conv_transpose import (
    YatConv1DTranspose,
    YatConv2DTranspose,
    YatConv3DTranspose,
)
from keras_yat.layers.yat._dense import YatDense
from keras_yat.layers.yat._embedding import YatEmbedding
from keras_yat.layers.yat._gru import YatGRU, YatGRUCell
from keras_yat.layers.yat._lstm import YatLSTM, YatLSTMCell
from keras_yat.layers.yat._simple_rnn import YatSimpleRNN, YatSimpleRNNCell

__all__ = [
    "YatConv1D",
    "YatConv1DTranspose",
    "YatConv2D",
    "YatConv2DTranspose",
    "YatConv3D",
    "YatConv3DTranspose",
    "YatDense",
    "YatEmbedding",
    "YatGRU",
    "YatGRUCell",
    "YatLSTM",
    "YatLSTMCell",
    "YatMultiHeadAttention",
    "YatSimpleRNN",
    "YatSimpleRNNCell",
]
