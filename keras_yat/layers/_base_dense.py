"""The base of the layers of Yat neurons that see all features of a position."""

from typing import Any

from keras_yat import _validate
from keras_yat._numerics.prepared_kernel import DENSE, LinearMap
from keras_yat._types import Config, Shape
from keras_yat.layers._editable import EditableLayer


class BaseYatDense(EditableLayer):
    """Abstract: a layer with `units` neurons on the last axis of its input."""

    def __init__(self, *, units: int, **kwargs: Any) -> None:
        super().__init__(features=_validate.count("units", units), **kwargs)
        self.units: int = self.features
        self.supports_masking = True

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        return (_validate.last_axis("input_shape", input_shape), self.units)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def _linear_map(self) -> LinearMap:
        return DENSE

    def get_config(self) -> Config:
        return {**super().get_config(), "units": self.units}
