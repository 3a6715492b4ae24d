"""The base of the transposed Yat convolutions."""

import math
from typing import Any, ClassVar

import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._backend import pad
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._types import Config, Shape, Size, Tensor
from keras_yat.layers._kernel import KernelLayer
from keras_yat.layers._sliding import FilterLayer


class BaseYatConvTranspose(FilterLayer, KernelLayer):
    """Abstract: a transposed Yat convolution of `rank` dimensions."""

    _features_axis: ClassVar[int] = -2
    _lora_axis: ClassVar[int] = -2
    _operation: ClassVar[str] = "conv_transpose"

    def __init__(
        self,
        *,
        filters: int,
        output_padding: Size | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters=filters, features=filters, **kwargs)
        self.output_padding: Any = None
        if output_padding is not None:
            self.output_padding = _validate.counts("output_padding", output_padding, self.rank, 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                _validate.invalid_argument(
                    "output_padding",
                    "be less than `strides` on each axis",
                    self.output_padding,
                    strides=self.strides,
                )

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, self._channels(input_shape))

    def _effective_fan_in(self, entries: int) -> float:
        return entries / math.prod(self.strides)

    def _windows_of_an_entry(self) -> int:
        return math.prod(self.kernel_size)

    def _convolve(self, x: Any, kernel: Any) -> Any:
        # TensorFlow has no dilation here on a CPU: a kernel with zeros between its entries is
        # equivalent.
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
        """The part of the uncut result that `output_padding` selects.

        TensorFlow raises for some values on a CPU.
        """
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
        return pad(outputs[(*slices, slice(None))], [*widths, [0, 0]])

    def _linear_map(self) -> LinearMap:
        return LinearMap(
            self._correlate,
            self._squared_norms_of_all_channels,
            self._patches_and_columns,
            axes=(*range(self.rank), self.rank + 1),
            operations=(self._operation,),
        )

    def _patches_and_columns(self, x: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        channels, taps = x.shape[-1], math.prod(self.kernel_size)
        each = np.eye(taps * channels).reshape(*self.kernel_size, channels, taps * channels)
        each = ops.convert_to_tensor(each, dtype=x.dtype)
        patches = self._correlate(x, ops.swapaxes(each, -1, -2))
        columns = ops.reshape(ops.swapaxes(kernel, -1, -2), (taps * channels, -1))
        return patches, columns

    def get_config(self) -> Config:
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
    kernel = ops.reshape(pad(kernel, widths), shape)
    return kernel[(slice(None),) * axis + (slice(size * rate - rate + 1),)]
