"""What every Yat layer shares: epsilon, alpha, the precision of its weights."""

from typing import Any

import keras
from keras import ops

import keras_yat.ops as yat_ops
from keras_yat import _validate, initializers
from keras_yat.layers._projection import Projection

LEAST_EPSILON = 1e-7
"""What a learned epsilon is kept at or above."""


class YatLayer(keras.layers.Layer):
    """Abstract: a layer of Yat neurons, and the arguments about them.

    A subclass makes its own weights in `build`, where it calls `add_scales`,
    and gets its outputs from `yat`. Weights are read in float32 (or wider)
    whatever the compute dtype is.
    """

    def __init__(
        self,
        *,
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: Any = "learned",
        alpha_initializer: Any = None,
        constant_bias: float | None = None,
        normalize: str | None = None,
        distance: str = "expanded",
        drop_connect: float = 0.0,
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.learn_epsilon = _validate.flag("learn_epsilon", learn_epsilon)
        self._set_epsilon(epsilon)
        self._alpha = _alpha(alpha)
        self.alpha: Any = None if self._alpha == "learned" else self._alpha
        self.alpha_initializer = _optional(alpha_initializer, "alpha_initializer")
        if alpha_initializer is not None and self._alpha != "learned":
            _validate.refuse("alpha_initializer", "be None", alpha_initializer, alpha=alpha)
        if constant_bias is not None:
            constant_bias = _validate.number("constant_bias", constant_bias)
        self.constant_bias = constant_bias
        self.normalize = _validate.one_of("normalize", normalize, yat_ops.NORMALIZATIONS)
        self.distance = _validate.one_of("distance", distance, yat_ops.DISTANCES)
        self.drop_connect = _validate.rate("drop_connect", drop_connect)
        self.seed = _validate.seed("seed", seed)
        self._seeds = None
        if self.drop_connect:
            self._seeds = keras.random.SeedGenerator(seed)
        self.kernel_trainable = _validate.flag("kernel_trainable", kernel_trainable)

    def _set_epsilon(self, epsilon: float) -> None:
        epsilon = _validate.number("epsilon", epsilon, above=0.0)
        if self.learn_epsilon and epsilon < LEAST_EPSILON:
            _validate.refuse(
                "epsilon", f"be at least {LEAST_EPSILON:g} where it is learned", epsilon
            )
        self._epsilon = epsilon
        self.epsilon: Any = epsilon

    @property
    def scale_dtype(self) -> str:
        """The dtype of alpha and epsilon."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    def suited_bias_and_alpha(
        self, initializer: Any, entries: int, filled: float | None = None, biased: bool = False
    ) -> tuple[float, float]:
        """The starting values of bias and alpha that go with the kernel's initializer.

        Args:
            initializer: That of the kernel: `YatNormal` has values that suit it, with
                others they are 0 and 1.
            entries: Entries of the kernel in one inner product.
            filled: How many of these meet an entry of the input; None for all.
            biased: Whether there is a bias that may start where it likes.
        """
        if not isinstance(initializer, initializers.YatNormal):
            return 0.0, 1.0
        return initializer.suited_bias_and_alpha(
            entries,
            entries if filled is None else filled,
            self.normalize,
            None if biased else self.constant_bias or 0.0,
        )

    def add_scales(self, alpha: float) -> None:
        """Makes the weights alpha, starting at `alpha`, and epsilon: those that are learned."""
        if self._alpha == "learned":
            self.alpha = self.add_weight(
                name="alpha",
                shape=(),
                dtype=self.scale_dtype,
                initializer=self.alpha_initializer or keras.initializers.Constant(alpha),
                autocast=False,
            )
        if self.learn_epsilon:
            # Its value itself, not a logarithm: that of 1e-5 has a slope of 1e-5.
            self.epsilon = self.add_weight(
                name="epsilon",
                shape=(),
                dtype=self.scale_dtype,
                initializer=keras.initializers.Constant(self._epsilon),
                constraint=Projection(LEAST_EPSILON, None),
                autocast=False,
            )

    def set_scales(self, epsilon: float | None, alpha: float) -> None:
        """Sets epsilon unless it is None, and alpha if it is learned."""
        if epsilon is not None and self.learn_epsilon:
            self.epsilon.assign(max(epsilon, LEAST_EPSILON))
        elif epsilon is not None:
            self._set_epsilon(epsilon)
        if self._alpha == "learned":
            self.alpha.assign(alpha)

    def yat(
        self, correlation: yat_ops.Correlation, x: Any, kernel: Any, bias: Any, training: Any
    ) -> Any:
        """The layer's Yat product of `x` and a kernel, in the compute dtype."""
        kernel = ops.convert_to_tensor(kernel)
        # In this order: `training` may be a tracer, of which Python cannot ask.
        if self._seeds is not None and training:
            kernel = keras.random.dropout(kernel, self.drop_connect, seed=self._seeds)
        return yat_ops.correlate(
            correlation,
            ops.cast(x, self.compute_dtype),
            kernel,
            bias=self.constant_bias if bias is None else ops.convert_to_tensor(bias),
            epsilon=_tensor(self.epsilon),
            alpha=_tensor(self.alpha),
            normalize=self.normalize,
            distance=self.distance,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self._epsilon,
            "learn_epsilon": self.learn_epsilon,
            "alpha": self._alpha,
            "alpha_initializer": serialized(self.alpha_initializer),
            "constant_bias": self.constant_bias,
            "normalize": self.normalize,
            "distance": self.distance,
            "drop_connect": self.drop_connect,
            "seed": self.seed,
            "kernel_trainable": self.kernel_trainable,
        }


def serialized(item: Any) -> Any:
    """The configuration of an initializer, regularizer or constraint, or None."""
    return None if item is None else keras.saving.serialize_keras_object(item)


def shared(layer: Any) -> Any:
    """The configuration of a layer that the model has elsewhere too, or None.

    Keras marks what it meets twice, but where the layer itself comes later it
    would mark a copy.
    """
    config = serialized(layer)
    if config is not None:
        config["shared_object_id"] = id(layer)
    return config


def _alpha(value):
    if value is None or isinstance(value, str):
        if value not in (None, "learned"):
            _validate.refuse("alpha", "be 'learned', a finite number or None", value)
        return value
    return _validate.number("alpha", value)


def _optional(identifier, argument):
    return None if identifier is None else initializers.get(identifier, argument)


def _tensor(value):
    return ops.convert_to_tensor(value) if isinstance(value, keras.Variable) else value
