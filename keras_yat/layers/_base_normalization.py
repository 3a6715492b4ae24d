"""The base of the normalization layers: division by a root mean square, and a learned scale."""

import math
from typing import Any, ClassVar

from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import Layer
from keras_yat._numerics.gradients import at_least_float32
from keras_yat._space import Float, Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._weight_options import WeightOptions


class BaseYatNormalization(Layer):
    """Abstract: `y = gamma·x / √(mean(x²) + epsilon)`, without centring and shift.

    A subclass passes `axis`, the axes of gamma, and defines `_normalized`. Everything is computed
    in float32 or wider.
    """

    gamma: Any

    search_space: ClassVar[Space] = {"epsilon": Float(1e-8, 1e-2, log=True)}

    def __init__(
        self,
        *,
        axis: Any,
        epsilon: float,
        scale: bool,
        gamma_initializer: Identifier,
        gamma_regularizer: Identifier | None,
        gamma_constraint: Identifier | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis: Any = axis
        self.epsilon: float = _validate.number("epsilon", epsilon, above=0.0)
        self.scale: bool = _validate.flag("scale", scale)
        self._gamma_options = WeightOptions(
            self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint
        )
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        sizes = [input_shape[axis] for axis in self._axes(input_shape)]
        shape = tuple(size for size in sizes if size is not None)
        if len(shape) < len(sizes):
            _validate.invalid_argument(
                "input_shape", "have known sizes along `axis`", tuple(input_shape), axis=self.axis
            )
        self.gamma = self._gamma_options.add("gamma", shape) if self.scale else None

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        """`axis` as ascending axes from 0, for inputs of this shape."""
        rank = len(shape)
        given = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        axes = sorted({axis % rank for axis in given if -rank <= axis < rank})
        if len(axes) != len(given) or 0 in axes:
            _validate.invalid_argument(
                "axis",
                "be different axes of the input, without that of the batch",
                self.axis,
                input_shape=tuple(shape),
            )
        return tuple(axes)

    def _normalized(self, x: Tensor, training: bool | None, mask: Tensor | None) -> Tensor:
        """x / √(mean(x²) + epsilon), of `x` in float32 or wider."""
        raise NotImplementedError

    def _apply(self, inputs: Tensor, training: bool | None, mask: Tensor | None) -> Tensor:
        """The outputs for inputs of any float dtype."""
        inputs = ops.convert_to_tensor(inputs)
        outputs = self._normalized(ops.cast(inputs, at_least_float32(inputs)), training, mask)
        if self.gamma is not None:
            outputs = outputs * self._along_axis(self.gamma, outputs)
        return ops.cast(outputs, self.compute_dtype)

    def _along_axis(self, weight: Any, like: Tensor) -> Tensor:
        """A weight with the shape of `axis`, in a form that broadcasts to `like`."""
        shape = [1] * len(like.shape)
        for axis, size in zip(self._axes(like.shape), weight.shape, strict=True):
            shape[axis] = size
        return ops.reshape(ops.cast(weight, like.dtype), shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._axes(input_shape)
        return tuple(input_shape)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "axis": self.axis if isinstance(self.axis, int) else list(self.axis),
            "epsilon": self.epsilon,
            "scale": self.scale,
            **self._gamma_options.get_config(),
        }


def count_of(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The number of entries of `x` along `axes`, in its dtype.

    For means: `ops.mean` of float64 is in float32 on JAX and torch.
    """
    sizes = [ops.shape(x)[axis] for axis in axes]
    return math.prod([ops.cast(size, x.dtype) for size in sizes])
