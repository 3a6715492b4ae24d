"""The base of the Yat convolutions."""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._backend import pad
from keras_yat._numerics.formula import sum_of_squares
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._types import Config, Shape, Tensor
from keras_yat.layers._kernel import KernelLayer
from keras_yat.layers._sliding import FilterLayer


class BaseYatConv(FilterLayer, KernelLayer):
    """Abstract: a Yat convolution of `rank` dimensions."""

    def __init__(self, *, filters: int, groups: int, **kwargs: Any) -> None:
        super().__init__(filters=filters, features=filters, **kwargs)
        self.groups: int = _validate.count("groups", groups)
        if self.filters % self.groups:
            _validate.invalid_argument(
                "groups", "divide `filters`", self.groups, filters=self.filters
            )

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        channels = self._channels(input_shape)
        if channels % self.groups:
            _validate.invalid_argument(
                "groups", "divide the channels of the input", self.groups, channels=channels
            )
        return (*self.kernel_size, channels // self.groups, self.filters)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        padding = self.padding
        if padding == "causal":
            ahead = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            x, padding = pad(x, [[0, 0], [ahead, 0], [0, 0]]), "valid"
        return ops.conv(
            x,
            kernel,
            strides=list(self.strides),
            padding=padding,
            dilation_rate=list(self.dilation_rate),
            data_format="channels_last",
        )

    def _linear_map(self) -> LinearMap:
        return LinearMap(
            self._correlate,
            self._squared_norms,
            self._patches_and_columns,
            axes=tuple(range(self.rank + 1)),
            operations=(self._operation,),
        )

    def _squared_norms(self, x: Tensor) -> Tensor:
        groups = self.groups
        if groups == 1:
            return self._squared_norms_of_all_channels(x)
        shape = ops.shape(x)[:-1]
        parts = ops.reshape(x, (*shape, groups, x.shape[-1] // groups))
        squares = ops.squeeze(sum_of_squares(parts, axis=-1), -1)
        # The correlation of the product, with ones: padding counts as in the product.
        ones = ops.ones((*self.kernel_size, 1, groups), dtype=squares.dtype)
        return ops.repeat(self._window_sums(squares, ones), self.filters // groups, axis=-1)

    def _patches_and_columns(self, x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        channels, taps = x.shape[-1], math.prod(self.kernel_size)
        each = np.eye(taps * channels).reshape(*self.kernel_size, channels, taps * channels)
        patches = self._correlate(x, ops.convert_to_tensor(each, dtype=x.dtype))
        shape, groups, size = ops.shape(patches)[:-1], self.groups, channels // self.groups
        patches = ops.swapaxes(ops.reshape(patches, (*shape, taps, groups, size)), -2, -3)
        columns = ops.reshape(kernel, (taps * size, groups, self.filters // groups))
        return ops.reshape(patches, (*shape, groups, taps * size)), ops.swapaxes(columns, 0, 1)

    def get_config(self) -> Config:
        return {**super().get_config(), "groups": self.groups}
