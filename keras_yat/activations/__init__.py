"""The activations as pure functions, and by name.

A private module for each has its function, slopes, layer and search range. A new activation is such
a module, a line here and a line in `keras_yat.layers`.

Functions take tensors of any float dtype, compute in float32 or wider, and return the dtype of
their input. Parameters default to the starting values of the layers, so that a function is a
constant activation too: `keras.layers.Dense(64, activation=keras_yat.activations.mila)`.
"""

from __future__ import annotations

from keras_yat.activations._coslu import coslu
from keras_yat.activations._delu import delu
from keras_yat.activations._helu import helu
from keras_yat.activations._lincomb import lincomb
from keras_yat.activations._lookup import get, names
from keras_yat.activations._mila import mila
from keras_yat.activations._nami import nami
from keras_yat.activations._norm_lincomb import norm_lincomb
from keras_yat.activations._rational import rational
from keras_yat.activations._relun import relun
from keras_yat.activations._scaled_softsign import scaled_softsign
from keras_yat.activations._score_tanh import score_tanh
from keras_yat.activations._shilu import shilu
from keras_yat.activations._sinlu import sinlu
from keras_yat.activations._snake import snake
from keras_yat.activations._soft_tanh import soft_tanh
from keras_yat.activations._softer_sigmoid import softer_sigmoid
from keras_yat.activations._softermax import softermax
from keras_yat.activations._xielu import xielu

__all__ = [
    "coslu",
    "delu",
    "get",
    "helu",
    "lincomb",
    "mila",
    "names",
    "nami",
    "norm_lincomb",
    "rational",
    "relun",
    "scaled_softsign",
    "score_tanh",
    "shilu",
    "sinlu",
    "snake",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
    "xielu",
]
