"""A kernel as it is stored: as floats, integers or trits, with a low-rank term or without."""

import math
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import keras
import numpy as np
from keras import ops

from keras_yat._keras_compat import pack_trits, unpack_trits
from keras_yat._types import Tensor

RANGES = {"int8": (-127, 127), "int4": (-8, 7)}
"""The integers of each mode."""


@dataclass(frozen=True)
class Integers:
    """How integers stand for columns of weights.

    Attributes:
        mode: `"int8"`, or `"int4"` with two integers in a byte.
        block: The number of weights of a neuron that share a scale, or None for all.
    """

    mode: str
    block: int | None

    def shapes(self, kernel: "StoredKernel") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of integers and scales for a kernel."""
        blocks = () if self.block is None else (math.ceil(kernel.entries / self.block),)
        packed = (math.ceil(kernel.entries / 2), kernel.neurons)
        scales = (*blocks, kernel.neurons)
        if kernel.is_rows:
            packed, scales = packed[::-1], scales[::-1]
        return packed if self.mode == "int4" else kernel.shape, scales

    def encode(self, columns: Any, quantizer: Any = None) -> tuple[Any, Any]:
        """`columns`, an array `(entries, neurons)`, as integers, and their scales by block."""
        entries, neurons = columns.shape
        block = self.block or entries
        blocks = np.pad(columns, [[0, -entries % block], [0, 0]]).reshape((-1, block, neurons))
        if quantizer is None:
            quantizer = keras.quantizers.AbsMaxQuantizer(value_range=RANGES[self.mode])
        integers, scale = quantizer(blocks, axis=1, to_numpy=True)
        integers = ops.reshape(integers, (-1, neurons))[:entries]
        if self.mode == "int4":
            integers, *_ = keras.quantizers.pack_int4(integers, axis=0)
        return integers, scale

    def decode(self, integers: Any, scale: Any, entries: int) -> Any:
        """The weights `(entries, …)`, for scales `(blocks, …)`."""
        if self.mode == "int4":
            integers = keras.quantizers.unpack_int4(integers, entries, axis=0)
        if self.block is not None:
            scale = ops.repeat(scale, self.block, axis=0)[:entries]
        return ops.cast(integers, scale.dtype) / scale


class StoredKernel:
    """The weights of a kernel, and its value.

    Args:
        name: Of the weight of the kernel.
        shape: Of the kernel.
        axes: The axes of the kernel over which a product sums. Its neurons lie along the others.
        lora_axis: The axis of the kernel that the factor B has.
        quantizer: The quantizer of `kernel_quantizer`, or None.

    Attributes:
        entries: The number of weights of a neuron.
        neurons: The number of neurons.
        is_rows: Whether the kernel is a matrix whose rows are the neurons: `rows` can select them.
        kernel: The trained variable, or integers.
        integers: How integers stand for it, or None.
        scale: The weight by which integers are divided, or None.
        factors: The weights A and B of the low-rank term, or None.
        strength: The factor of A·B.
        layers: The layers that have these weights.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        lora_axis: int,
        quantizer: Any = None,
    ) -> None:
        self.name: str = name
        self.shape: tuple[int, ...] = shape
        self.entries: int = math.prod([shape[axis] for axis in axes])
        self.neurons: int = math.prod(shape) // self.entries
        self.is_rows: bool = axes == (1,) and len(shape) == 2
        # All axes, those of the neurons last.
        self._order = (*axes, *(axis for axis in range(len(shape)) if axis not in axes))
        self.axes: tuple[int, ...] = axes
        self.lora_axis: int = lora_axis
        self.quantizer: Any = quantizer
        self.kernel: Any = None
        self.integers: Integers | None = None
        self.scale: Any = None
        self.factors: tuple[Any, Any] | None = None
        self.strength: float = 1.0
        self.layers: WeakSet[Any] = WeakSet()

    def resize(self, shape: tuple[int, ...], kernel: Any) -> None:
        """Has another weight, of as many entries and another number of neurons."""
        self.shape, self.kernel = shape, kernel
        self.neurons = math.prod(shape) // self.entries

    def attributes(self) -> dict[str, Any]:
        """The weights, by the names of the layers' attributes. Some may be None."""
        a, b = self.factors or (None, None)
        return {
            f"_{self.name}": self.kernel,
            f"{self.name}_scale": self.scale,
            f"lora_{self.name}_a": a,
            f"lora_{self.name}_b": b,
        }

    def factor_shapes(self, rank: int) -> list[tuple[int, ...]]:
        """The shapes of A and B."""
        shape = list(self.shape)
        size = shape.pop(self.lora_axis)
        return [(*shape, rank), (rank, size)]

    def to_columns(self, kernel: Tensor) -> Tensor:
        """The weights of each neuron as a column: `(entries, neurons)`."""
        if self.is_rows:
            return _moved(kernel, -1, 0)
        return ops.reshape(ops.transpose(kernel, self._order), (self.entries, self.neurons))

    def from_columns(self, columns: Tensor) -> Tensor:
        """The kernel whose neurons have the weights `columns`."""
        if self.is_rows:
            return _moved(columns, 0, -1)
        kernel = ops.reshape(columns, [self.shape[axis] for axis in self._order])
        # Not by NumPy, of which torch cannot trace numbers.
        return ops.transpose(kernel, [self._order.index(axis) for axis in range(len(self._order))])

    def base(self, rows: Tensor | None = None) -> Tensor:
        """The kernel without the low-rank term."""
        kernel = ops.convert_to_tensor(self.kernel)
        if self.integers is None:
            return kernel if rows is None else ops.take(kernel, rows, axis=0)
        scale = ops.convert_to_tensor(self.scale)
        if self.is_rows:
            scale = ops.reshape(scale, (self.neurons, -1))
            if rows is not None:
                kernel, scale = ops.take(kernel, rows, axis=0), ops.take(scale, rows, axis=0)
            scale = _moved(scale, -1, 0)
        else:
            scale = ops.reshape(scale, (-1, self.neurons))
        columns = kernel if self._in_columns() else self.to_columns(kernel)
        return self.from_columns(self.integers.decode(columns, scale, self.entries))

    def _in_columns(self):
        """Whether integers are stored as columns."""
        packed = self.integers is not None and self.integers.mode == "int4"
        return packed and not self.is_rows

    def value(self, rows: Tensor | None = None) -> Tensor:
        """The kernel as it is used, as a tensor on the scale of the trained variable.

        Args:
            rows: Indices of neurons, of any shape, or None for all.
        """
        kernel = self.latent(rows)
        if self.quantizer is None:
            return kernel
        return self.quantizer(kernel, self.axes if rows is None else len(kernel.shape) - 1)

    def latent(self, rows: Tensor | None = None) -> Tensor:
        """The kernel before its quantizer, as a tensor.

        Args:
            rows: As in `value`.
        """
        kernel = self.base(rows)
        if self.factors is None:
            return kernel
        a, b = map(ops.convert_to_tensor, self.factors)
        if rows is not None:
            a = ops.take(a, rows, axis=0)
        # Not `matmul`, which rounds float64 on torch.
        term = _moved(ops.einsum("...r,rn->...n", a, b), -1, self.lora_axis)
        return ops.cast(kernel, term.dtype) + self.strength * term

    def readable(self) -> Any:
        """The variable, if its value is the latent kernel; or that as a tensor."""
        plain = self.integers is None and self.factors is None
        return self.kernel if plain else self.latent()

    def stored(self) -> list[Any]:
        """The weights whose values are the kernel."""
        return [self.kernel] if self.integers is None else [self.kernel, self.scale]

    def encoded(self, kernel: Any, quantizer: Any = None) -> list[Any]:
        """The values of `stored()` for a kernel."""
        if self.integers is None:
            return [ops.cast(kernel, self.kernel.dtype)]
        columns = self.to_columns(ops.cast(kernel, self.scale.dtype))
        integers, scale = self.integers.encode(ops.convert_to_numpy(columns), quantizer)
        scale = ops.squeeze(scale, 1)
        if self.is_rows:
            scale = ops.transpose(scale)
        return [
            integers if self._in_columns() else self.from_columns(integers),
            ops.reshape(scale, self.scale.shape),
        ]

    def assign(self, kernel: Any, quantizer: Any = None) -> None:
        """Stores a kernel, by a quantizer of Keras if as integers."""
        for weight, value in zip(self.stored(), self.encoded(kernel, quantizer), strict=True):
            weight.assign(value)

    def to_file(self) -> list[Any]:
        """The arrays of a file: the kernel and its scale, if it is packed or of integers.

        The low-rank term is merged into the kernel.
        """
        if self.quantizer is not None and not self.quantizer.save_latent:
            trits, scale = self.quantizer.trits_and_scale(self.latent(), self.axes)
            # Neuron after neuron.
            trits = ops.convert_to_numpy(self.to_columns(trits)).T.reshape(-1)
            return [pack_trits(trits), ops.convert_to_numpy(scale).reshape(-1)]
        return self.stored() if self.factors is None else self.encoded(self.latent())

    def from_file(self, arrays: list[Any]) -> None:
        """Assigns the arrays of a file to the weights.

        Raises:
            ValueError: If their number is wrong.
        """
        if self.quantizer is not None and len(arrays) == 2:
            packed, scale = map(np.asarray, arrays)
            trits = unpack_trits(packed, self.entries * self.neurons)
            columns = trits.reshape(self.neurons, self.entries).T * scale
            self.assign(self.from_columns(ops.convert_to_tensor(columns)))
            return
        for weight, value in zip(self.stored(), arrays, strict=True):
            weight.assign(value)

    @property
    def arrays_in_files(self) -> tuple[int, ...]:
        """The numbers of arrays that `from_file` accepts."""
        return (2, 1) if self.quantizer is not None else (len(self.stored()),)


def _moved(x, source, destination):
    # ONNX files of torch have no negative axes.
    rank = len(x.shape)
    return ops.moveaxis(x, source % rank, destination % rank)
