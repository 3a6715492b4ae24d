"""Recurrent cells of Yat neurons: what the three of them share."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

import keras_yat.ops as yat_ops
from keras_yat import _validate, initializers
from keras_yat.layers.activation._base import Activation
from keras_yat.layers.yat import _base
from keras_yat.layers.yat._base import YatLayer, serialized

# By this class `keras.layers.RNN` knows the cells whose random masks are to be drawn before its
# loop: within the loop, on JAX, no random state can change. It has no public name of its own.
_DropoutCell = next(
    base for base in keras.layers.SimpleRNNCell.__mro__ if base.__name__ == "DropoutRNNCell"
)

Respond = Callable[[Any], Any]


class YatCell(YatLayer, _DropoutCell):
    """Abstract: a recurrent cell, from `Y_W(x)` and `Y_U(h)` to the next states.

    Y_W and Y_U are Yat products of the kernels, with a bias in the first. A subclass
    says in `gates` how many blocks of `units` neurons there are, and in `advance` what
    comes of their answers. `project` does not depend on the states, so that a layer
    calls it once for all time steps.

    The first of the states is the output.
    """

    gates: ClassVar[int] = 1

    def __init__(
        self,
        units: int,
        *,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "yat_normal",
        recurrent_initializer: Any = "yat_normal",
        bias_initializer: Any = None,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = _validate.count("units", units)
        self.activation = _base.activation("activation", activation, self.dtype_policy)
        self.use_bias = _validate.flag("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, "kernel_initializer")
        self.recurrent_initializer = initializers.get(
            recurrent_initializer, "recurrent_initializer"
        )
        if bias_initializer is not None:
            bias_initializer = initializers.get(bias_initializer, "bias_initializer")
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = _base.regularizer("kernel_regularizer", kernel_regularizer)
        self.recurrent_regularizer = _base.regularizer(
            "recurrent_regularizer", recurrent_regularizer
        )
        self.bias_regularizer = _base.regularizer("bias_regularizer", bias_regularizer)
        self.kernel_constraint = _base.constraint("kernel_constraint", kernel_constraint)
        self.recurrent_constraint = _base.constraint("recurrent_constraint", recurrent_constraint)
        self.bias_constraint = _base.constraint("bias_constraint", bias_constraint)
        self.dropout = _validate.rate("dropout", dropout)
        self.recurrent_dropout = _validate.rate("recurrent_dropout", recurrent_dropout)
        if self.seed_generator is None and (self.dropout or self.recurrent_dropout):
            self.seed_generator = keras.random.SeedGenerator(self.seed)
        self._masks = _Masks()
        self.state_size: Any = self.units
        self.output_size = self.units

    def build(self, input_shape):
        entries = input_shape[-1]
        if entries is None:
            _validate.refuse("input_shape", "have a last axis of known size", tuple(input_shape))
        free = self.use_bias and self.constant_bias is None
        bias, alpha = self.suited_bias_and_alpha(
            self.kernel_initializer, entries, bias=None if free else self.constant_bias or 0.0
        )
        _, recurrent_alpha = self.suited_bias_and_alpha(
            self.recurrent_initializer, self.units, bias=0.0
        )
        self.kernel = self._add_kernel("kernel", entries, "kernel")
        self.recurrent_kernel = self._add_kernel("recurrent_kernel", self.units, "recurrent")
        self.bias = None
        if free:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.gates * self.units,),
                initializer=self.bias_start(bias, entries),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                autocast=False,
            )
        self.add_scales(alpha)
        self.add_scales(recurrent_alpha, "recurrent_")
        for function in self.functions():
            if isinstance(function, keras.layers.Layer) and not function.built:
                function.build((input_shape[0], self.units))

    def _add_kernel(self, name, entries, kind):
        return self.add_weight(
            name=name,
            shape=(entries, self.gates * self.units),
            initializer=getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
            trainable=self.kernel_trainable,
            autocast=False,
        )

    def bias_start(self, suited: float, entries: int) -> Any:
        """The initializer of the bias, where `suited` is the value that suits the kernel."""
        return self.bias_initializer or keras.initializers.Constant(suited)

    def functions(self) -> list[Any]:
        """The activations of the cell."""
        return [self.activation]

    def parts(self) -> list[tuple[int, int]]:
        """The blocks of the recurrent kernel, from one up to another, that meet a state together."""
        return [(0, self.gates)]

    def project(self, inputs: Any, training: Any = None) -> Any:
        """Y_W of inputs `(batch, input_dim)`, or `(batch, time, input_dim)` for all steps at once."""
        inputs = ops.cast(inputs, self.compute_dtype)
        if self.dropout and training:
            kept = self._masks.get("inputs", lambda: self._kept(inputs, self.dropout))
            if len(kept.shape) < len(inputs.shape):
                kept = ops.expand_dims(kept, 1)
            inputs = inputs * ops.cast(kept, inputs.dtype)
        kernel = self._connections("kernel", training)
        bias = self.constant_bias if self.bias is None else self.bias
        return self.neurons(yat_ops.DENSE, kernel, bias)(inputs)

    def recurrence(self, training: Any = None) -> list[Respond]:
        """For each of `parts` the function from a state to Y_U of it, ready for many states."""
        kernel = self._connections("recurrent_kernel", training)
        dropped = self.recurrent_dropout and training
        return [
            self._respond(kernel[:, start * self.units : stop * self.units], dropped)
            for start, stop in self.parts()
        ]

    def _respond(self, kernel, dropped):
        neurons = self.neurons(yat_ops.DENSE, kernel, None, "recurrent_")
        if not dropped:
            return neurons
        masks = self._masks

        def respond(state):
            kept = masks.get("state", lambda: self._kept(state, self.recurrent_dropout))
            return neurons(state * ops.cast(kept, state.dtype))

        return respond

    def advance(self, projected: Any, states: Sequence[Any], recurrence: list[Respond]) -> list:
        """The states after a step whose input was projected to `projected`."""
        raise NotImplementedError

    def call(self, inputs, states, training=None):
        nested = isinstance(states, (list, tuple))
        before = list(states) if nested else [states]
        after = self.advance(self.project(inputs, training), before, self.recurrence(training))
        return after[0], after if nested else after[0]

    def activated(self, function: Any, x: Any) -> Any:
        """`function` of `x` in the compute dtype. Our own layers without the way in of a layer."""
        if function is None:
            return x
        result = function.call(x) if isinstance(function, Activation) else function(x)
        return ops.cast(result, self.compute_dtype)

    def get_initial_state(self, batch_size=None):
        sizes = keras.tree.flatten(self.state_size)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    # What `keras.layers.RNN` calls before and after its loop.

    def get_dropout_mask(self, step_input):
        self._masks.draw("inputs", lambda: self._kept(step_input, self.dropout))
        for name in ("kernel", "recurrent_kernel"):
            kernel = getattr(self, name)
            self._masks.draw(name, lambda k=kernel: self._kept(k, self.drop_connect))

    def get_recurrent_dropout_mask(self, step_input):
        self._masks.draw("state", lambda: self._kept(step_input, self.recurrent_dropout))

    def reset_dropout_mask(self):
        self._masks.clear()

    def reset_recurrent_dropout_mask(self):
        self._masks.clear()

    def _connections(self, name, training):
        kernel = ops.convert_to_tensor(getattr(self, name))
        if self.drop_connect and training:
            kernel = kernel * self._masks.get(name, lambda: self._kept(kernel, self.drop_connect))
        return kernel

    def _kept(self, like, rate):
        """1 / (1 - rate) where an entry is kept, and 0."""
        if not rate:
            return None
        ones = ops.ones(ops.shape(like), dtype="float32")
        return keras.random.dropout(ones, rate, seed=self.seed_generator)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{
                f"{kind}_{what}": serialized(getattr(self, f"{kind}_{what}"))
                for what in ("initializer", "regularizer", "constraint")
                for kind in ("kernel", "recurrent", "bias")
            },
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


class GatedCell(YatCell):
    """Abstract: a cell with gates, and the squasher of these."""

    def __init__(self, units: int, *, recurrent_activation: Any = "softer_sigmoid", **kwargs: Any):
        super().__init__(units, **kwargs)
        self.recurrent_activation = _base.activation(
            "recurrent_activation", recurrent_activation, self.dtype_policy
        )

    def functions(self):
        return [*super().functions(), self.recurrent_activation]

    def get_config(self):
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
        }


class _Masks:
    """Random masks that were drawn before a loop; outside of one each is drawn anew."""

    def __init__(self):
        self._drawn = {}

    def draw(self, name: str, new: Callable[[], Any]) -> None:
        self._drawn[name] = new()

    def get(self, name: str, new: Callable[[], Any]) -> Any:
        return self._drawn[name] if name in self._drawn else new()

    def clear(self) -> None:
        self._drawn.clear()
