"""The networks of the published studies, with any activation or with Yat layers.

- Dense networks, such as DNN2 (784-392-10): E. Pishchik, Trainable Activations for Image
  Classification, 2023; and the demo of Mila.
- ResNets for small images of depth 8 to 56: K. He et al., Deep Residual Learning for Image
  Recognition, 2015, section 4.2: three stages of 16, 32 and 64 channels, and shortcuts
  without parameters.
- ResNet-18 and ResNet-50 of the same paper, section 4.1, with a first convolution of 3×3
  and no pooling, as is usual for images of 32×32.

With Yat layers each convolution (with its activation, where it has one) becomes a
`YatConv2D`, each hidden dense layer a `YatDense`, and no activation is left. Batch
normalization, projections on shortcuts and the last layer stay as they are.
"""

import importlib
from collections.abc import Callable
from typing import Any

import keras

import keras_yat
from examples import config
from keras_yat import demo

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
"""Of the ResNets with four stages: blocks in each of them."""


def build(model: config.Model, shape: tuple[int, ...], classes: int, l2: float = 0.0) -> Any:
    """The network for inputs of `shape` (height, width, channels), which gives logits.

    `l2` is the λ of the penalty λ/2·Σw² on kernels.
    """
    parts = Parts(model, l2)
    if model.kind == "dense":
        return _dense(parts, model, shape, classes)
    inputs = keras.Input(shape)
    depth = model.depth
    assert depth is not None  # as the configuration has seen to
    x = (_large if depth in BLOCKS else _small)(parts, depth, inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, parts.logits(classes)(x), name=f"resnet{depth}")


class Parts:
    """Makes the layers of a network: its neurons, and what stands behind them."""

    def __init__(self, model: config.Model, l2: float):
        self._model, self._l2 = model, l2
        self._plain = model.layers == "keras"
        self._dense, self._convolution = neurons(model.layers)
        self._shared: Any = None
        # Keras's penalty is λ·Σw².
        self._penalty = {"kernel_regularizer": keras.regularizers.L2(l2 / 2.0)} if l2 else {}
        start = {"kernel_initializer": model.kernel_initializer} if self._plain else {}
        self._settings: dict[str, Any] = {**self._penalty, **start}

    def activation(self) -> list[Any]:
        """The activation's layer: the same one each time if it is shared.

        None where the neurons need none.
        """
        if not self._plain:
            return []
        if self._shared is not None:
            return [self._shared]
        layer = activation(self._model.activation, self._model.share)
        if self._model.share == "network":
            self._shared = layer
        return [layer]

    def dense(self, units: int) -> list[Any]:
        return [self._dense(units, **self._settings), *self.activation()]

    def convolution(self, filters: int, size: int, strides: int = 1) -> list[Any]:
        """A convolution with normalization behind it, and no activation yet."""
        settings: dict[str, Any] = {"strides": strides, "padding": "same", **self._settings}
        if self._plain:
            settings["use_bias"] = False  # normalization has one
        convolution = self._convolution(filters, size, **settings)
        return [convolution, keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)]

    def projection(self, filters: int, strides: int) -> list[Any]:
        """What a shortcut goes through where its shape changes."""
        plain = Parts(self._model.model_copy(update={"layers": "keras"}), self._l2)
        return plain.convolution(filters, 1, strides)

    def logits(self, classes: int) -> Any:
        return keras.layers.Dense(classes, **self._penalty, name="logits")


def neurons(name: str) -> tuple[Any, Any]:
    """The classes of hidden dense layers and of convolutions.

    `name` is `"keras"`, `"yat"`, or `"module:Class"` for a class of yours, for both.

    Raises:
        ValueError: if there is none of that name.
    """
    if name == "keras":
        return keras.layers.Dense, keras.layers.Conv2D
    return (keras_yat.YatDense, keras_yat.YatConv2D) if name == "yat" else (_named(name),) * 2


