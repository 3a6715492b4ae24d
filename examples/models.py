"""The networks of the studies, with any activation or with Yat layers.

- Dense networks, such as DNN2 (784-392-10): E. Pishchik, Trainable Activations for Image
  Classification, 2023; and the demo of Mila.
- ResNets: `examples/resnets.py`.
- Small convolutional networks: convolutions of 3×3, of stride 1, then 2, and batch normalization.
- LSTMs that read an image row by row.
"""

from collections.abc import Callable
from typing import Any

import keras

from examples import config, resnets
from examples.layer_factory import LayerFactory
from examples.stacks import apply_layers, stack


def build(model: config.Model, shape: tuple[int, ...], classes: int, l2: float = 0.0) -> Any:
    """Builds the network from a configuration. Its output are logits.

    Args:
        model: The configuration.
        shape: Height, width and channels of an input.
        classes: Number of classes.
        l2: λ of the L2 penalty λ/2·Σw² on kernels.
    """
    factory = LayerFactory(model, l2)
    layers = _KINDS[model.kind](factory, model, shape)
    if model.style != "functional":
        return stack([*layers, factory.logits(classes)], shape, model.style)
    inputs = keras.Input(shape)
    outputs = apply_layers([*layers, factory.logits(classes)], inputs)
    depth = "" if model.depth is None else model.depth
    return keras.Model(inputs, outputs, name=f"{model.kind}{depth}")


def _dense(factory, model, shape):
    layers = [keras.layers.Flatten()]
    for units in model.units:
        layers += factory.dense(units)
    return layers


def _convolution(factory, model, shape):
    layers: list[Any] = []
    for i, filters in enumerate(model.units):
        layers += [*factory.convolution(filters, 3, 1 if i == 0 else 2), *factory.activation()]
    return [*layers, keras.layers.GlobalAveragePooling2D()]


def _recurrent(factory, model, shape):
    height, width, channels = shape
    layers = [keras.layers.Reshape((height, width * channels))]
    for i, units in enumerate(model.units):
        layers.append(factory.lstm(units, return_sequences=i + 1 < len(model.units)))
    return layers


def _resnet(factory, model, shape):
    body: Callable[[Any], Any] = resnets.body(factory, model.depth)
    return [body, keras.layers.GlobalAveragePooling2D()]


_KINDS: dict[str, Callable[..., list[Any]]] = {
    "dense": _dense,
    "convolution": _convolution,
    "recurrent": _recurrent,
    "resnet": _resnet,
}
