"""The layers of keras-yat."""

from keras_yat.layers.activation import (
    DELU,
    HELU,
    CosLU,
    LinComb,
    Mila,
    Nami,
    NormLinComb,
    ReLUN,
    ScaledSoftSign,
    ScoreTanh,
    ShiLU,
    SinLU,
    Softermax,
    SofterSigmoid,
    SoftTanh,
)

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
