"""The initializer, regularizer and constraint of a weight."""

from typing import Any

import keras

from keras_yat import _validate, initializers
from keras_yat._types import Config, Identifier


class WeightOptions:
    """The initializer, regularizer and constraint of a weight of a layer.

    As in Keras they are attributes of the layer: `kernel_initializer`, `kernel_regularizer` and
    `kernel_constraint` for the name `"kernel"`.

    Args:
        layer: The layer.
        name: The prefix of the arguments and attributes.
        initializer: Argument of the layer; None for a default that `add` is called with.
        regularizer: Argument of the layer.
        constraint: Argument of the layer.
        required: Whether the initializer must be given.
    """

    def __init__(
        self,
        layer: Any,
        name: str,
        initializer: Identifier | None,
        regularizer: Identifier | None,
        constraint: Identifier | None,
        *,
        required: bool = True,
    ):
        self._layer, self._name = layer, name
        options = checked(name, initializer, regularizer, constraint, required=required)
        for attribute, value in options.items():
            setattr(layer, attribute, value)

    def __getattr__(self, option: str) -> Any:
        """`initializer`, `regularizer` or `constraint`, as the layer has it."""
        if option not in _OPTIONS:
            raise AttributeError(option)
        return getattr(self._layer, f"{self._name}_{option}")

    def add(
        self,
        name: str,
        shape: tuple[int, ...],
        multiplier: float = 1.0,
        *,
        initializer: Any = None,
        **settings: Any,
    ) -> Any:
        """Adds the weight to the layer, in the variable dtype whatever the compute dtype is.

        The weight starts at the values of the initializer, or of the given one, divided by
        `multiplier`.
        """
        initializer = self.initializer if initializer is None else initializer
        return self._layer.add_weight(
            name=name,
            shape=shape,
            autocast=False,
            initializer=initializer if multiplier == 1.0 else _divided(initializer, multiplier),
            regularizer=self.regularizer,
            constraint=self.constraint,
            **settings,
        )

    def get_config(self) -> Config:
        """The part of the layer's configuration."""
        return {f"{self._name}_{option}": serialized(getattr(self, option)) for option in _OPTIONS}


def _divided(initializer, divisor):
    return lambda shape, dtype=None: initializer(shape, dtype=dtype) / divisor


_OPTIONS = ("initializer", "regularizer", "constraint")


def checked(
    name: str,
    initializer: Identifier | None,
    regularizer: Identifier | None,
    constraint: Identifier | None,
    *,
    required: bool = True,
) -> dict[str, Any]:
    """The options of the weight `name` as objects, by argument."""
    if required or initializer is not None:
        initializer = initializers.get(initializer, f"{name}_initializer")
    return {
        f"{name}_initializer": initializer,
        f"{name}_regularizer": checked_regularizer(f"{name}_regularizer", regularizer),
        f"{name}_constraint": _validate.resolved(
            f"{name}_constraint", constraint, "a constraint", keras.constraints.get
        ),
    }


def checked_regularizer(argument: str, value: Identifier | None) -> Any:
    """The regularizer of an argument, or None."""
    return _validate.resolved(argument, value, "a regularizer", keras.regularizers.get)


def serialized(item: Any) -> Any:
    """The configuration of an initializer, regularizer or constraint, or None."""
    return None if item is None else keras.saving.serialize_keras_object(item)
