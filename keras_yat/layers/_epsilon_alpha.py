"""The base of all Yat layers: epsilon and alpha."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._keras_compat import Layer
from keras_yat._projection import Projection
from keras_yat._register import record
from keras_yat._space import Build, Choice, Flag, Float, Option, Space
from keras_yat._types import Config, Identifier, Tensor
from keras_yat.layers._weight_options import serialized

LEAST_EPSILON = 1e-7
"""The lower bound of a learned epsilon."""

_BOUNDS = Projection(LEAST_EPSILON, None)

# With normalized kernels the matching default grows with the number of entries.
_FACTOR = Float(0.1, 1000.0, log=True, default=1.0)
ALPHA = Choice(
    {
        "default": "learned",
        "searched": Option(
            "learned", alpha_initializer=Build(keras.initializers.Constant, {"value": _FACTOR})
        ),
        "constant": _FACTOR,
        "none": None,
    },
    exclusive=("alpha_initializer",),
)
"""The search space of alpha: learned, from the default or a searched start, constant or none."""


class EpsilonAlphaLayer(Layer):
    """Abstract: a layer with an epsilon and an alpha, constant or learned.

    A subclass calls `_add_epsilon_and_alpha` in `build`, and gets both from `_epsilon_and_alpha`,
    in float32 or wider whatever the compute dtype is.

    `search_space` lists the arguments that can be searched: see `keras_yat.search`.
    """

    search_space: ClassVar[Space] = {
        "epsilon": Float(1e-6, 1.0, log=True),
        "learn_epsilon": Flag(),
        "alpha": ALPHA,
    }

    def __init__(
        self,
        *,
        epsilon: Any = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | str | None = "learned",
        alpha_initializer: Identifier | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.learn_epsilon: bool = _validate.flag("learn_epsilon", learn_epsilon)
        self._set_epsilon(epsilon)
        self._alpha = _checked_alpha(alpha)
        self.alpha: Any = None if self._alpha == "learned" else self._alpha
        if alpha_initializer is not None:
            alpha_initializer = initializers.get(alpha_initializer, "alpha_initializer")
        self.alpha_initializer: Any = alpha_initializer
        if alpha_initializer is not None and self._alpha != "learned":
            _validate.invalid_argument(
                "alpha_initializer", "be None", alpha_initializer, alpha=alpha
            )

    @property
    def _epsilon_shape(self) -> tuple[int, ...]:
        """The shape of a learned epsilon."""
        return ()

    def _set_epsilon(self, epsilon: Any) -> None:
        epsilon = self._checked_scales("epsilon", epsilon, above=0.0)
        if self.learn_epsilon and np.min(epsilon) < LEAST_EPSILON:
            _validate.invalid_argument(
                "epsilon", f"be at least {LEAST_EPSILON:g} where it is learned", epsilon
            )
        self._epsilon = epsilon
        self.epsilon: Any = epsilon

    @property
    def _scale_dtype(self) -> str:
        """The dtype of alpha and epsilon."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    def _checked_scales(self, name: str, value: Any, **limits: float) -> Any:
        """`value` as a float, or as a list of them, if it may have the shape of epsilon."""
        values = value.tolist() if hasattr(value, "tolist") else value
        if not self._epsilon_shape or not isinstance(values, (list, tuple)):
            return _validate.number(name, value, **limits)
        (count,) = self._epsilon_shape
        if len(values) != count:
            _validate.invalid_argument(name, f"be a number, or {count} of them", value)
        return [_validate.number(f"{name}[{i}]", v, **limits) for i, v in enumerate(values)]

    def _add_epsilon_and_alpha(self, alpha: float | None, prefix: str = "") -> None:
        """Adds the weights alpha, starting at `alpha`, and epsilon, if they are learned.

        None: a learned alpha would have no effect in this layer. A layer with a second Yat product
        gives the names of the weights a `prefix`.
        """
        scale: Any = self._alpha
        if scale == "learned" and alpha is None:
            scale = None
        elif scale == "learned":
            start = self.alpha_initializer or keras.initializers.Constant(alpha)
            scale = self._add_scale(f"{prefix}alpha", start)
        setattr(self, f"{prefix}alpha", scale)
        epsilon: Any = self._epsilon
        if self.learn_epsilon:
            # The value, not its logarithm, whose gradient would be epsilon times that of the value.
            start = keras.initializers.Constant(self._epsilon)
            epsilon = self._add_scale(f"{prefix}epsilon", start, _BOUNDS, self._epsilon_shape)
        setattr(self, f"{prefix}epsilon", epsilon)

    def _add_scale(self, name, initializer, constraint=None, shape=()):
        weight = self.add_weight(
            name=name,
            shape=shape,
            dtype=self._scale_dtype,
            initializer=initializer,
            constraint=constraint,
            autocast=False,
        )
        return record(weight)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the weights, as in Keras; alpha and epsilon may have the shape (1,) too.

        Args:
            weights: Arrays in the order of `weights`.

        Raises:
            ValueError: If the number or the shapes of the arrays do not match.
        """
        if len(weights) == len(self.weights):
            pairs = zip(weights, self.weights, strict=True)
            weights = [_fitting(array, tuple(weight.shape)) for array, weight in pairs]
        super().set_weights(weights)

    def _set_epsilon_and_alpha(self, epsilon: float | None, alpha: float) -> None:
        """Sets epsilon unless it is None, and alpha if it is learned."""
        if epsilon is not None and self.learn_epsilon:
            self.epsilon.assign(max(epsilon, LEAST_EPSILON))
        elif epsilon is not None:
            self._set_epsilon(epsilon)
        if self._alpha == "learned":
            self.alpha.assign(alpha)

    def _epsilon_and_alpha(self, prefix: str = "") -> dict[str, Any]:
        """Epsilon and alpha as arguments of the functions of `keras_yat.ops`."""
        epsilon, alpha = (tensor(getattr(self, prefix + name)) for name in ("epsilon", "alpha"))
        if self.learn_epsilon:
            epsilon = _BOUNDS.in_bounds(epsilon)
        return {"epsilon": epsilon, "alpha": alpha}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "epsilon": plain(self._epsilon),
            "learn_epsilon": self.learn_epsilon,
            "alpha": self._alpha,
            "alpha_initializer": serialized(self.alpha_initializer),
        }


def _checked_alpha(value):
    if value is None or isinstance(value, str):
        if value not in (None, "learned"):
            _validate.invalid_argument("alpha", "be 'learned', a finite number or None", value)
        return value
    return _validate.number("alpha", value)


def _fitting(array, shape):
    """An array of shape (1,) as a scalar, if that is the shape of the weight."""
    single = shape == () and tuple(getattr(array, "shape", ())) == (1,)
    return np.reshape(array, ()) if single else array


def plain(value: Any) -> Any:
    """`value`, without the list in which Keras tracks variables."""
    return list(value) if isinstance(value, (list, tuple)) else value


def tensor(value: Any) -> Tensor:
    """A variable as a tensor; anything else unchanged."""
    # A copy: TensorFlow's custom gradients refuse variables.
    return ops.copy(value) if isinstance(value, keras.Variable) else value
