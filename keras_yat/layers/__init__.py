"""The layers: Yat layers, a private module each, and those of `keras_yat.activations`.

A new Yat layer is a module with a subclass of one of the bases, and a line here.
"""

from keras_yat.activations._coslu import CosLU
from keras_yat.activations._delu import DELU
from keras_yat.activations._helu import HELU
from keras_yat.activations._lincomb import LinComb
from keras_yat.activations._mila import Mila
from keras_yat.activations._nami import Nami
from keras_yat.activations._norm_lincomb import NormLinComb
from keras_yat.activations._rational import Rational
from keras_yat.activations._relun import ReLUN
from keras_yat.activations._scaled_softsign import ScaledSoftSign
from keras_yat.activations._score_tanh import ScoreTanh
from keras_yat.activations._shilu import ShiLU
from keras_yat.activations._sinlu import SinLU
from keras_yat.activations._snake import Snake
from keras_yat.activations._soft_tanh import SoftTanh
from keras_yat.activations._softer_sigmoid import SofterSigmoid
from keras_yat.activations._softermax import Softermax
from keras_yat.activations._xielu import XIELU
from keras_yat.layers._attention import YatMultiHeadAttention
from keras_yat.layers._batch_normalization import YatBatchNormalization
from keras_yat.layers._conv1d import YatConv1D
from keras_yat.layers._conv1d_transpose import YatConv1DTranspose
from keras_yat.layers._conv2d import YatConv2D
from keras_yat.layers._conv2d_transpose import YatConv2DTranspose
from keras_yat.layers._conv3d import YatConv3D
from keras_yat.layers._conv3d_transpose import YatConv3DTranspose
from keras_yat.layers._dense import YatDense
from keras_yat.layers._depthwise_conv1d import YatDepthwiseConv1D
from keras_yat.layers._depthwise_conv2d import YatDepthwiseConv2D
from keras_yat.layers._embedding import YatEmbedding
from keras_yat.layers._graph_attention import YatGraphAttention
from keras_yat.layers._graph_conv import YatGraphConv
from keras_yat.layers._gru import YatGRU
from keras_yat.layers._gru_cell import YatGRUCell
from keras_yat.layers._layer_normalization import YatLayerNormalization
from keras_yat.layers._linear_attention import YatLinearAttention
from keras_yat.layers._lstm import YatLSTM
from keras_yat.layers._lstm_cell import YatLSTMCell
from keras_yat.layers._separable_conv1d import YatSeparableConv1D
from keras_yat.layers._separable_conv2d import YatSeparableConv2D
from keras_yat.layers._simple_rnn import YatSimpleRNN
from keras_yat.layers._simple_rnn_cell import YatSimpleRNNCell

__all__ = [
    "DELU",
    "HELU",
    "XIELU",
    "CosLU",
    "LinComb",
    "Mila",
    "Nami",
    "NormLinComb",
    "Rational",
    "ReLUN",
    "ScaledSoftSign",
    "ScoreTanh",
    "ShiLU",
    "SinLU",
    "Snake",
    "SoftTanh",
    "SofterSigmoid",
    "Softermax",
    "YatBatchNormalization",
    "YatConv1D",
    "YatConv1DTranspose",
    "YatConv2D",
    "YatConv2DTranspose",
    "YatConv3D",
    "YatConv3DTranspose",
    "YatDense",
    "YatDepthwiseConv1D",
    "YatDepthwiseConv2D",
    "YatEmbedding",
    "YatGRU",
    "YatGRUCell",
    "YatGraphAttention",
    "YatGraphConv",
    "YatLSTM",
    "YatLSTMCell",
    "YatLayerNormalization",
    "YatLinearAttention",
    "YatMultiHeadAttention",
    "YatSeparableConv1D",
    "YatSeparableConv2D",
    "YatSimpleRNN",
    "YatSimpleRNNCell",
]
