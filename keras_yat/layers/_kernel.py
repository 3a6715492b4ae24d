"""The base of the Yat layers with a single kernel, which they can share."""

import warnings
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._adapt import AdaptableLayer
from keras_yat.layers._base import INITIALIZER, shared_config
from keras_yat.layers._weight_options import WeightOptions


class KernelLayer(AdaptableLayer):
    """Abstract: a Yat layer with a kernel, which it owns or shares.

    A subclass defines `_kernel_shape` and `_linear_map`, and passes `features`, the size of the
    kernel along the axis of its neurons.
    """

    kernel_scale: Any = None
    lora_kernel_a: Any = None
    lora_kernel_b: Any = None
    _features_axis: ClassVar[int] = -1
    """The axis of the kernel along which `kernel_slice` selects neurons."""

    search_space: ClassVar[Space] = {
        **AdaptableLayer.search_space,
        "kernel_initializer": INITIALIZER,
    }

    def __init__(
        self,
        *,
        features: int,
        kernel_initializer: Identifier,
        kernel_regularizer: Identifier | None,
        kernel_constraint: Identifier | None,
        kernel_from: Any,
        kernel_slice: tuple[int, int] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.features: int = features
        self._kernel_options = WeightOptions(
            self, self._options_name, kernel_initializer, kernel_regularizer, kernel_constraint
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
        options = [f"{self._options_name}_{name}" for name in ("regularizer", "constraint")]
        none = {**dict.fromkeys(options), "lora_rank": None, "kernel_quantizer": None}
        for name, free in {**none, "kernel_multiplier": "auto"}.items():
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
        size, most = self.features, self.kernel_from.features
        if stop - start != size or stop > most:
            _validate.invalid_argument(
                "kernel_slice",
                f"be (start, stop) with stop - start = {size} and stop at most {most}",
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
        """The trained variable; its values as a tensor, if there is LoRA or quantization.

        A `kernel_quantizer` is not applied: see `prototypes`.
        """
        return self.stored_kernel.readable()

    def build(self, input_shape: Shape) -> None:
        shape = self._kernel_shape(input_shape)
        if self.kernel_from is None:
            fan_in = self._effective_fan_in(self._linear_map().entries(shape))
            self.multiplier: float = self._multiplier_for(self._kernel_options.initializer, fan_in)
            self._add_kernel(self._kernel_options, shape, self._linear_map().axes)
        else:
            self._check_owner(input_shape, shape)
            self._use_kernel(self.kernel_from.stored_kernel)
            self.multiplier = self.kernel_from.multiplier
        self._add_bias_and_scales(input_shape, shape, self._kernel_options.initializer)
        self._add_lora()

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

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        """The shape of the kernel for an input of this shape."""
        raise NotImplementedError

    def _factors(self) -> tuple[Tensor, ...]:
        """The kernel of this layer: that of its owner, or a slice of it."""
        kernel = self.stored_kernel.value()
        if self.kernel_slice is not None:
            start, stop = self.kernel_slice
            behind = [slice(None)] * (-1 - self._features_axis)
            kernel = kernel[(..., slice(start, stop), *behind)]
        if self.kernel_from is not None and not self.kernel_trainable:
            kernel = ops.stop_gradient(kernel)
        return (kernel,)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            **self._kernel_options.get_config(),
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
