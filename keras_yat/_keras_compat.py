"""All that depends on the internals of Keras: its private and undocumented names, and its types.

If Keras changes one, fix this file. `tests/test_package.py` finds private names anywhere else.
"""

import contextlib
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras

from keras_yat._types import Tensor

TRIED = ("3.15.1", "3.16.0.dev2026102704")
"""The versions of Keras on which the tests passed. Of the nightly build on torch alone, without
float64 in attention: its `EinsumDense` with a bias returns float32.
"""

# Keras ships no types. A type checker that does not read its source gets this base instead, and one
# that does gets both; otherwise the type of every class here would be unknown.
if TYPE_CHECKING:

    class _Typed:
        """A class of Keras."""

    assert issubclass(keras.layers.Layer, _Typed)
    assert issubclass(keras.Model, _Typed)
    assert issubclass(keras.layers.RNN, _Typed)
    assert issubclass(keras.Operation, _Typed)
    assert issubclass(keras.layers.MultiHeadAttention, _Typed)
    assert issubclass(keras.initializers.RandomNormal, _Typed)
    assert issubclass(keras.constraints.Constraint, _Typed)
    assert issubclass(keras.callbacks.Callback, _Typed)
    _DropoutCell = _Typed
else:
    # `keras.layers.RNN` draws the random masks of a cell before its loop if the cell has this base:
    # within the loop, on JAX, no random state can change. The class has no public name.
    _DropoutCell = next(
        base for base in keras.layers.SimpleRNNCell.__mro__ if base.__name__ == "DropoutRNNCell"
    )


class Operation(keras.Operation):
    """Abstract: `keras.Operation`, typed."""


class Layer(keras.layers.Layer):
    """Abstract: `keras.layers.Layer`, typed."""


class Model(keras.Model):
    """Abstract: `keras.Model`, typed."""


def move(variable: keras.Variable, path: str) -> None:
    """Sets the path of a variable."""
    variable._path = path


def forget_path(layer: keras.layers.Layer) -> None:
    """Makes a layer take its path again from where it is called or built next."""
    layer._parent_path = None


def keep_apart(variable: keras.Variable) -> None:
    """Gives a variable another path if there is one with its path.

    For variables that are made in the constructor of a layer, whose path lacks the layers around
    it. `move` gives them their path as soon as that is known.
    """
    start, number = variable.path, 0
    while (other := _MADE.get(variable.path)) is not None and other.path == variable.path:
        number += 1
        move(variable, f"{start}_{number}")
    _MADE[variable.path] = variable


_MADE: Any = weakref.WeakValueDictionary()
"""The variables of constructors, by the paths that they had there."""


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer and all layers in it, each once."""
    return layer._flatten_layers()


def is_functional(model: Any) -> bool:
    """Whether a model is a graph of layers: functional, or of a class that builds such a graph."""
    return any(base.__name__ == "Functional" for base in type(model).__mro__)


def sharing() -> contextlib.AbstractContextManager[Any]:
    """A scope in which layers that occur twice are serialized, and deserialized, as one."""
    # As for `.keras` files. It has no public name.
    return keras.saving.serialize_keras_object.__globals__["ObjectSharingScope"]()


@contextlib.contextmanager
def changing_weights(layer: Any) -> Iterator[None]:
    """A context in which weights can be added to a layer that is built."""
    tracker = layer._tracker
    locked = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        tracker.locked = locked


def own_variables(layer: Any) -> list[Any]:
    """The weights of a layer in Keras's order, without those of layers in it."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def set_weight(layer: Any, name: str, variable: Any, frozen: bool) -> None:
    """Makes a variable, or None, the attribute `name` of a layer, and one of its weights.

    `layer.trainable = True` does not train it if it is `frozen`.
    """
    old = vars(layer).get(name)
    trains = any(variable is each for each in layer._trainable_variables)
    if old is variable and not (frozen and trains):
        return
    if old is not None:
        layer._untrack_variable(old)
    setattr(layer, name, variable)
    if variable is not None:
        layer._post_track_variable(variable)


def mark_quantized(layer: Any) -> None:
    """Makes Keras refuse to quantize a layer again."""
    layer._is_quantized = True


def set_policy(layer: Any, policy: str) -> None:
    """Sets the dtype policy of a layer."""
    layer.dtype_policy = policy