def activation(name: str, share: config.Share = "layer") -> Any:
    """The activation `name` as a layer, with parameters per channel if it is so shared.

    `name` is one of `keras_yat.activations.get`, or `"module:name"` of a function or a
    class of layers elsewhere.

    Raises:
        ValueError: if there is none of that name.
    """
    found = _named(name) if ":" in name else keras_yat.activations.get(name)
    found = found() if isinstance(found, type) else found
    if not isinstance(found, keras.layers.Layer):
        return keras.layers.Activation(found)
    if share == "channel" and hasattr(found, "published_bounds"):  # it has parameters
        return type(found)(axis=-1, name=found.name)
    return found


def check_activation(name: str) -> None:
    """Refuses what is no activation, before a network is made with it.

    Raises:
        ValueError: if there is none of that name, or it gives no tensor of its input's shape.
    """
    if ":" not in name:
        activation(name)
        return
    named = _named(name)
    if isinstance(named, keras.layers.Layer):
        return  # to be called with the shape of the network alone
    try:
        function = named() if isinstance(named, type) else named
        shape = tuple(function(keras.ops.zeros((2, 3))).shape)
    except Exception as error:
        raise ValueError(f"{name!r} is no activation: {type(error).__name__}: {error}") from error
    if shape != (2, 3):
        raise ValueError(f"{name!r} is no activation: an input (2, 3) becomes {shape}")


def _named(name: str) -> Any:
    """What `"module:name"` names."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"there is no {name!r}: {error}") from error


def chain(layers: list[Any], x: Any) -> Any:
    """What the layers, one after the other, make of `x`."""
    for layer in layers:
        x = layer(x)
    return x


def _dense(parts, model, shape, classes):
    layers = [keras.layers.Flatten()]
    for units in model.units:
        layers += parts.dense(units)
    layers.append(parts.logits(classes))
    if model.style != "functional":
        return demo.network(layers, shape, model.style)
    inputs = keras.Input(shape)
    return keras.Model(inputs, chain(layers, inputs), name="dense")


def _small(parts: Parts, depth: int, x: Any) -> Any:
    x = chain([*parts.convolution(16, 3), *parts.activation()], x)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            strides = 2 if stage and not block else 1
            branch = _basic(parts, filters, strides)
            x = _joined(parts, branch, _bare_shortcut(x, filters, strides), x)
    return x


def _large(parts: Parts, depth: int, x: Any) -> Any:
    kind: Callable[..., list[Any]] = _basic if depth == 18 else _bottleneck
    x = chain([*parts.convolution(64, 3), *parts.activation()], x)
    for stage, count in enumerate(BLOCKS[depth]):
        filters = 64 * 2**stage
        for block in range(count):
            strides = 2 if stage and not block else 1
            wide = filters if kind is _basic else 4 * filters
            shortcut = x
            if strides > 1 or x.shape[-1] != wide:
                shortcut = chain(parts.projection(wide, strides), x)
            x = _joined(parts, kind(parts, filters, strides), shortcut, x)
    return x


def _joined(parts, branch, shortcut, x):
    return chain(parts.activation(), keras.layers.Add()([chain(branch, x), shortcut]))


def _basic(parts: Parts, filters: int, strides: int) -> list[Any]:
    first = [*parts.convolution(filters, 3, strides), *parts.activation()]
    return [*first, *parts.convolution(filters, 3)]


def _bottleneck(parts: Parts, filters: int, strides: int) -> list[Any]:
    first = [*parts.convolution(filters, 1), *parts.activation()]
    second = [*parts.convolution(filters, 3, strides), *parts.activation()]
    return [*first, *second, *parts.convolution(4 * filters, 1)]


def _bare_shortcut(x: Any, filters: int, strides: int) -> Any:
    """Every `strides`-th pixel, with channels of zeros on both sides."""
    if strides > 1:
        x = keras.layers.MaxPooling2D(1, strides, padding="same")(x)
    missing = filters - x.shape[-1]
    if missing:
        sides = (missing // 2, missing - missing // 2)
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), sides))
    return x
