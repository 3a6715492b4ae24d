"""The activations as pure functions, and by name.

Each function works on tensors of any float dtype, computes in float32 or wider,
and gives the dtype of its input. Parameters default to the layers' starting
values, so that a function serves as a fixed activation too:
`keras.layers.Dense(64, activation=keras_yat.activations.mila)`.
"""

from keras_yat.activations._combination import lincomb, norm_lincomb
from keras_yat.activations._lookup import get, names
from keras_yat.activations._rectifier import delu, helu, mila, relun, shilu
from keras_yat.activations._squash import (
    scaled_softsign,
    score_tanh,
    soft_tanh,
    softer_sigmoid,
    softermax,
)
from keras_yat.activations._wave import coslu, nami, sinlu

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
    "relun",
    "scaled_softsign",
    "score_tanh",
    "shilu",
    "sinlu",
    "soft_tanh",
    "softer_sigmoid",
    "softermax",
]
