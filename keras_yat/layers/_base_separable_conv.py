"""The base of the separable Yat convolutions."""

import math
from typing import Any, ClassVar

from keras import ops

from keras_yat import initializers
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._numerics.products import exact_product
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._base import INITIALIZER
from keras_yat.layers._neurons import NeuronLayer
from keras_yat.layers._sliding import DepthwiseLayer, FilterLayer
from keras_yat.layers._weight_options import WeightOptions


class BaseYatSeparableConv(DepthwiseLayer, FilterLayer):
    """Abstract: a Yat convolution of `rank` dimensions with a factorized kernel.

    The product is computed as a depthwise convolution and a matrix product. Norms are those of the
    composed kernel, which is small next to the input.
    """

    depthwise_kernel: Any
    pointwise_kernel: Any

    search_space: ClassVar[Space] = {
        **NeuronLayer.search_space,
        "depthwise_initializer": INITIALIZER,
    }

    def __init__(
        self,
        *,
        depthwise_initializer: Identifier,
        pointwise_initializer: Identifier | None,
        depthwise_regularizer: Identifier | None,
        pointwise_regularizer: Identifier | None,
        depthwise_constraint: Identifier | None,
        pointwise_constraint: Identifier | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._depthwise_options = WeightOptions(
            self, "depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint
        )
        self._pointwise_options = WeightOptions(
            self,
            "pointwise",
            pointwise_initializer,
            pointwise_regularizer,
            pointwise_constraint,
            required=False,
        )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        shape, channels = self._depthwise_shape(input_shape), self._channels(input_shape)
        rows = channels * self.depth_multiplier
        depthwise, pointwise = self.depthwise_initializer, self.pointwise_initializer
        # With other factors than these two the statistics of the kernel are unknown.
        known = depthwise if pointwise is None else None
        if pointwise is None:
            pointwise = initializers.matching_pointwise(depthwise, self.depth_multiplier)
        taps = math.prod(self.kernel_size)
        self.depthwise_multiplier: float = self._multiplier_for(depthwise, taps)
        self.pointwise_multiplier: float = self._multiplier_for(pointwise, rows)
        self.multiplier: float = self.depthwise_multiplier * self.pointwise_multiplier
        self.depthwise_kernel = self._depthwise_options.add(
            "depthwise_kernel", shape, self.depthwise_multiplier, trainable=self.kernel_trainable
        )
        self.pointwise_kernel = self._pointwise_options.add(
            "pointwise_kernel",
            (*(1,) * self.rank, rows, self.filters),
            self.pointwise_multiplier,
            initializer=pointwise,
            trainable=self.kernel_trainable,
        )
        kernel_shape = (*self.kernel_size, channels, self.filters)
        self._add_bias_and_scales(input_shape, kernel_shape, known)

    def _factors(self) -> tuple[Tensor, ...]:
        kernels = (self.depthwise_kernel, self.pointwise_kernel)
        return tuple(ops.convert_to_tensor(kernel) for kernel in kernels)

    def _compose(self, depthwise: Tensor, pointwise: Tensor) -> Tensor:
        """W[k, c, f] = Σ_m D[k, c, m]·P[c·depth_multiplier + m, f]."""
        channels, depth = depthwise.shape[-2:]
        rows = ops.reshape(pointwise, (*(1,) * self.rank, channels, depth, self.filters))
        # Not a matrix product, which some hardware rounds.
        return ops.sum(ops.expand_dims(depthwise, -1) * rows, axis=-2)

    def _product(self, x: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
        x = self._correlate(x, depthwise)
        return exact_product(x, ops.reshape(pointwise, (x.shape[-1], self.filters)))

    def _linear_map(self) -> LinearMap:
        return LinearMap(
            self._product,
            self._squared_norms_of_all_channels,
            self._patches_and_columns,
            axes=tuple(range(self.rank + 1)),
            operations=(self._operation, "matmul"),
            compose=self._compose,
            terms=self.depth_multiplier,
        )

    def _patches_and_columns(self, x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        entries = math.prod(self.kernel_size) * x.shape[-1]
        patches = ops.swapaxes(self._taps(x), -1, -2)
        patches = ops.reshape(patches, (*ops.shape(patches)[:-2], entries))
        return patches, ops.reshape(kernel, (entries, self.filters))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            **self._depthwise_options.get_config(),
            **self._pointwise_options.get_config(),
        }
