"""The base of the dense and convolutional Yat layers: a kernel, a bias, and kernel sharing."""

import math
import warnings
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._backend import dense_tensor
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._adapt import AdaptableLayer
from keras_yat.layers._base import INITIALIZER, checked_activation, shared_config
from keras_yat.layers._weight_options import WeightOptions, checked_regularizer, serialized


class KernelLayer(AdaptableLayer):
    """Abstract: a Yat layer with a kernel and a bias.

    A subclass defines `_kernel_shape` and `_linear_map`, and passes `features`, the number of
    its neurons.
    """

    kernel_scale: Any = None
    lora_kernel_a: Any = None
    lora_kernel_b: Any = None
    bias: Any

    search_space: ClassVar[Space] = {
        **AdaptableLayer.search_space,
        "kernel_initializer": INITIALIZER,
    }

    def __init__(
        self,
        features: int,
        *,
        activation: Identifier | None,
        use_bias: bool,
        kernel_initializer: Identifier,
        bias_initializer: Identifier | None,
        kernel_regularizer: Identifier | None,
        bias_regularizer: Identifier | None,
        activity_regularizer: Identifier | None,
        kernel_constraint: Identifier | None,
        bias_constraint: Identifier | None,
        kernel_from: Any,
        kernel_slice: tuple[int, int] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.features: int = features
        self.activation: Any = checked_activation("activation", activation, self.dtype_policy)
        self.use_bias: bool = self._checked_use_bias(use_bias)
        self._kernel_options = WeightOptions(
            self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias_options = WeightOptions(
            self, "bias", bias_initializer, bias_regularizer, bias_constraint, required=False
        )
        self._owner = _Owner(self._checked_owner(kernel_from))
        self.kernel_slice: tuple[int, int] | None = self._checked_slice(kernel_slice)

    def _checked_owner(self, owner):
        if owner is None:
            return None
        if not isinstance(owner, KernelLayer) or type(owner) is not type(self):
            _validate.invalid_argument("kernel_from", f"be a {type(self).__name__}", owner)
        if owner.kernel_from is not None:
            _validate.invalid_argument("kernel_from", "own its kernel", owner.name)
        none = {"kernel_regularizer": None, "kernel_constraint": None, "kernel_multiplier": "auto"}
        none["lora_rank"] = None
        for name, free in none.items():
            value = getattr(self, name)
            if value != free:
                _validate.invalid_argument(
                    name, f"be {free!r}: the owner's applies", value, kernel_from=owner.name
                )
        return owner

    def _checked_slice(self, given):
        if given is None:
            return None
        if self.kernel_from is None:
            _validate.invalid_argument("kernel_slice", "be None without `kernel_from`", given)
        start, stop = _validate.counts("kernel_slice", given, 2, least=0)
        if stop - start != self.features or stop > self.kernel_from.features:
            _validate.invalid_argument(
                "kernel_slice",
                f"be (start, stop) with stop - start = {self.features} and stop at most "
                f"{self.kernel_from.features}",
                given,
            )
        return start, stop

    @property
    def kernel_from(self) -> Any:
        """The layer that owns the kernel, or None if this one does."""
        return self._owner.layer

    def _owns_kernel(self) -> bool:
        return self.kernel_from is None

    @property
    def kernel(self) -> Any:
        """The trained variable; its values as a tensor, if there is LoRA or quantization."""
        return self.stored_kernel.readable()

    def build(self, input_shape: Shape) -> None:
        shape = self._kernel_shape(input_shape)
        if self.kernel_from is None:
            fan_in = self._effective_fan_in(math.prod(shape) // self.features)
            self.multiplier: float = self._multiplier_for(self.kernel_initializer, fan_in)
            self._add_kernel(self._kernel_options, shape)
        else:
            self._check_owner(input_shape, shape)
            self._use_kernel(self.kernel_from.stored_kernel)
            self.multiplier = self.kernel_from.multiplier
        bias, alpha = self._starting_values(shape)
        self.bias = None
        if self.use_bias and self.constant_bias is None:
            start = self._bias_options.initializer or keras.initializers.Constant(bias)
            self.bias = self._bias_options.add("bias", (self.features,), initializer=start)
        self._add_epsilon_and_alpha(alpha)
        self._add_lora()
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build(self.compute_output_shape(input_shape))

    def _check_owner(self, input_shape, shape):
        owner = self.kernel_from
        if not owner.built:
            owner.build(input_shape)
            owner.built = True
        found = list(owner.stored_kernel.shape)
        if self.kernel_slice is not None:
            found[self._features_axis] = self.features
        if tuple(found) != tuple(shape):
            _validate.invalid_argument(
                "kernel_from",
                f"have a kernel of shape {tuple(shape)}",
                owner.name,
                kernel_shape=owner.stored_kernel.shape,
                kernel_slice=self.kernel_slice,
            )

    def _starting_values(self, kernel_shape):
        entries = math.prod(kernel_shape) // self.features
        free = self.use_bias and self.constant_bias is None and self.bias_initializer is None
        bias = None if free else self.constant_bias or 0.0
        fan_in = self._effective_fan_in(entries)
        return self._default_bias_and_alpha(self.kernel_initializer, entries, fan_in, bias)

    def _effective_fan_in(self, entries: int) -> float:
        """The average number of input entries in the product of a neuron with `entries` weights."""
        return entries

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """The shape of the kernel for an input of this shape."""
        raise NotImplementedError

    def _own_kernel(self) -> Tensor:
        """The kernel of this layer: that of its owner, or a slice of it."""
        kernel = self.stored_kernel.value()
        if self.kernel_slice is not None:
            start, stop = self.kernel_slice
            behind = [slice(None)] * (-1 - self._features_axis)
            kernel = kernel[(..., slice(start, stop), *behind)]
        if self.kernel_from is not None and not self.kernel_trainable:
            kernel = ops.stop_gradient(kernel)
        return kernel

    def prototypes(self) -> Tensor:
        """The weights w of the neurons, on the scale of the input.

        Returns:
            A tensor of the shape of `kernel`, or of its slice: the trained variable `kernel` times
            the kernel multiplier, in float32 or wider. With `normalize` each w is divided by its
            norm.

        Raises:
            ValueError: If the layer is not built.
        """
        self._check_built()
        return self._prototypes(self._own_kernel(), self.multiplier, self._linear_map().axes)

    def _pre_activation(self, inputs: Tensor, training: bool | None) -> Tensor:
        """The outputs of the neurons, channels last, before the activation."""
        inputs = self._to_channels_last(inputs)
        return self._yat(self._linear_map(), inputs, self._own_kernel(), self.bias, training)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        inputs = dense_tensor(inputs)
        outputs = self._from_channels_last(self._pre_activation(inputs, training))
        if self.activation is not None:
            outputs = self.activation(outputs)
        return ops.cast(outputs, self.compute_dtype)

    def _from_channels_last(self, outputs: Tensor) -> Tensor:
        """`outputs` in the data format of the layer."""
        return outputs

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **self._kernel_options.get_config(),
            **self._bias_options.get_config(),
            "activity_regularizer": serialized(self.activity_regularizer),
            "kernel_from": shared_config(self.kernel_from),
            "kernel_slice": self.kernel_slice,
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        config = dict(config)
        if isinstance(config.get("kernel_from"), dict):
            config["kernel_from"] = _shared_layer(config["kernel_from"])
        return super().from_config(config)


def _shared_layer(config):
    """The layer of `shared_config`: that of the file which is being loaded, or a copy."""
    layer, again = (keras.saving.deserialize_keras_object(config) for _ in range(2))
    if layer is not again:
        warnings.warn(
            f"The kernel of {layer.name!r} is no longer shared: only `.keras` files keep the "
            "layers of a model together, not `clone_model`, JSON and HDF5.",
            stacklevel=3,
        )
    return layer


class _Owner:
    """Hides a layer from Keras's tracking: its kernel is shared, it is not a sublayer."""

    def __init__(self, layer):
        self.layer = layer
