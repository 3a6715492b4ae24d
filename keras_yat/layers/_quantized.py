"""The base of the Yat layers whose kernel can be ternary or stored in 8 or 4 bits."""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import quantizers
from keras_yat._keras_compat import (
    QuantizedCall,
    changing_weights,
    mark_quantized,
    own_variables,
    set_policy,
    set_weight,
)
from keras_yat._types import Config, Identifier, Tensor
from keras_yat.layers._base import YatLayer
from keras_yat.layers._stored_kernel import RANGES, Integers, StoredKernel
from keras_yat.layers._weight_options import serialized


class QuantizableLayer(YatLayer, QuantizedCall):
    """Abstract: a Yat layer whose kernel can be ternary or stored in 8 or 4 bits.

    `stored_kernel` has the kernel: product, norm, `prototypes` and files read it there. Its weights
    are attributes of the layer: `_kernel` and `kernel_scale`, or `_embeddings` and so on.
    """

    stored_kernel: StoredKernel
    _kernel_name: ClassVar[str] = "kernel"
    _options_name: ClassVar[str] = "kernel"
    """The prefix of the arguments of the kernel."""
    _lora_axis: ClassVar[int] = -1
    """The axis of the kernel that the factor B of a low-rank term has."""

    def __init__(self, *, kernel_quantizer: Identifier | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_quantizer: Any = quantizers.get(kernel_quantizer, "kernel_quantizer")

    def prototypes(self) -> Tensor:
        """The weights w of the neurons, on the scale of the input."""
        raise NotImplementedError

    def sparsity(self) -> float:
        """The share of zeros among the weights of the neurons.

        Returns:
            A float from 0 to 1. That of a layer with a `kernel_quantizer` is the share of zeros of
            the ternary kernel; a float kernel has zeros only by chance or by a constraint.

        Raises:
            ValueError: If the layer is not built.

        Example:

        >>> layer = keras_yat.YatDense(10, kernel_quantizer="ternary")
        >>> layer.build((None, 64))
        >>> 0.2 < layer.sparsity() < 0.4
        True
        """
        zeros = ops.equal(self.prototypes(), 0.0)
        return float(ops.convert_to_numpy(zeros).mean())

    def _relative_mean_square(self) -> float:
        quantizer = self.stored_kernel.quantizer
        return 1.0 if quantizer is None else quantizer.relative_mean_square()

    def _owns_kernel(self) -> bool:
        """Whether the kernel is not that of another layer."""
        return True

    def _add_kernel(self, options: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
        """Adds the weight of the kernel with its `WeightOptions`, or integers for it.

        `axes` are those over which a product sums.
        """
        name = self._kernel_name
        kernel = StoredKernel(name, shape, axes, self._lora_axis, self.kernel_quantizer)
        self.stored_kernel = kernel
        if self.quantization_mode:
            mode = _checked_mode(self, self.quantization_mode)
            self._add_integers(Integers(mode, _block_size(self._own_policy())))
        else:
            kernel.kernel = options.add(
                name, shape, self.multiplier, trainable=self.kernel_trainable
            )
        self._use_kernel(kernel)

    def _use_kernel(self, kernel: StoredKernel) -> None:
        """Makes a kernel that of this layer. `_add_lora` adds the weights of a low-rank term."""
        self.stored_kernel = kernel
        kernel.layers.add(self)
        _track(self, kernel, 2)

    def _kernel_changed(self) -> None:
        """Makes new weights of the kernel attributes of all layers that have it."""
        for layer in self.stored_kernel.layers:
            _track(layer, self.stored_kernel)

    def _add_integers(self, integers: Integers) -> None:
        kernel, name = self.stored_kernel, self._kernel_name
        shapes = integers.shapes(kernel)
        settings = {"trainable": False, "autocast": False}
        kernel.integers = integers
        kernel.kernel = self.add_weight(
            name=name, shape=shapes[0], initializer="zeros", dtype="int8", **settings
        )
        kernel.scale = self.add_weight(
            name=f"{name}_scale",
            shape=shapes[1],
            initializer="ones",
            dtype=self._scale_dtype,
            **settings,
        )
        mark_quantized(self)

    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """Stores the kernel in 8 or 4 bits; `model.quantize` calls this for each layer.

        The kernel becomes integers q = round(scale·v), with a scale per neuron. Product and norm
        are computed in float from the same q / scale: the distance ‖w - x‖ needs both, and an input
        without rounding, so that activations are never quantized, also where `config` has an
        `activation_quantizer` for Keras's layers. File and memory shrink to about a quarter or an
        eighth. Bias, alpha and epsilon stay as they are. The
        kernel can no longer be trained: train it before, or call `enable_lora` after. A layer with
        `kernel_from` follows the layer that owns the kernel.

        `model.quantize` of Keras 3.15 leaves out layers that contain a layer, such as
        `YatDense(8, activation=keras_yat.Mila())`: call this method of such a layer.

        Args:
            mode: `"int8"` or `"int4"`, or None with a `config`.
            type_check: Not used: subclasses are quantized as well.
            config: None, or `keras.quantizers.Int8QuantizationConfig` or
                `Int4QuantizationConfig`. Its `weight_quantizer` is called for all weights of a
                neuron together. `block_size` (by default 128) is the number of weights of a neuron
                that share a scale in 4 bits; None or -1 for all.

        Raises:
            NotImplementedError: If the mode is `"float8"`, `"gptq"` or `"awq"`, or the layer has a
                `kernel_quantizer`; `model.quantize` warns, and leaves the layer as it is.
            ValueError: If the layer is not built or quantized already, or the mode is unknown.

        Example:

        >>> layer = keras_yat.YatDense(10)
        >>> layer.build((None, 64))
        >>> layer.quantize("int8")
        >>> [w.dtype for w in layer.weights if "kernel" in w.path]
        ['int8', 'float32']

        Reference:
            `keras.Model.quantize`, and `keras.quantizers.AbsMaxQuantizer` for the scale.
        """
        mode = _checked_mode(self, mode)
        if not self._owns_kernel():
            return
        policy = self._own_policy()
        block = _block_size(policy if self.quantization_mode else config)
        kernel = self.stored_kernel
        values = kernel.base()
        with changing_weights(self):
            delattr(self, f"_{self._kernel_name}")
            self._add_integers(Integers(mode, block))
        kernel.assign(values, getattr(config, "weight_quantizer", None))
        if not self.quantization_mode:
            name = mode if mode == "int8" else f"int4/{block or -1}"
            set_policy(self, f"{name}_from_{policy.name}")
        self._kernel_changed()

    def _own_policy(self):
        policy = self.dtype_policy
        several = isinstance(policy, keras.dtype_policies.DTypePolicyMap)
        return policy[self.path] if several else policy

    def _other_weights(self):
        """The weights apart from those of the kernel, in the order of a file.

        In a file they follow the kernel; a scale is the last. A file has no low-rank term: it is
        merged into the kernel.
        """
        of_kernel = self.stored_kernel.attributes().values()
        return [w for w in own_variables(self) if not any(w is each for each in of_kernel)]

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights of the layer. Keras calls it.

        Args:
            store: A mapping from numbers, as strings, to arrays.
        """
        if not self.built:
            return
        kernel, *scale = self.stored_kernel.to_file()
        for place, value in enumerate([kernel, *self._other_weights(), *scale]):
            store[str(place)] = value

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights of the layer. Keras calls it.

        Args:
            store: A mapping from numbers, as strings, to arrays.

        Raises:
            ValueError: If the file has another number of weights, as it has for a layer that is
                not built, or for a quantized layer if this one is not.
        """
        others = self._other_weights() if self.built else []
        numbers = self.stored_kernel.arrays_in_files if self.built else (0,)
        found = len(store.keys())
        if found - len(others) not in numbers:
            names = [w.path.rsplit("/", 1)[-1] for w in others]
            if self.built:
                kernel, *scale = (w.path.rsplit("/", 1)[-1] for w in self.stored_kernel.stored())
                names = [kernel, *names, *scale]
            raise ValueError(
                f"Layer {self.name!r} expected {len(others) + numbers[0]} variables, but received "
                f"{found} variables during loading. Expected: {names}. Build it before, and "
                "quantize it if the saved one was."
            )
        if not found:
            return
        kernel, *values = [store[str(place)] for place in range(found)]
        self.stored_kernel.from_file([kernel, *values[len(others) :]])
        for weight, value in zip(others, values, strict=False):
            weight.assign(value)

    def get_config(self) -> Config:
        return {**super().get_config(), "kernel_quantizer": serialized(self.kernel_quantizer)}


def _track(layer, kernel, count=None):
    """Makes the first `count` weights of a kernel attributes of a layer, which tracks them."""
    with changing_weights(layer):
        for name, weight in list(kernel.attributes().items())[:count]:
            lora = kernel.factors is not None
            set_weight(layer, name, weight, frozen=lora and weight is kernel.kernel)


def _block_size(source):
    """The block size of a policy or of a `QuantizationConfig`, or None."""
    size = getattr(source, "block_size", None)
    return None if size == -1 else size


def _checked_mode(layer, mode):
    if layer.kernel_quantizer is not None:
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} has a ternary kernel, of 1.6 bits a weight in "
            f"files: integers of mode {mode!r} would need more."
        )
    if mode not in RANGES:
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} has no quantization {mode!r}, only "
            f"{' and '.join(map(repr, RANGES))}, of the weights alone. GPTQ and AWQ choose "
            "integers for an inner product, and float8 rounds the input, but a Yat neuron "
            "computes a distance too."
        )
    return mode
