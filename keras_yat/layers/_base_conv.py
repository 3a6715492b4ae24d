"""The bases of the Yat convolutions."""

import functools
import math
import operator
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.formula import sum_of_squares
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._numerics.products import exact_parts, mantissa_bits
from keras_yat._sizes import is_known
from keras_yat._types import Config, Shape, Size, Tensor
from keras_yat.layers._kernel import KernelLayer


class SlidingKernelLayer(KernelLayer):
    """Abstract: neurons whose kernel slides over `rank` axes of the input.

    The computation has the channels last: TensorFlow has no other convolutions on a CPU, and
    the other backends transpose at no cost.
    """

    rank: ClassVar[int]
    _operation: ClassVar[str] = "conv"
    _paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size,
        padding: str,
        data_format: str | None,
        dilation_rate: Size,
        **kwargs: Any,
    ) -> None:
        filters = _validate.count("filters", filters)
        super().__init__(filters, **kwargs)
        self.filters = filters
        self.kernel_size: tuple[int, ...] = _validate.counts("kernel_size", kernel_size, self.rank)
        self.strides: tuple[int, ...] = _validate.counts("strides", strides, self.rank)
        padding = padding.lower() if isinstance(padding, str) else padding
        self.padding: str = _validate.one_of("padding", padding, self._paddings)
        if data_format is None:
            data_format = keras.config.image_data_format()
        self.data_format: str = _validate.one_of(
            "data_format", data_format, ("channels_last", "channels_first")
        )
        self.dilation_rate: tuple[int, ...] = _validate.counts(
            "dilation_rate", dilation_rate, self.rank
        )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            _validate.invalid_argument(
                "strides",
                "be 1 where `dilation_rate` is greater than 1",
                self.strides,
                dilation_rate=self.dilation_rate,
            )
        self.input_spec: Any = keras.layers.InputSpec(ndim=self.rank + 2)

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != self.rank + 2:
            _validate.invalid_argument(
                "input_shape", f"have rank {self.rank + 2}", tuple(input_shape)
            )
        self._channels(input_shape)
        self.compute_output_shape(input_shape)  # raises an error for an invalid shape
        super().build(input_shape)
        axes = {self._channel_axis: input_shape[self._channel_axis]}
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes=axes)

    def _channels(self, input_shape):
        channels = input_shape[self._channel_axis]
        if channels is None:
            _validate.invalid_argument(
                "input_shape", "have a known number of channels", tuple(input_shape)
            )
        return channels

    def _to_channels_last(self, inputs: Tensor) -> Tensor:
        first = self.data_format == "channels_first"
        return ops.moveaxis(inputs, 1, -1) if first else inputs

    def _from_channels_last(self, outputs: Tensor) -> Tensor:
        return ops.moveaxis(outputs, -1, 1) if self.data_format == "channels_first" else outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        shape.pop(self._channel_axis)
        # By Keras's rules, with a single channel, which matches any kernel layout.
        spec = keras.KerasTensor((*shape, 1))
        kernel = keras.KerasTensor((*self.kernel_size, 1, 1))
        batch, *positions, _ = self._convolve(spec, kernel).shape
        if self.data_format == "channels_first":
            return (batch, self.filters, *positions)
        return (batch, *positions, self.filters)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        """The linear map by the backend, of tensors or of symbolic tensors."""
        raise NotImplementedError

    def _correlate(self, x, kernel):
        if is_known(x.shape[0]) and x.shape[0] == 0:
            # TensorFlow gives an empty batch the shape of its input on some CPUs, and has no
            # gradient of its transposed convolution.
            row = ops.zeros((1, *ops.shape(x)[1:]), dtype=x.dtype)
            return self._convolve(ops.concatenate([x, row]), kernel)[:0]
        return self._convolve(x, kernel)

    def _linear_map(self) -> LinearMap:
        # All but the features' axis, which is the last or the one before.
        axes = (*range(self.rank), self.rank - 1 - self._features_axis)
        return LinearMap(
            self._correlate,
            self._squared_norms,
            self._patches_and_columns,
            axes,
            self._operation,
        )

    def _window_sums(self, squares: Tensor, ones: Tensor) -> Tensor:
        """The correlation of `squares` with ones, exact to float32 where products are rounded."""
        bits = mantissa_bits(self._operation, squares)
        sums = [self._correlate(part, ones) for part in exact_parts(squares, bits)]
        return functools.reduce(operator.add, sums)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }


class BaseYatConv(SlidingKernelLayer):
    """Abstract: a Yat convolution of `rank` dimensions."""

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size,
        padding: str,
        data_format: str | None,
        dilation_rate: Size,
        groups: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, **kwargs
        )
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

    def _convolve(self, x, kernel):
        padding = self.padding
        if padding == "causal":
            ahead = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            x, padding = ops.pad(x, [[0, 0], [ahead, 0], [0, 0]]), "valid"
        return ops.conv(
            x,
            kernel,
            strides=list(self.strides),
            padding=padding,
            dilation_rate=list(self.dilation_rate),
            data_format="channels_last",
        )

    def _squared_norms(self, x):
        groups = self.groups
        if groups == 1:
            squares = sum_of_squares(x, axis=-1)
        else:
            shape = ops.shape(x)[:-1]
            parts = ops.reshape(x, (*shape, groups, x.shape[-1] // groups))
            squares = ops.squeeze(sum_of_squares(parts, axis=-1), -1)
        # The correlation of the product, with ones: padding counts as in the product.
        ones = ops.ones((*self.kernel_size, 1, groups), dtype=squares.dtype)
        squares = self._window_sums(squares, ones)
        return squares if groups == 1 else ops.repeat(squares, self.filters // groups, axis=-1)

    def _patches_and_columns(self, x, kernel):
        channels, taps = x.shape[-1], math.prod(self.kernel_size)
        each = np.eye(taps * channels).reshape(*self.kernel_size, channels, taps * channels)
        patches = self._correlate(x, ops.convert_to_tensor(each, dtype=x.dtype))
        shape = ops.shape(patches)[:-1]
        size = channels // self.groups
        patches = ops.reshape(patches, (*shape, taps, self.groups, size))
        columns = ops.reshape(kernel, (taps * size, -1))
        step = self.filters // self.groups
        return [
            (
                ops.reshape(patches[..., group, :], (*shape, taps * size)),
                columns[:, group * step : (group + 1) * step],
            )
            for group in range(self.groups)
        ]

    def get_config(self) -> Config:
        return {**super().get_config(), "groups": self.groups}
