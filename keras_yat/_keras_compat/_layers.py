"""Layers that Keras calls in another way."""

from typing import Any

import keras

from keras_yat._keras_compat._typed import Layer


class QuantizedCall(Layer):
    """Abstract: a layer with the same `call` where it is quantized."""

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


class ReversibleLayer(Layer):
    """Abstract: a layer that is called in two ways. `compute_mask` belongs to the first.

    In the second, whose outputs have the rank of its inputs, masks pass through.
    """

    def _set_mask_metadata(self, inputs: Any, outputs: Any, previous_mask: Any) -> None:
        if len(inputs.shape) == len(outputs.shape):
            _PASSING._set_mask_metadata(inputs, outputs, previous_mask)
        else:
            super()._set_mask_metadata(inputs, outputs, previous_mask)


_PASSING: Any = keras.layers.Identity(name="mask")
