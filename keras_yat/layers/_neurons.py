"""The base of the dense and convolutional Yat layers: a bias, an activation, the call."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from keras_yat._backend import dense_tensor
from keras_yat._numerics.prepared_kernel import LinearMap
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._base import YatLayer, checked_activation
from keras_yat.layers._weight_options import WeightOptions, checked_regularizer, serialized


@dataclass(frozen=True)
class Neurons:
    """The neurons of a layer: `alpha·(⟨w, x⟩ + b)² / (‖w - x‖² + epsilon)`.

    Attributes:
        columns: The prototypes w as columns, `(groups, entries, neurons of a group)`. Groups have
            separate inputs.
        bias: b, `(groups, neurons of a group)`.
        epsilon: As in the formula.
        alpha: As in the formula.
        windows: The largest number of windows that an entry of the input is in.
    """

    columns: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    epsilon: float
    alpha: float
    windows: int

    def groups(self) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """The columns and the bias of each group."""
        return zip(self.columns, self.bias, strict=True)


def _double(value):
    return np.asarray(ops.convert_to_numpy(value), "float64")


class NeuronLayer(YatLayer):
    """Abstract: neurons of one linear map, with a bias and an activation.

    A subclass defines `_linear_map` and `_factors`. Its `build` sets `multiplier`, adds the
    kernels, and ends with `_add_bias_and_scales`.
    """

    bias: Any

    def __init__(
        self,
        *,
        activation: Identifier | None,
        use_bias: bool,
        bias_initializer: Identifier | None,
        bias_regularizer: Identifier | None,
        activity_regularizer: Identifier | None,
        bias_constraint: Identifier | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.activation: Any = checked_activation("activation", activation, self.dtype_policy)
        self.use_bias: bool = self._checked_use_bias(use_bias)
        self._bias_options = WeightOptions(
            self, "bias", bias_initializer, bias_regularizer, bias_constraint, required=False
        )

    def _linear_map(self) -> LinearMap:
        """The linear map between input and kernel."""
        raise NotImplementedError

    def _factors(self) -> tuple[Tensor, ...]:
        """The trained variables whose composition is the kernel, or the slices that are used."""
        raise NotImplementedError

    def _effective_fan_in(self, entries: int) -> float:
        """The average number of input entries in the product of a neuron with `entries` weights."""
        return entries

    def _add_bias_and_scales(
        self, input_shape: Shape, kernel_shape: tuple[int, ...], initializer: Any
    ) -> None:
        """Adds bias, alpha and epsilon, and builds the activation.

        Args:
            input_shape: Argument of `build`.
            kernel_shape: The shape of the kernel.
            initializer: The kernel's, to which the starting values belong.
        """
        linear_map = self._linear_map()
        entries = linear_map.entries(kernel_shape)
        free = self.use_bias and self.constant_bias is None and self.bias_initializer is None
        bias, alpha = self._default_bias_and_alpha(
            initializer,
            entries,
            self._effective_fan_in(entries),
            None if free else self.constant_bias or 0.0,
        )
        self.bias = None
        if self.use_bias and self.constant_bias is None:
            given = self._bias_options.initializer
            self._bias_start: Any = given or keras.initializers.Constant(bias)
            shape = (linear_map.neurons(kernel_shape),)
            self.bias = self._bias_options.add("bias", shape, initializer=self._bias_start)
        self._add_epsilon_and_alpha(alpha)
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build(self.compute_output_shape(input_shape))

    def prototypes(self) -> Tensor:
        """The weights w of the neurons, on the scale of the input.

        Returns:
            A tensor of the shape of the kernel, or of its slice: the trained variable times the
            kernel multiplier, in float32 or wider; of a factorized kernel the product of its
            factors. With `normalize` each w is divided by its norm.

        Raises:
            ValueError: If the layer is not built.
        """
        self._check_built()
        linear_map = self._linear_map()
        kernel = linear_map.compose(*self._factors())
        return self._prototypes(kernel, self.multiplier, linear_map.axes)

    @property
    def neurons(self) -> Neurons:
        """The neurons in float64, for bounds such as `keras_yat.lipschitz`.

        Raises:
            ValueError: If the layer is not built.
        """
        prototypes = self.prototypes()
        columns = self._linear_map().patches_and_columns(self._one_window(), prototypes)[1]
        columns = np.asarray(ops.convert_to_numpy(columns), "float64")
        columns = columns if columns.ndim == 3 else columns[None]
        groups, _, size = columns.shape
        scales = {k: 1.0 if v is None else v for k, v in self._epsilon_and_alpha().items()}
        bias = self.constant_bias or 0.0 if self.bias is None else self.bias
        return Neurons(
            columns,
            np.reshape(np.broadcast_to(_double(bias), (groups * size,)), (groups, size)),
            windows=self._windows_of_an_entry(),
            **{name: float(_double(value)) for name, value in scales.items()},
        )

    def _one_window(self) -> Tensor:
        """An input with at least one window, channels last."""
        return ops.zeros((1, self.input_spec.axes[-1]))

    def _windows_of_an_entry(self) -> int:
        """The largest number of windows that an entry of the input is in."""
        return 1

    def _pre_activation(self, inputs: Tensor, training: bool | None) -> Tensor:
        """The outputs of the neurons, channels last, before the activation."""
        inputs = self._to_channels_last(inputs)
        return self._yat(self._linear_map(), inputs, self._factors(), self.bias, training)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        inputs = dense_tensor(inputs)
        outputs = self._from_channels_last(self._pre_activation(inputs, training))
        if self.activation is not None:
            outputs = self.activation(outputs)
        return ops.cast(outputs, self.compute_dtype)

    def _to_channels_last(self, inputs: Tensor) -> Tensor:
        """`inputs` in the data format of `_linear_map`."""
        return inputs

    def _from_channels_last(self, outputs: Tensor) -> Tensor:
        """`outputs` in the data format of the layer."""
        return outputs

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **self._bias_options.get_config(),
            "activity_regularizer": serialized(self.activity_regularizer),
        }
