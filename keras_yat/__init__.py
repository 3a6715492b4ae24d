"""Trainable activations and Yat layers for Keras 3, on TensorFlow, JAX and PyTorch."""

from keras_yat import activations, config, layers
from keras_yat.layers import (
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

__version__ = "0.1.0"

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
    "activations",
    "config",
    "layers",
]