class QuantizedCall(Layer):
    """Abstract: a layer with the same `call` where it is quantized."""

    def quantized_call(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


class ReversibleLayer(Layer):
    """Abstract: a layer that is called in two ways. `compute_mask` belongs to the first.

    In the second, whose outputs have the rank of its inputs, masks pass through.
    """

    def _set_mask_metadata(self, inputs: Any, outputs: Any, previous_mask: Any) -> None:
        if len(inputs.shape) == len(outputs.shape):
            _PASSING._set_mask_metadata(inputs, outputs, previous_mask)
        else:
            super()._set_mask_metadata(inputs, outputs, previous_mask)


_PASSING: Any = keras.layers.Identity(name="mask")


class RandomNormal(keras.initializers.RandomNormal):
    """Abstract: `keras.initializers.RandomNormal`, typed."""


class Constraint(keras.constraints.Constraint):
    """Abstract: `keras.constraints.Constraint`, typed."""


class Callback(keras.callbacks.Callback):
    """Abstract: `keras.callbacks.Callback`, typed."""


class BaseDropoutCell(_DropoutCell):
    """Abstract: a cell whose random masks `keras.layers.RNN` draws before its loop."""

    def _draw_input_masks(self, inputs: Tensor) -> None:
        """Draws the masks of inputs of this shape, and of the kernels."""
        raise NotImplementedError

    def _draw_state_masks(self, states: Tensor) -> None:
        """Draws the masks of states of this shape."""
        raise NotImplementedError

    def _clear_masks(self) -> None:
        """Drops the masks of the sequence."""
        raise NotImplementedError

    def get_dropout_mask(self, step_input: Tensor) -> None:
        self._draw_input_masks(step_input)

    def get_recurrent_dropout_mask(self, step_input: Tensor) -> None:
        self._draw_state_masks(step_input)

    def reset_dropout_mask(self) -> None:
        self._clear_masks()

    def reset_recurrent_dropout_mask(self) -> None:
        self._clear_masks()


class BaseRNN(keras.layers.RNN):
    """Abstract: `keras.layers.RNN` with its own loop over time, `run_loop`."""

    def run_loop(
        self, sequences: Tensor, states: list[Tensor], mask: Tensor | None, training: bool | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The last output, all outputs and the last states, for sequences `(batch, time, dim)`."""
        raise NotImplementedError

    def inner_loop(
        self,
        sequences: Tensor,
        initial_state: list[Tensor],
        mask: Tensor | None,
        training: bool | None = False,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        return self.run_loop(sequences, list(initial_state), mask, training)


def loop_of_rnn(cell: Any, sequence: Any, states: list[Any], backwards: bool) -> tuple[Any, Any]:
    """All outputs of a cell over `sequence`, and its last states, by Keras's loop."""
    layer = keras.layers.RNN(cell, go_backwards=backwards, return_sequences=True, name="loop")
    _, outputs, states = layer.inner_loop(sequence, states, mask=None)
    return outputs, states


class FixedSeed(keras.random.SeedGenerator):
    """A random generator with a constant state, which may be a tracer."""

    def __init__(self, state: Any):
        self._state = state
        self._initial_seed = 0  # on torch Keras asks whether there is one

    def next(self, ordered: bool = True) -> Any:
        return self._state


class BaseAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's attention, with public names for its projections and private settings."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("_compute_attention", "_masked_softmax", "_compute_attention_mask"):
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides `{name}`, which only Keras's attention calls. "
                    "Override `call`, or use `keras_yat.ops.yat_attention`."
                )

    @property
    def use_gate(self) -> bool:
        return self._use_gate

    @property
    def sliding_window(self) -> int | None:
        return self._sliding_window

    @property
    def output_sizes(self) -> tuple[int, ...] | None:
        """The argument `output_shape`, a name that Keras uses for a property."""
        return self._output_shape

    @property
    def _projection_initializer(self) -> Any:
        """The argument `kernel_initializer`."""
        return self._kernel_initializer

    @property
    def gate_dense(self) -> Any:
        return self._gate_dense

    def _set_flash_attention(self, value: bool | None) -> None:
        """Sets whether fused attention may be used, against Keras's global switch."""
        self._flash_attention = value

    def _set_projections(self, **layers: Any) -> None:
        """Sets the layers `query`, `key`, `value`, `output`, and `gate` if there is one."""
        for name, layer in layers.items():
            setattr(self, f"_{name}_dense", layer)

    def _projection_arguments(self) -> dict[str, Any]:
        """The arguments of a projection, from those of the layer's constructor."""
        return self._get_common_kwargs_for_sublayer()


class TransformedAttention(keras.layers.MultiHeadAttention):
    """Abstract: Keras's attention, in which `transform` is applied to the projected query and key.

    For comparisons, for example of Keras's attention with rotary embedding.
    """

    def transform(self, query: Any, key: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def _compute_attention(self, query, key, *rest, **settings):
        return super()._compute_attention(*self.transform(query, key), *rest, **settings)
