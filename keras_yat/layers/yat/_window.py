"""What the convolutions of Yat neurons and their transposes are made of."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._formula import sum_of_squares
from keras_yat.layers.yat._kernel import KernelLayer
from keras_yat.ops import _product as yat_ops


class Window(KernelLayer):
    """Abstract: neurons that see a window of the input, sliding over `rank` axes.

    Inside, the channels are always last: TensorFlow has no other convolutions on a
    CPU, and the other backends turn the axes at no cost.
    """

    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        *args: Any,
        **kwargs: Any,
    ):
        filters = _validate.count("filters", filters)
        super().__init__(filters, *args, **kwargs)
        self.filters = filters
        self.kernel_size = _validate.counts("kernel_size", kernel_size, self.rank)
        self.strides = _validate.counts("strides", strides, self.rank)
        padding = padding.lower() if isinstance(padding, str) else padding
        self.padding = _validate.one_of("padding", padding, self.paddings)
        if data_format is None:
            data_format = keras.config.image_data_format()
        self.data_format = _validate.one_of(
            "data_format", data_format, ("channels_last", "channels_first")
        )
        self.dilation_rate = _validate.counts("dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            _validate.refuse(
                "strides",
                "be 1 where `dilation_rate` is greater than 1",
                self.strides,
                dilation_rate=self.dilation_rate,
            )
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def build(self, input_shape):
        if len(input_shape) != self.rank + 2:
            _validate.refuse("input_shape", f"have rank {self.rank + 2}", tuple(input_shape))
        self._channels(input_shape)
        self.compute_output_shape(input_shape)  # or Keras says why there is none
        super().build(input_shape)
        axes = {self._channel_axis: input_shape[self._channel_axis]}
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2, axes=axes)

    def _channels(self, input_shape):
        channels = input_shape[self._channel_axis]
        if channels is None:
            _validate.refuse("input_shape", "have a known number of channels", tuple(input_shape))
        return channels

    def arranged(self, inputs):
        first = self.data_format == "channels_first"
        return ops.moveaxis(inputs, 1, -1) if first else inputs

    def restored(self, outputs):
        return ops.moveaxis(outputs, -1, 1) if self.data_format == "channels_first" else outputs

    def compute_output_shape(self, input_shape):
        shape = list(input_shape)
        shape.pop(self._channel_axis)
        # By Keras's own rules, with one channel, which any kernel layout fits.
        spec = keras.KerasTensor((*shape, 1))
        kernel = keras.KerasTensor((*self.kernel_size, 1, 1))
        batch, *positions, _ = self._correlate(spec, kernel).shape
        if self.data_format == "channels_first":
            return (batch, self.filters, *positions)
        return (batch, *positions, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }


class Conv(Window):
    """Abstract: convolution."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        *args: Any,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, *args, **kwargs
        )
        self.groups = _validate.count("groups", groups)
        if self.filters % self.groups:
            _validate.refuse("groups", "divide `filters`", self.groups, filters=self.filters)

    def kernel_shape(self, input_shape):
        channels = self._channels(input_shape)
        if channels % self.groups:
            _validate.refuse(
                "groups", "divide the channels of the input", self.groups, channels=channels
            )
        return (*self.kernel_size, channels // self.groups, self.filters)

    def _correlate(self, x, kernel):
        if x.shape[0] == 0:
            # TensorFlow, on some CPUs, gives an empty batch the shape of its input.
            row = ops.zeros((1, *x.shape[1:]), dtype=x.dtype)
            return self._correlate(row, kernel)[:0]
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

    def correlation(self):
        return yat_ops.Correlation(
            self._correlate, self._squares, self._pairs, tuple(range(self.rank + 1))
        )

    def _squares(self, x):
        groups = self.groups
        if groups == 1:
            squares = sum_of_squares(x, axis=-1)
        else:
            shape = ops.shape(x)[:-1]
            parts = ops.reshape(x, (*shape, groups, x.shape[-1] // groups))
            squares = ops.squeeze(sum_of_squares(parts, axis=-1), -1)
        # The product's own correlation, with ones: padding counts as in the product.
        ones = ops.ones((*self.kernel_size, 1, groups), dtype=squares.dtype)
        squares = self._correlate(squares, ones)
        return squares if groups == 1 else ops.repeat(squares, self.filters // groups, axis=-1)

    def _pairs(self, x, kernel):
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

    def from_columns(self, columns):
        return np.reshape(columns, (*self.kernel.shape[:-1], self.filters))

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


class ConvTranspose(Window):
    """Abstract: transposed convolution."""

    features_axis = -2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        *args: Any,
        **kwargs: Any,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, *args, **kwargs
        )
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = _validate.counts("output_padding", output_padding, self.rank, 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                _validate.refuse(
                    "output_padding",
                    "be less than `strides` on each axis",
                    self.output_padding,
                    strides=self.strides,
                )

    def kernel_shape(self, input_shape):
        return (*self.kernel_size, self.filters, self._channels(input_shape))

    def filled(self, entries):
        return entries / math.prod(self.strides)

    def _correlate(self, x, kernel):
        # TensorFlow has no dilated one on a CPU: a kernel with zeros between its
        # entries is the same.
        for axis, rate in enumerate(self.dilation_rate):
            kernel = _dilate(kernel, axis, rate)
        uncut = self.output_padding is not None
        outputs = ops.conv_transpose(
            x,
            kernel,
            strides=list(self.strides),
            padding="valid" if uncut else self.padding,
            data_format="channels_last",
        )
        return self._cut(outputs) if uncut else outputs

    def _cut(self, outputs):
        """What `output_padding` leaves of the whole result: TensorFlow refuses some on a CPU."""
        every = zip(self.kernel_size, self.dilation_rate, self.output_padding, strict=True)
        slices, widths = [slice(None)], [[0, 0]]
        for i, (taps, rate, extra) in enumerate(every):
            reach = (taps - 1) * rate + 1
            whole = max(reach, self.strides[i])
            start, stop = 0, reach + extra
            if self.padding == "same":
                # Keras's convention, whatever the parity of the window.
                start = reach - 1 - min((reach + reach % 2 - 1 + extra) // 2, reach - 1)
                stop = start + reach % 2 + extra
            # Counted from the end, as the size of the input may be unknown.
            slices.append(slice(start, None if stop >= whole else stop - whole))
            widths.append([0, max(stop - whole, 0)])
        return ops.pad(outputs[(*slices, slice(None))], [*widths, [0, 0]])

    def correlation(self):
        axes = (*range(self.rank), self.rank + 1)
        return yat_ops.Correlation(self._correlate, self._squares, self._pairs, axes)

    def _squares(self, x):
        squares = sum_of_squares(x, axis=-1)
        return self._correlate(squares, ops.ones((*self.kernel_size, 1, 1), dtype=squares.dtype))

    def _pairs(self, x, kernel):
        channels, taps = x.shape[-1], math.prod(self.kernel_size)
        each = np.eye(taps * channels).reshape(*self.kernel_size, channels, taps * channels)
        each = ops.convert_to_tensor(each, dtype=x.dtype)
        patches = self._correlate(x, ops.swapaxes(each, -1, -2))
        columns = ops.reshape(ops.swapaxes(kernel, -1, -2), (taps * channels, -1))
        return [(patches, columns)]

    def from_columns(self, columns):
        shape = tuple(self.kernel.shape)
        columns = np.reshape(columns, (*shape[:-2], shape[-1], self.filters))
        return np.swapaxes(columns, -1, -2)

    def get_config(self):
        return {**super().get_config(), "output_padding": self.output_padding}


def _dilate(kernel, axis, rate):
    """`kernel` with `rate - 1` zeros between its entries along `axis`."""
    if rate == 1:
        return kernel
    shape = list(kernel.shape)
    size = shape[axis]
    kernel = ops.expand_dims(kernel, axis + 1)
    widths = [[0, 0] for _ in kernel.shape]
    widths[axis + 1][1] = rate - 1
    shape[axis] = size * rate
    kernel = ops.reshape(ops.pad(kernel, widths), shape)
    return kernel[(slice(None),) * axis + (slice(size * rate - rate + 1),)]
