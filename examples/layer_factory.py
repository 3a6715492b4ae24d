"""The layers of a published network: Keras's or Yat layers, and any activation.

With Yat layers, `YatConv2D` replaces each convolution, `YatDense` each hidden dense layer and
`YatLSTM` each LSTM, and all activations are removed. Batch normalization, projections on shortcuts
and the last layer are unchanged.
"""

import importlib
from typing import Any

import keras

import keras_yat
from examples import config


class LayerFactory:
    """Creates the layers of a network: dense layers, convolutions and activations."""

    def __init__(self, model: config.Model, l2: float):
        self._model, self._l2 = model, l2
        self._plain = model.layers == "keras"
        self._dense, self._convolution, self._lstm = layer_classes(model.layers)
        self._shared: Any = None
        # Keras's penalty is λ·Σw².
        self._penalty = {"kernel_regularizer": keras.regularizers.L2(l2 / 2.0)} if l2 else {}
        self._settings: dict[str, Any] = {**self._penalty}
        if self._plain:
            self._settings["kernel_initializer"] = model.kernel_initializer
        if model.kernel_multiplier is not None:
            self._settings["kernel_multiplier"] = model.kernel_multiplier

    def activation(self) -> list[Any]:
        """The activation as a list of one layer, the same one each time if it is shared.

        Empty with Yat layers and custom layers, which need no activation.
        """
        if not self._plain:
            return []
        if self._shared is not None:
            return [self._shared]
        axes = 3 if self._model.kind in ("convolution", "resnet") else 1
        layer = activation(self._model.activation, self._model.share, axes)
        if self._model.share == "network":
            self._shared = layer
        return [layer]

    def dense(self, units: int) -> list[Any]:
        return [self._dense(units, **self._settings), *self.activation()]

    def convolution(self, filters: int, size: int, strides: int = 1) -> list[Any]:
        """A convolution followed by batch normalization, without activation."""
        settings: dict[str, Any] = {"strides": strides, "padding": "same", **self._settings}
        if self._plain:
            settings["use_bias"] = False  # batch normalization has one
        convolution = self._convolution(filters, size, **settings)
        return [convolution, keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)]

    def lstm(self, units: int, return_sequences: bool) -> Any:
        """An LSTM; the activation is that of the candidate and of the state."""
        found = self.activation()
        for each in found:
            each.build((None, units))  # an LSTM does not build its activation
        settings = {"activation": found[0]} if found else {}
        return self._lstm(units, return_sequences=return_sequences, **settings, **self._settings)

    def projection(self, filters: int, strides: int) -> list[Any]:
        """The convolution on a shortcut whose shape changes."""
        plain = LayerFactory(self._model.model_copy(update={"layers": "keras"}), self._l2)
        return plain.convolution(filters, 1, strides)

    def logits(self, classes: int) -> Any:
        return keras.layers.Dense(classes, **self._penalty, name="logits")


def layer_classes(name: str) -> tuple[Any, Any, Any]:
    """The classes of hidden dense layers, of convolutions and of LSTMs.

    Args:
        name: `"keras"`, `"yat"`, or `"module:Class"` of a custom class for all of them.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "keras":
        return keras.layers.Dense, keras.layers.Conv2D, keras.layers.LSTM
    if name == "yat":
        return keras_yat.YatDense, keras_yat.YatConv2D, keras_yat.YatLSTM
    return (_import(name),) * 3


def activation(name: str, share: config.Share = "layer", axes: int = 1) -> Any:
    """The activation `name` as a layer.

    Args:
        name: An argument of `keras_yat.activations.get`, `"prelu"` for Keras's PReLU, or
            `"module:name"` of a custom function or class of layers.
        share: `"channel"` for parameters per channel.
        axes: Number of axes of the inputs, without the batch axis.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "prelu":  # Keras has a slope for each entry of the inputs
        shared = axes - 1 if share == "channel" else axes
        return keras.layers.PReLU(shared_axes=list(range(1, shared + 1)))
    found = _import(name) if ":" in name else keras_yat.activations.get(name)
    found = found() if isinstance(found, type) else found
    if not isinstance(found, keras.layers.Layer):
        return keras.layers.Activation(found)
    if share == "channel" and hasattr(found, "default_bounds"):  # it has parameters
        return type(found)(axis=-1, name=found.name)
    return found


def check_activation(name: str) -> None:
    """Checks an activation before a network is built with it.

    Raises:
        ValueError: if the name is unknown, or the output shape differs from the input shape.
    """
    if ":" not in name:
        activation(name)
        return
    found = _import(name)
    if isinstance(found, keras.layers.Layer):
        return  # a call would build it with the shape used here
    try:
        function = found() if isinstance(found, type) else found
        shape = tuple(function(keras.ops.zeros((2, 3))).shape)
    except Exception as error:
        raise ValueError(
            f"{name!r} is not an activation: {type(error).__name__}: {error}"
        ) from error
    if shape != (2, 3):
        raise ValueError(f"{name!r} is not an activation: it maps the shape (2, 3) to {shape}")


def _import(name: str) -> Any:
    """Imports the object `"module:name"`."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"cannot import {name!r}: {error}") from error
