"""What every layer of Yat neurons shares: how it has its kernel meet its input."""

from typing import Any

import keras
from keras import ops

from keras_yat import _validate, activations, initializers
from keras_yat._space import Choice, Float, Made
from keras_yat.layers.yat._scales import Scaled, serialized, tensor
from keras_yat.ops import _product as yat_ops

INITIALIZER = Choice(
    {
        "yat_normal": Made(initializers.YatNormal, {"input_scale": Float(0.1, 3.0, log=True)}),
        "glorot_uniform": "glorot_uniform",
        "he_normal": "he_normal",
    }
)
"""How the initializer of a kernel can be searched."""


class YatLayer(Scaled):
    """Abstract: a layer of Yat neurons, and the arguments about them.

    A subclass makes its own weights in `build`, where it calls `add_scales`,
    and gets its outputs from `yat`. Weights are read in float32 (or wider)
    whatever the compute dtype is.
    """

    search_space = {
        **Scaled.search_space,
        "normalize": Choice.of(*yat_ops.NORMALIZATIONS),
        "drop_connect": Choice({"none": 0.0, "some": Float(0.05, 0.5, default=0.1)}),
    }

    def __init__(
        self,
        *,
        constant_bias: float | None = None,
        normalize: str | None = None,
        distance: str = "expanded",
        drop_connect: float = 0.0,
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if constant_bias is not None:
            constant_bias = _validate.number("constant_bias", constant_bias)
        self.constant_bias = constant_bias
        self.normalize = _validate.one_of("normalize", normalize, yat_ops.NORMALIZATIONS)
        self.distance = _validate.one_of("distance", distance, yat_ops.DISTANCES)
        self.drop_connect = _validate.rate("drop_connect", drop_connect)
        self.seed = _validate.seed("seed", seed)
        # Keras tracks it: a generator that nothing asks would be a weight for nothing.
        self.seed_generator = keras.random.SeedGenerator(seed) if drop_connect else None
        self.kernel_trainable = _validate.flag("kernel_trainable", kernel_trainable)

    def checked_use_bias(self, use_bias: Any) -> bool:
        """`use_bias`, which a constant bias needs."""
        if self.constant_bias is not None and not _validate.flag("use_bias", use_bias):
            _validate.refuse("use_bias", "be True", use_bias, constant_bias=self.constant_bias)
        return _validate.flag("use_bias", use_bias)

    def suited_bias_and_alpha(
        self,
        initializer: Any,
        entries: int,
        filled: float | None = None,
        bias: float | None = 0.0,
    ) -> tuple[float, float]:
        """The starting values of bias and alpha that go with the kernel's initializer.

        Args:
            initializer: That of the kernel: `YatNormal` has values that suit it, with
                others they are 0 and 1.
            entries: Entries of the kernel in one inner product.
            filled: How many of these meet an entry of the input; None for all.
            bias: That of the neurons, or None if it may start where it likes.
        """
        if not isinstance(initializer, initializers.YatNormal):
            return 0.0, 1.0
        return initializer.suited_bias_and_alpha(
            entries, entries if filled is None else filled, self.normalize, bias
        )

    def connections(self, kernel: Any, training: Any) -> Any:
        """`kernel`, in training with entries dropped."""
        kernel = ops.convert_to_tensor(kernel)
        # In this order: `training` may be a tracer, of which Python cannot ask.
        if self.drop_connect and training:
            kernel = keras.random.dropout(kernel, self.drop_connect, seed=self.seed_generator)
        return kernel

    def neurons(
        self, correlation: yat_ops.Correlation, kernel: Any, bias: Any, prefix: str = ""
    ) -> yat_ops.Neurons:
        """The Yat neurons of `kernel` with the scales of `prefix`, for many inputs."""
        return yat_ops.Neurons(
            correlation,
            kernel,
            self.compute_dtype,
            bias=None if bias is None else tensor(bias),
            **self.scales(prefix),
            normalize=self.normalize,
            distance=self.distance,
        )

    def yat(
        self, correlation: yat_ops.Correlation, x: Any, kernel: Any, bias: Any, training: Any
    ) -> Any:
        """The layer's Yat product of `x` and a kernel, in the compute dtype."""
        bias = self.constant_bias if bias is None else bias
        neurons = self.neurons(correlation, self.connections(kernel, training), bias)
        return neurons(ops.cast(x, self.compute_dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "constant_bias": self.constant_bias,
            "normalize": self.normalize,
            "distance": self.distance,
            "drop_connect": self.drop_connect,
            "seed": self.seed,
            "kernel_trainable": self.kernel_trainable,
        }


def regularizer(name: str, value: Any) -> Any:
    """The regularizer that the argument `name` gives, or None."""
    return _validate.resolved(name, value, "a regularizer", keras.regularizers.get)


def constraint(name: str, value: Any) -> Any:
    """The constraint that the argument `name` gives, or None."""
    return _validate.resolved(name, value, "a constraint", keras.constraints.get)


def activation(name: str, value: Any, policy: Any) -> Any:
    """The activation that the argument `name` gives; one by name has the layer's policy."""
    function = activations.get(value, name)
    if isinstance(value, str) and isinstance(function, keras.layers.Layer):
        function = type(function)(dtype=policy)
    return function


def shared(layer: Any) -> Any:
    """The configuration of a layer that the model has elsewhere too, or None.

    Keras marks what it meets twice, but where the layer itself comes later it
    would mark a copy.
    """
    config = serialized(layer)
    if config is not None:
        config["shared_object_id"] = id(layer)
    return config
