"""The base of the squashers: bounded functions of scores with a constant power."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._space import Float, Space
from keras_yat._types import Config, Tensor
from keras_yat.activations._base import Activation


def checked_power(power: Any) -> float:
    """The argument `power`."""
    return _validate.number("power", power, above=0)


class Squasher(Activation):
    """Abstract: a squasher with the argument `power`.

    A subclass names its `function`, and `slopes` if it works entry by entry.
    """

    function: ClassVar[Callable[..., Tensor]]
    slopes: ClassVar[ValueAndSlope | None] = None
    search_space: ClassVar[Space] = {"power": Float(0.25, 4.0, log=True)}

    def __init__(self, power: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.power: float = checked_power(power)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(type(self).function(inputs, **self._settings()), self.compute_dtype)

    def value_and_slope(self) -> ValueAndSlope | None:
        return None if self.slopes is None else self.slopes.bind(power=self.power)

    def _settings(self) -> dict[str, Any]:
        """The arguments of the function after x."""
        return {"power": self.power}

    def get_config(self) -> Config:
        return {**super().get_config(), **self._settings()}
