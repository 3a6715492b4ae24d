"""Layers one after the other: as a Sequential model, as a subclass of Model, or applied."""

from collections.abc import Iterable
from typing import Any

import keras


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
