"""The published networks, with any activation or with Yat layers.

- Dense networks, such as DNN2 (784-392-10): E. Pishchik, Trainable Activations for Image
  Classification, 2023; and the demo of Mila.
- ResNets for small images of depth 8 to 56: K. He et al., Deep Residual Learning for Image
  Recognition, 2015, section 4.2: three stages of 16, 32 and 64 channels, and shortcuts
  without parameters.
- ResNet-18 and ResNet-50 of the same paper, section 4.1, with a first convolution of 3×3
  and no pooling, as is usual for images of 32×32.

With Yat layers, `YatConv2D` replaces each convolution and `YatDense` each hidden dense layer,
and all activations are removed. Batch normalization, projections on shortcuts and the last
layer are unchanged.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import keras

import keras_yat
from examples import config

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
"""Number of blocks in each stage of the ResNets with four stages."""


def build(model: config.Model, shape: tuple[int, ...], classes: int, l2: float = 0.0) -> Any:
    """Builds the network from a configuration. Its output are logits.

    Args:
        model: The configuration.
        shape: Height, width and channels of an input.
        classes: Number of classes.
        l2: λ of the L2 penalty λ/2·Σw² on kernels.
    """
    factory = LayerFactory(model, l2)
    if model.kind == "dense":
        return _dense(factory, model, shape, classes)
    inputs = keras.Input(shape)
    depth = model.depth
    assert depth is not None  # checked by the configuration
    x = (_large if depth in BLOCKS else _small)(factory, depth, inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, factory.logits(classes)(x), name=f"resnet{depth}")


class LayerFactory:
    """Creates the layers of a network: dense layers, convolutions and activations."""

    def __init__(self, model: config.Model, l2: float):
        self._model, self._l2 = model, l2
        self._plain = model.layers == "keras"
        self._dense, self._convolution = layer_classes(model.layers)
        self._shared: Any = None
        # Keras's penalty is λ·Σw².
        self._penalty = {"kernel_regularizer": keras.regularizers.L2(l2 / 2.0)} if l2 else {}
        start = {"kernel_initializer": model.kernel_initializer} if self._plain else {}
        self._settings: dict[str, Any] = {**self._penalty, **start}

    def activation(self) -> list[Any]:
        """The activation as a list of one layer, the same one each time if it is shared.

        Empty with Yat layers and custom layers, which need no activation.
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
        """A convolution followed by batch normalization, without activation."""
        settings: dict[str, Any] = {"strides": strides, "padding": "same", **self._settings}
        if self._plain:
            settings["use_bias"] = False  # batch normalization has one
        convolution = self._convolution(filters, size, **settings)
        return [convolution, keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)]

    def projection(self, filters: int, strides: int) -> list[Any]:
        """The convolution on a shortcut whose shape changes."""
        plain = LayerFactory(self._model.model_copy(update={"layers": "keras"}), self._l2)
        return plain.convolution(filters, 1, strides)

    def logits(self, classes: int) -> Any:
        return keras.layers.Dense(classes, **self._penalty, name="logits")


def layer_classes(name: str) -> tuple[Any, Any]:
    """The classes of hidden dense layers and of convolutions.

    Args:
        name: `"keras"`, `"yat"`, or `"module:Class"` of a custom class for both.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "keras":
        return keras.layers.Dense, keras.layers.Conv2D
    return (keras_yat.YatDense, keras_yat.YatConv2D) if name == "yat" else (_import(name),) * 2


def activation(name: str, share: config.Share = "layer") -> Any:
    """The activation `name` as a layer.

    Args:
        name: An argument of `keras_yat.activations.get`, or `"module:name"` of a custom
            function or class of layers.
        share: `"channel"` for parameters per channel.

    Raises:
        ValueError: if the name is unknown.
    """
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


@keras.saving.register_keras_serializable("keras_yat_examples")
class Network(keras.Model):
    """Layers one after the other, as a subclass of `keras.Model`.

    Args:
        layers: The layers, or their serialized configurations. At least one.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Model`.

    Raises:
        ValueError: if there are no layers.

    Reference:
        The demo of Mila (`--model_initialization class`).
    """

    def __init__(self, layers: Iterable[Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.chain = [
            each
            if isinstance(each, keras.layers.Layer)
            else keras.saving.deserialize_keras_object(each)
            for each in layers
        ]
        if not self.chain:
            raise ValueError("`layers` must have one entry at least. Received: layers=[]")

    def build(self, input_shape):
        for layer in self.chain:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs, training=None):
        return apply_layers(self.chain, inputs)

    def compute_output_shape(self, input_shape):
        for layer in self.chain:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.chain]
        return {**super().get_config(), "layers": layers}


def stack(layers: Iterable[Any], shape: tuple[int, ...], initialization: str) -> keras.Model:
    """A built model of layers one after the other.

    Args:
        layers: The layers.
        shape: Shape of one input.
        initialization: `"sequential"` for a `keras.Sequential`, `"class"` for a `Network`.
    """
    if initialization == "class":
        model = Network(layers)
        model.build((None, *shape))
        return model
    return keras.Sequential([keras.Input(shape), *layers])


def apply_layers(layers: list[Any], x: Any) -> Any:
    """Applies the layers one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def _dense(factory, model, shape, classes):
    layers = [keras.layers.Flatten()]
    for units in model.units:
        layers += factory.dense(units)
    layers.append(factory.logits(classes))
    if model.style != "functional":
        return stack(layers, shape, model.style)
    inputs = keras.Input(shape)
    return keras.Model(inputs, apply_layers(layers, inputs), name="dense")


def _small(factory: LayerFactory, depth: int, x: Any) -> Any:
    x = apply_layers([*factory.convolution(16, 3), *factory.activation()], x)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            strides = 2 if stage and not block else 1
            branch = _basic(factory, filters, strides)
            x = _add(factory, branch, _bare_shortcut(x, filters, strides), x)
    return x


def _large(factory: LayerFactory, depth: int, x: Any) -> Any:
    kind: Callable[..., list[Any]] = _basic if depth == 18 else _bottleneck
    x = apply_layers([*factory.convolution(64, 3), *factory.activation()], x)
    for stage, count in enumerate(BLOCKS[depth]):
        filters = 64 * 2**stage
        for block in range(count):
            strides = 2 if stage and not block else 1
            wide = filters if kind is _basic else 4 * filters
            shortcut = x
            if strides > 1 or x.shape[-1] != wide:
                shortcut = apply_layers(factory.projection(wide, strides), x)
            x = _add(factory, kind(factory, filters, strides), shortcut, x)
    return x


def _add(factory, branch, shortcut, x):
    return apply_layers(
        factory.activation(), keras.layers.Add()([apply_layers(branch, x), shortcut])
    )


def _basic(factory: LayerFactory, filters: int, strides: int) -> list[Any]:
    first = [*factory.convolution(filters, 3, strides), *factory.activation()]
    return [*first, *factory.convolution(filters, 3)]


def _bottleneck(factory: LayerFactory, filters: int, strides: int) -> list[Any]:
    first = [*factory.convolution(filters, 1), *factory.activation()]
    second = [*factory.convolution(filters, 3, strides), *factory.activation()]
    return [*first, *second, *factory.convolution(4 * filters, 1)]


def _bare_shortcut(x: Any, filters: int, strides: int) -> Any:
    """Shortcut without parameters: every `strides`-th pixel, channels padded with zeros."""
    if strides > 1:
        x = keras.layers.MaxPooling2D(1, strides, padding="same")(x)
    missing = filters - x.shape[-1]
    if missing:
        sides = (missing // 2, missing - missing // 2)
        x = keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), sides))
    return x
