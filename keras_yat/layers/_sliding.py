"""The bases of the layers whose neurons slide over their input."""

import functools
import math
import operator
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.formula import sum_of_squares
from keras_yat._numerics.products import exact_parts, mantissa_bits
from keras_yat._sizes import is_known
from keras_yat._types import Config, Shape, Size, Tensor
from keras_yat.layers._neurons import NeuronLayer


class SlidingLayer(NeuronLayer):
    """Abstract: neurons whose window slides over `rank` axes of the input.

    The computation has the channels last: TensorFlow has no other convolutions on a CPU, and
    the other backends transpose at no cost.
    """

    rank: ClassVar[int]
    _operation: ClassVar[str] = "conv"
    _paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    _dilated_strides: ClassVar[bool] = False
    """Whether strides and dilation may both be above 1."""

    def __init__(
        self,
        *,
        kernel_size: Size,
        strides: Size,
        padding: str,
        data_format: str | None,
        dilation_rate: Size,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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
        both = max(self.strides) > 1 and max(self.dilation_rate) > 1
        if both and not self._dilated_strides:
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

    def _one_window(self) -> Tensor:
        every = zip(self.kernel_size, self.dilation_rate, strict=True)
        reach = [(taps - 1) * rate + 1 for taps, rate in every]
        return ops.zeros((1, *reach, self.input_spec.axes[self._channel_axis]))

    def _windows_of_an_entry(self) -> int:
        every = zip(self.kernel_size, self.strides, self.dilation_rate, strict=True)
        # Taps t with t·dilation ≡ the position of the entry, modulo the stride.
        return math.prod(-(-taps * math.gcd(step, rate) // step) for taps, step, rate in every)

    def _output_channels(self, input_shape: Shape) -> int | None:
        """The number of channels of the output, that is of neurons."""
        raise NotImplementedError

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
        channels = self._output_channels(input_shape)
        if self.data_format == "channels_first":
            return (batch, channels, *positions)
        return (batch, *positions, channels)

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

    def _window_sums(self, squares: Tensor, ones: Tensor) -> Tensor:
        """The correlation of `squares` with ones, exact to float32 where products are rounded."""
        bits = mantissa_bits(self._operation, squares)
        sums = [self._correlate(part, ones) for part in exact_parts(squares, bits)]
        return functools.reduce(operator.add, sums)

    def _squared_norms_of_all_channels(self, x: Tensor) -> Tensor:
        """‖X‖² of each patch X with all its channels, `(..., 1)`."""
        squares = sum_of_squares(x, axis=-1)
        return self._window_sums(squares, ops.ones((*self.kernel_size, 1, 1), dtype=squares.dtype))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }


class FilterLayer(SlidingLayer):
    """Abstract: as `SlidingLayer`, with a given number of filters, the neurons of each position."""

    def __init__(self, *, filters: int, **kwargs: Any) -> None:
        filters = _validate.count("filters", filters)
        super().__init__(**kwargs)
        self.filters: int = filters

    def _output_channels(self, input_shape: Shape) -> int | None:
        return self.filters

    def get_config(self) -> Config:
        return {**super().get_config(), "filters": self.filters}


class DepthwiseLayer(SlidingLayer):
    """Abstract: as `SlidingLayer`, with a depthwise convolution: each channel has its own kernels.

    A depthwise kernel has the shape `(*kernel_size, channels, depth_multiplier)`.
    """

    _operation: ClassVar[str] = "depthwise_conv"
    _dilated_strides: ClassVar[bool] = True

    def __init__(self, *, depth_multiplier: int, **kwargs: Any) -> None:
        depth_multiplier = _validate.count("depth_multiplier", depth_multiplier)
        super().__init__(**kwargs)
        self.depth_multiplier: int = depth_multiplier

    def _depthwise_shape(self, input_shape: Shape) -> tuple[int, ...]:
        return (*self.kernel_size, self._channels(input_shape), self.depth_multiplier)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        return ops.depthwise_conv(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        )

    def _taps(self, x: Tensor) -> Tensor:
        """The entries under the window, `(..., channels, taps)`."""
        channels, taps = x.shape[-1], functools.reduce(operator.mul, self.kernel_size)
        each = ops.reshape(ops.eye(taps, dtype=x.dtype), (*self.kernel_size, 1, taps))
        patches = self._correlate(x, ops.repeat(each, channels, axis=-2))
        return ops.reshape(patches, (*ops.shape(patches)[:-1], channels, taps))

    def get_config(self) -> Config:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}
