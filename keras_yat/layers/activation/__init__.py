"""The activations as layers, one private module a family behind this door."""

from keras_yat.layers.activation._combination import LinComb, NormLinComb
from keras_yat.layers.activation._rectifier import DELU, HELU, Mila, ReLUN, ShiLU
from keras_yat.layers.activation._squash import (
    ScaledSoftSign,
    ScoreTanh,
    Softermax,
    SofterSigmoid,
    SoftTanh,
)
from keras_yat.layers.activation._wave import CosLU, Nami, SinLU

__all__ = [
    "DELU",
    "HELU",
    "CosLU",
    "LinComb",
    "Mila",
    "Nami",
    "NormLinComb",
    "ReLUN",
    "ScaledSoftSign",
    "ScoreTanh",
    "ShiLU",
    "SinLU",
    "SoftTanh",
    "SofterSigmoid",
    "Softermax",
]
