"""The base of the layers of Yat neurons."""

import numbers
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate, activations, initializers
from keras_yat._numerics.formula import on_sphere
from keras_yat._numerics.gradients import at_least_float32
from keras_yat._numerics.prepared_kernel import (
    DISTANCES,
    NORMALIZATIONS,
    LinearMap,
    PreparedKernel,
)
from keras_yat._space import Build, Choice, Float, Space
from keras_yat._types import Config, Identifier, Tensor
from keras_yat.layers._epsilon_alpha import EpsilonAlphaLayer, tensor
from keras_yat.layers._weight_options import serialized

INITIALIZER = Choice(
    {
        "yat_normal": Build(initializers.YatNormal, {"input_scale": Float(0.1, 3.0, log=True)}),
        "glorot_uniform": "glorot_uniform",
        "he_normal": "he_normal",
    }
)
"""The search space of the initializer of a kernel."""


class YatLayer(EpsilonAlphaLayer):
    """Abstract: a layer of Yat neurons.

    A subclass adds its weights in `build`, where it calls `_add_epsilon_and_alpha`, and computes
    its outputs with `_yat`. Weights are read in float32 or wider whatever the compute dtype is.
    """

    multiplier: float
    """The factor s between the trained variable v and the weights w = s·v, set by `build`."""

    search_space: ClassVar[Space] = {
        **EpsilonAlphaLayer.search_space,
        "normalize": Choice.of(*NORMALIZATIONS),
        "drop_connect": Choice({"none": 0.0, "some": Float(0.05, 0.5, default=0.1)}),
    }

    def __init__(
        self,
        *,
        constant_bias: float | None = None,
        kernel_multiplier: float | str = "auto",
        normalize: str | None = None,
        distance: str = "expanded",
        drop_connect: float = 0.0,
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if constant_bias is not None:
            constant_bias = _validate.number("constant_bias", constant_bias)
        self.constant_bias: float | None = constant_bias
        self.kernel_multiplier: float | str = _checked_multiplier(kernel_multiplier)
        self.normalize: str | None = _validate.one_of("normalize", normalize, NORMALIZATIONS)
        self.distance: str = _validate.one_of("distance", distance, DISTANCES)
        self.drop_connect: float = _validate.rate("drop_connect", drop_connect)
        self.seed: int | None = _validate.seed("seed", seed)
        # Keras tracks generators: an unused one would add a weight to the layer.
        self.seed_generator: Any = keras.random.SeedGenerator(seed) if drop_connect else None
        self.kernel_trainable: bool = _validate.flag("kernel_trainable", kernel_trainable)

    def _checked_use_bias(self, use_bias: Any) -> bool:
        """`use_bias`; a constant bias needs it to be True."""
        if self.constant_bias is not None and not _validate.flag("use_bias", use_bias):
            _validate.invalid_argument(
                "use_bias", "be True", use_bias, constant_bias=self.constant_bias
            )
        return _validate.flag("use_bias", use_bias)

    def _default_bias_and_alpha(
        self,
        initializer: Any,
        entries: int,
        effective_fan_in: float | None = None,
        bias: float | None = 0.0,
    ) -> tuple[float, float]:
        """The starting values of bias and alpha that match the kernel's initializer.

        Args:
            initializer: The kernel's. `YatNormal` has matching values; others get 0 and 1.
            entries: Number of weights of a neuron.
            effective_fan_in: Average number of input entries in a product; None for `entries`.
            bias: A given bias, or None to choose it.
        """
        if not isinstance(initializer, initializers.YatNormal):
            return 0.0, 1.0
        fan_in = entries if effective_fan_in is None else effective_fan_in
        return initializer.default_bias_and_alpha(
            entries, fan_in, self.normalize, bias, self._relative_mean_square()
        )

    def _relative_mean_square(self) -> float:
        """The mean square of the kernel at the start relative to that of its initializer."""
        return 1.0

    def _multiplier_for(self, initializer: Any, fan_in: float, **step: float) -> float:
        """The factor s between the trained variable v and the weights w = s·v of the neurons.

        Args:
            initializer: The kernel's.
            fan_in: Average number of input entries in a product.
            step: Argument of `YatNormal.kernel_multiplier`.
        """
        if self.kernel_multiplier != "auto":
            return float(self.kernel_multiplier)
        if isinstance(initializer, initializers.YatNormal):
            return initializer.kernel_multiplier(fan_in, **step)
        return 1.0

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"The layer {self.name!r} has no weights yet: call it on an input, or `build`."
            )

    def _prototypes(self, kernel: Any, multiplier: float, axes: tuple[int, ...]) -> Tensor:
        """The weights of the neurons whose trained variable is `kernel`, in float32 or wider.

        `axes` are those over which a product sums.
        """
        kernel = ops.convert_to_tensor(kernel)
        kernel = multiplier * ops.cast(kernel, at_least_float32(kernel))
        return kernel if self.normalize is None else on_sphere(kernel, axes)

    def _apply_drop_connect(self, kernel: Tensor, training: bool | None) -> Tensor:
        """`kernel`, in training with dropped entries."""
        kernel = ops.convert_to_tensor(kernel)
        # The rate first: `training` may be a tracer, which has no truth value.
        if self.drop_connect and training:
            kernel = keras.random.dropout(kernel, self.drop_connect, seed=self.seed_generator)
        return kernel

    def _prepared_kernel(
        self, linear_map: LinearMap, kernel: Any, bias: Any, prefix: str = ""
    ) -> PreparedKernel:
        """`kernel`, prepared for inputs, with the epsilon and alpha of `prefix`."""
        return PreparedKernel(
            linear_map,
            kernel,
            self.compute_dtype,
            bias=None if bias is None else tensor(bias),
            **self._epsilon_and_alpha(prefix),
            normalize=self.normalize,
            distance=self.distance,
            multiplier=getattr(self, f"{prefix}multiplier"),
        )

    def _yat(
        self, linear_map: LinearMap, x: Tensor, kernel: Any, bias: Any, training: bool | None
    ) -> Tensor:
        """The Yat product of `x` and a kernel, or of its factors, in the compute dtype."""
        bias = self.constant_bias if bias is None else bias
        if isinstance(kernel, tuple):
            kernel = tuple(self._apply_drop_connect(factor, training) for factor in kernel)
        else:
            kernel = self._apply_drop_connect(kernel, training)
        prepared = self._prepared_kernel(linear_map, kernel, bias)
        return prepared(ops.cast(x, self.compute_dtype))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "constant_bias": self.constant_bias,
            "kernel_multiplier": self.kernel_multiplier,
            "normalize": self.normalize,
            "distance": self.distance,
            "drop_connect": self.drop_connect,
            "seed": self.seed,
            "kernel_trainable": self.kernel_trainable,
        }


def _checked_multiplier(value):
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        _validate.invalid_argument("kernel_multiplier", "be 'auto' or a number above 0", value)
    return _validate.number("kernel_multiplier", value, above=0.0)


def checked_activation(name: str, value: Identifier | None, policy: Any) -> Any:
    """The activation of the argument `name`. One that is given by name gets the layer's policy."""
    function = activations.get(value, name)
    if isinstance(value, str) and isinstance(function, keras.layers.Layer):
        if isinstance(policy, keras.dtype_policies.QuantizedDTypePolicy):
            policy = policy.get_config()["source_name"]  # only kernels are quantized
        function = type(function)(dtype=policy)
    return function


def shared_config(layer: Any) -> Any:
    """The configuration of a layer that is also elsewhere in the model, or None.

    Keras marks an object that it serializes twice; if the layer itself comes later, it would mark
    a copy.
    """
    config = serialized(layer)
    if config is not None:
        config["shared_object_id"] = id(layer)
    return config
