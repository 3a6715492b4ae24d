"""The base of the depthwise Yat convolutions."""

import math
from typing import Any, ClassVar

from keras import ops

from keras_yat._numerics.formula import sum_of_squares
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._space import Space
from keras_yat._types import Identifier, Shape, Tensor
from keras_yat.layers._adapt import AdaptableLayer
from keras_yat.layers._base import INITIALIZER
from keras_yat.layers._kernel import KernelLayer
from keras_yat.layers._sliding import DepthwiseLayer


class BaseYatDepthwiseConv(DepthwiseLayer, KernelLayer):
    """Abstract: a depthwise Yat convolution of `rank` dimensions."""

    _options_name: ClassVar[str] = "depthwise"

    search_space: ClassVar[Space] = {
        **AdaptableLayer.search_space,
        "depthwise_initializer": INITIALIZER,
    }

    def __init__(
        self,
        *,
        depth_multiplier: int,
        depthwise_initializer: Identifier,
        depthwise_regularizer: Identifier | None,
        depthwise_constraint: Identifier | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            depth_multiplier=depth_multiplier,
            features=depth_multiplier,
            kernel_initializer=depthwise_initializer,
            kernel_regularizer=depthwise_regularizer,
            kernel_constraint=depthwise_constraint,
            **kwargs,
        )

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        return self._depthwise_shape(input_shape)

    def _output_channels(self, input_shape: Shape) -> int | None:
        channels = input_shape[self._channel_axis]
        return None if channels is None else channels * self.depth_multiplier

    def _linear_map(self) -> LinearMap:
        return LinearMap(
            self._correlate,
            self._squared_norms,
            self._patches_and_columns,
            axes=tuple(range(self.rank)),
            operations=(self._operation,),
        )

    def _squared_norms(self, x: Tensor) -> Tensor:
        squares = ops.squeeze(sum_of_squares(ops.expand_dims(x, -1), axis=-1), -1)
        # The correlation of the product, with ones: padding counts as in the product. The number of
        # channels from the kernel: that of `x` is not a constant where torch exports to ONNX.
        ones = ops.ones((*self.kernel_size, self.stored_kernel.shape[-2], 1), dtype=squares.dtype)
        squares = self._window_sums(squares, ones)
        multiplier = self.depth_multiplier
        return squares if multiplier == 1 else ops.repeat(squares, multiplier, axis=-1)

    def _patches_and_columns(self, x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        taps = math.prod(self.kernel_size)
        columns = ops.reshape(kernel, (taps, x.shape[-1], self.depth_multiplier))
        return self._taps(x), ops.swapaxes(columns, 0, 1)
