"""What every Yat layer shares, also where it has no neurons: epsilon and alpha."""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._register import record
from keras_yat._space import Choice, Flag, Float, Made, Space, With
from keras_yat.layers._projection import Projection

LEAST_EPSILON = 1e-7
"""What a learned epsilon is kept at or above."""

# With normalized kernels what suits grows with the number of entries.
_FACTOR = Float(0.1, 1000.0, log=True, default=1.0)
ALPHA = Choice(
    {
        "suited": "learned",
        "searched": With(
            "learned", alpha_initializer=Made(keras.initializers.Constant, {"value": _FACTOR})
        ),
        "constant": _FACTOR,
        "none": None,
    },
    exclusive=("alpha_initializer",),
)
"""How alpha can be searched: learned from what suits the kernel or from elsewhere, or not."""


class Scaled(keras.layers.Layer):
    """Abstract: a layer with an epsilon and an alpha, constant or learned.

    A subclass calls `add_scales` in `build`, and gets them from `scales`. They
    are read in float32 (or wider) whatever the compute dtype is.

    `search_space` has the arguments that can be searched: see `keras_yat.search`.
    """

    search_space: ClassVar[Space] = {
        "epsilon": Float(1e-6, 1.0, log=True),
        "learn_epsilon": Flag(),
        "alpha": ALPHA,
    }

    def __init__(
        self,
        *,
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: Any = "learned",
        alpha_initializer: Any = None,
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

    def add_scales(self, alpha: float | None, prefix: str = "") -> None:
        """Makes the weights alpha, starting at `alpha`, and epsilon: those that are learned.

        None is for a layer that has no use for a learned alpha. A layer with a second
        Yat product gives its names a `prefix`.
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
            # Its value itself, not a logarithm: that of 1e-5 has a slope of 1e-5.
            start = keras.initializers.Constant(self._epsilon)
            epsilon = self._add_scale(f"{prefix}epsilon", start, Projection(LEAST_EPSILON, None))
        setattr(self, f"{prefix}epsilon", epsilon)

    def _add_scale(self, name, initializer, constraint=None):
        weight = self.add_weight(
            name=name,
            shape=(),
            dtype=self.scale_dtype,
            initializer=initializer,
            constraint=constraint,
            autocast=False,
        )
        return record(weight)

    def set_scales(self, epsilon: float | None, alpha: float) -> None:
        """Sets epsilon unless it is None, and alpha if it is learned."""
        if epsilon is not None and self.learn_epsilon:
            self.epsilon.assign(max(epsilon, LEAST_EPSILON))
        elif epsilon is not None:
            self._set_epsilon(epsilon)
        if self._alpha == "learned":
            self.alpha.assign(alpha)

    def scales(self, prefix: str = "") -> dict[str, Any]:
        """Epsilon and alpha, by name, as the functions of `keras_yat.ops` take them."""
        names = ("epsilon", "alpha")
        return {name: tensor(getattr(self, f"{prefix}{name}")) for name in names}

    def get_config(self):
        return {
            **super().get_config(),
            "epsilon": self._epsilon,
            "learn_epsilon": self.learn_epsilon,
            "alpha": self._alpha,
            "alpha_initializer": serialized(self.alpha_initializer),
        }


def serialized(item: Any) -> Any:
    """The configuration of an initializer, regularizer or constraint, or None."""
    return None if item is None else keras.saving.serialize_keras_object(item)


def _alpha(value):
    if value is None or isinstance(value, str):
        if value not in (None, "learned"):
            _validate.refuse("alpha", "be 'learned', a finite number or None", value)
        return value
    return _validate.number("alpha", value)


def _optional(identifier, argument):
    return None if identifier is None else initializers.get(identifier, argument)


def tensor(value: Any) -> Any:
    """`value`, a variable as a tensor."""
    # A copy: TensorFlow's custom gradients refuse variables.
    return ops.copy(value) if isinstance(value, keras.Variable) else value
