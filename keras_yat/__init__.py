"""Trainable activations and Yat layers for Keras 3, on TensorFlow, JAX and PyTorch."""

from keras_yat import _start as _start  # isort: split

from keras_yat import (
    activations,
    callbacks,
    config,
    convert,
    initializers,
    layers,
    ops,
    plot,
    quantizers,
    search,
    zoo,
)
from keras_yat._lipschitz import lipschitz, lipschitz_epsilon
from keras_yat.layers import *  # noqa: F403

__version__ = "0.2.0"

__all__ = [
    "activations",
    "callbacks",
    "config",
    "convert",
    "initializers",
    "layers",
    "lipschitz",
    "lipschitz_epsilon",
    "ops",
    "plot",
    "quantizers",
    "search",
    "zoo",
]
__all__ += layers.__all__
