"""The weights of the recurrent Yat cells."""

from typing import Any, ClassVar

import keras

from keras_yat import _validate
from keras_yat._space import Build, Choice, Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.activations._score_tanh import ScoreTanh
from keras_yat.activations._soft_tanh import SoftTanh
from keras_yat.layers._base import INITIALIZER, YatLayer, checked_activation
from keras_yat.layers._sequence_dropout import SequenceDropout
from keras_yat.layers._weight_options import WeightOptions


class CellWeights(YatLayer, SequenceDropout):
    """Abstract: the arguments and weights of a recurrent cell of Yat neurons.

    A subclass has in `gates` the number of blocks of `units` neurons.
    """

    gates: ClassVar[int] = 1
    kernel: Any
    recurrent_kernel: Any
    bias: Any
    recurrent_multiplier: float
    search_space: ClassVar[Space] = {
        **YatLayer.search_space,
        "kernel_initializer": INITIALIZER,
        "recurrent_initializer": INITIALIZER,
        "activation": Choice(
            {
                "tanh": "tanh",
                "score_tanh": Build(ScoreTanh, ScoreTanh.search_space),
                "soft_tanh": Build(SoftTanh, SoftTanh.search_space),
            }
        ),
    }

    def __init__(
        self,
        units: int,
        *,
        activation: Identifier | None,
        use_bias: bool,
        kernel_initializer: Identifier,
        recurrent_initializer: Identifier,
        bias_initializer: Identifier | None,
        kernel_regularizer: Identifier | None,
        recurrent_regularizer: Identifier | None,
        bias_regularizer: Identifier | None,
        kernel_constraint: Identifier | None,
        recurrent_constraint: Identifier | None,
        bias_constraint: Identifier | None,
        dropout: float,
        recurrent_dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units: int = _validate.count("units", units)
        self.activation: Any = checked_activation("activation", activation, self.dtype_policy)
        self.use_bias: bool = self._checked_use_bias(use_bias)
        self._kernel_options = WeightOptions(
            self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._recurrent_options = WeightOptions(
            self, "recurrent", recurrent_initializer, recurrent_regularizer, recurrent_constraint
        )
        self._bias_options = WeightOptions(
            self, "bias", bias_initializer, bias_regularizer, bias_constraint, required=False
        )
        self.dropout: float = _validate.rate("dropout", dropout)
        self.recurrent_dropout: float = _validate.rate("recurrent_dropout", recurrent_dropout)
        if self.seed_generator is None and (self.dropout or self.recurrent_dropout):
            self.seed_generator: Any = keras.random.SeedGenerator(self.seed)
        self._start_masks()
        self.state_size: Any = self.units
        self.output_size: int = self.units

    def build(self, input_shape: Shape) -> None:
        entries = _validate.last_axis("input_shape", input_shape)
        free = self.use_bias and self.constant_bias is None
        given = None if free else self.constant_bias or 0.0
        bias, alpha = self._default_bias_and_alpha(
            self._kernel_options.initializer, entries, bias=given
        )
        _, recurrent_alpha = self._default_bias_and_alpha(
            self._recurrent_options.initializer, self.units, bias=0.0
        )
        self.multiplier: float = self._multiplier_for(
            self._kernel_options.initializer, entries, step=1.0
        )
        self.recurrent_multiplier: float = self._multiplier_for(
            self._recurrent_options.initializer, self.units, step=1.0
        )
        trainable, size = self.kernel_trainable, self.gates * self.units
        self.kernel = self._kernel_options.add(
            "kernel", (entries, size), self.multiplier, trainable=trainable
        )
        self.recurrent_kernel = self._recurrent_options.add(
            "recurrent_kernel",
            (self.units, size),
            self.recurrent_multiplier,
            trainable=trainable,
        )
        self.bias = None
        if free:
            start = self._initial_bias(bias, entries)
            self.bias = self._bias_options.add("bias", (size,), initializer=start)
        self._add_epsilon_and_alpha(alpha)
        self._add_epsilon_and_alpha(recurrent_alpha, "recurrent_")
        for function in self._functions():
            if isinstance(function, keras.layers.Layer) and not function.built:
                function.build((input_shape[0], self.units))

    def prototypes(self) -> Tensor:
        """The weights of the neurons of the input, `(input_dim, gates·units)`.

        Returns:
            The trained variable `kernel` times the kernel multiplier, in float32 or wider. With
            `normalize` each neuron's weights are divided by their norm.

        Raises:
            ValueError: If the cell is not built.
        """
        self._check_built()
        return self._prototypes(self.kernel, self.multiplier, (0,))

    def recurrent_prototypes(self) -> Tensor:
        """As `prototypes`, for the neurons of the state, `(units, gates·units)`."""
        self._check_built()
        return self._prototypes(self.recurrent_kernel, self.recurrent_multiplier, (0,))

    def _initial_bias(self, default: float, entries: int) -> Any:
        """The initializer of the bias; `default` is the matching default of the kernel's."""
        return self._bias_options.initializer or keras.initializers.Constant(default)

    def _functions(self) -> list[Any]:
        """The activations of the cell."""
        return [self.activation]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **self._kernel_options.get_config(),
            **self._recurrent_options.get_config(),
            **self._bias_options.get_config(),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }
