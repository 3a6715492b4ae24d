"""The base of the recurrent Yat cells with gates."""

from typing import Any, ClassVar

import keras

from keras_yat._space import Build, Choice, Space
from keras_yat._types import Config, Identifier
from keras_yat.activations._softer_sigmoid import SofterSigmoid
from keras_yat.layers._base import checked_activation
from keras_yat.layers._cell import BaseYatCell


class BaseGatedYatCell(BaseYatCell):
    """Abstract: a cell with gates, and their activation."""

    search_space: ClassVar[Space] = {
        **BaseYatCell.search_space,
        "recurrent_activation": Choice(
            {
                "sigmoid": "sigmoid",
                "softer_sigmoid": Build(SofterSigmoid, SofterSigmoid.search_space),
            }
        ),
    }

    def __init__(
        self,
        units: int,
        *,
        recurrent_activation: Identifier | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, **kwargs)
        self.recurrent_activation: Any = checked_activation(
            "recurrent_activation", recurrent_activation, self.dtype_policy
        )

    def _functions(self) -> list[Any]:
        return [*super()._functions(), self.recurrent_activation]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
        }
