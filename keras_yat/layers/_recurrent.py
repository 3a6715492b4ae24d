"""The base of the recurrent Yat layers: a cell over time."""

import inspect
from typing import Any, ClassVar, Generic, TypeVar, cast

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import BaseRNN
from keras_yat._sizes import all_fit
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, Shape, Tensor
from keras_yat.layers._cell import BaseYatCell
from keras_yat.layers._weight_options import checked_regularizer, serialized

T = TypeVar("T")


class OfCell(Generic[T]):
    """An attribute of a recurrent layer that it reads from its cell."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, owner: type | None = None) -> T:
        # Of the class it is the descriptor, as a property is.
        return cast(T, self) if layer is None else getattr(layer.cell, self._name)


class BaseYatRecurrent(BaseRNN):
    """Abstract: `keras.layers.RNN` with a cell that it creates from its arguments.

    A subclass names its `cell_class`. Everything that does not depend on the states is computed
    for all time steps at once.
    """

    cell_class: ClassVar[type[BaseYatCell]]
    search_space: ClassVar[Space]
    units: OfCell[int] = OfCell()
    activation: OfCell[Any] = OfCell()
    use_bias: OfCell[bool] = OfCell()
    kernel_initializer: OfCell[Any] = OfCell()
    recurrent_initializer: OfCell[Any] = OfCell()
    bias_initializer: OfCell[Any] = OfCell()
    kernel_regularizer: OfCell[Any] = OfCell()
    recurrent_regularizer: OfCell[Any] = OfCell()
    bias_regularizer: OfCell[Any] = OfCell()
    kernel_constraint: OfCell[Any] = OfCell()
    recurrent_constraint: OfCell[Any] = OfCell()
    bias_constraint: OfCell[Any] = OfCell()
    dropout: OfCell[float] = OfCell()
    recurrent_dropout: OfCell[float] = OfCell()
    seed: OfCell[int | None] = OfCell()
    epsilon: OfCell[Any] = OfCell()
    learn_epsilon: OfCell[bool] = OfCell()
    alpha: OfCell[Any] = OfCell()
    alpha_initializer: OfCell[Any] = OfCell()
    constant_bias: OfCell[float | None] = OfCell()
    kernel_multiplier: OfCell[float | str] = OfCell()
    normalize: OfCell[str | None] = OfCell()
    distance: OfCell[str] = OfCell()
    drop_connect: OfCell[float] = OfCell()
    kernel_trainable: OfCell[bool] = OfCell()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "cell_class"):
            cls.search_space = cls.cell_class.search_space

    def __init__(
        self,
        *,
        units: int,
        activity_regularizer: Identifier | None,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        unroll: bool,
        zero_output_for_mask: bool,
        **kwargs: Any,
    ) -> None:
        of_cell = {n: kwargs.pop(n) for n in _arguments(self.cell_class) if n in kwargs}
        of_both = {n: kwargs[n] for n in ("dtype", "trainable") if n in kwargs}
        super().__init__(
            self.cell_class(units=units, **of_cell, **of_both),
            return_sequences=_validate.flag("return_sequences", return_sequences),
            return_state=_validate.flag("return_state", return_state),
            go_backwards=_validate.flag("go_backwards", go_backwards),
            stateful=_validate.flag("stateful", stateful),
            unroll=_validate.flag("unroll", unroll),
            zero_output_for_mask=_validate.flag("zero_output_for_mask", zero_output_for_mask),
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.input_spec: Any = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True  # Keras 3.16 no longer sets it

    def build(self, sequences_shape: Shape, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def prototypes(self) -> Tensor:
        """The weights of the neurons of the input: see the cell's `prototypes`."""
        return self.cell.prototypes()

    def recurrent_prototypes(self) -> Tensor:
        """The weights of the neurons of the state: see the cell's `recurrent_prototypes`."""
        return self.cell.recurrent_prototypes()

    def run_loop(
        self, sequences: Tensor, states: list[Tensor], mask: Tensor | None, training: bool | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        try:
            return self._loop(sequences, states, mask, training)
        finally:
            # Also after an error: the masks of this sequence must not be used for the next.
            self.cell.reset_dropout_mask()

    def _loop(self, sequences, states, mask, training):
        if self.stateful:
            # Their variables are overwritten in place before torch's backward pass.
            states = [ops.copy(state) for state in states]
        # Time first, as in the loops: the inputs are smaller than the gates.
        if mask is not None:
            mask = self._time_first(mask, sequences)
        sequences = ops.swapaxes(sequences, 0, 1)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        states = self.cell.run(
            sequences,
            states,
            mask,
            training,
            every_output=self.return_sequences,
            unroll=self.unroll,
        )
        outputs = states[0]
        if mask is not None and self.zero_output_for_mask:
            present = mask if self.return_sequences else mask[-1:]
            outputs = ops.where(present, outputs, ops.zeros_like(outputs))
        return outputs[-1], ops.swapaxes(outputs, 0, 1), [state[-1] for state in states]

    def _time_first(self, mask, sequences):
        """`mask`, `(batch, time)` or `(batch, time, 1)`, as booleans `(time, batch, 1)`."""
        if not all_fit(mask.shape[:2], sequences.shape[:2]):
            shape = tuple(sequences.shape[:2])
            _validate.invalid_argument(
                "mask", f"have the shape {shape} of the sequences", tuple(mask.shape)
            )
        mask = ops.swapaxes(ops.cast(mask, "bool"), 0, 1)
        return ops.reshape(mask, (*ops.shape(mask)[:2], 1))

    def get_config(self) -> Config:
        config = super().get_config()
        del config["cell"]
        of_cell = self.cell.get_config()
        return {
            **config,
            **{name: of_cell[name] for name in _arguments(self.cell_class)},
            "activity_regularizer": serialized(self.activity_regularizer),
        }

    @classmethod
    def from_config(cls, config: Config) -> Any:
        return cls(**config)


class BaseGatedYatRecurrent(BaseYatRecurrent):
    """Abstract: a recurrent Yat layer whose cell has gates."""

    recurrent_activation: OfCell[Any] = OfCell()


def _arguments(cell_class):
    """The names of the arguments of a cell."""
    # Of the constructor: the signature of a class depends on its metaclass.
    skipped = ("self", "kwargs")
    return [n for n in inspect.signature(cell_class.__init__).parameters if n not in skipped]
