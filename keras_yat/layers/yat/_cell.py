"""Recurrent cells of Yat neurons: what the three of them share."""

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from keras_yat import _validate, config, initializers
from keras_yat._loop import loop, masked
from keras_yat._space import Choice, Made
from keras_yat.layers.activation import ScoreTanh, SofterSigmoid, SoftTanh
from keras_yat.layers.activation._base import Activation, curve_of
from keras_yat.layers.yat import _base
from keras_yat.layers.yat._base import YatLayer
from keras_yat.layers.yat._masks import SequenceMasks
from keras_yat.layers.yat._recurrence import Recurrence
from keras_yat.layers.yat._scales import serialized
from keras_yat.ops import _product as yat_ops


class YatCell(YatLayer, SequenceMasks):
    """Abstract: a recurrent cell, from `Y_W(x)` and `Y_U(h)` to the next states.

    Y_W and Y_U are Yat products of the kernels, with a bias in the first. A subclass
    says in `gates` how many blocks of `units` neurons there are, and in `advance` what
    comes of their answers. `project` does not depend on the states, so that a layer
    calls it once for all time steps.

    The first of the states is the output.
    """

    gates: ClassVar[int] = 1
    search_space = {
        **YatLayer.search_space,
        "kernel_initializer": _base.INITIALIZER,
        "recurrent_initializer": _base.INITIALIZER,
        "activation": Choice(
            {
                "tanh": "tanh",
                "score_tanh": Made(ScoreTanh, ScoreTanh.search_space),
                "soft_tanh": Made(SoftTanh, SoftTanh.search_space),
            }
        ),
    }

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
        self.use_bias = self.checked_use_bias(use_bias)
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
        self.start_masks()
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

    def project(self, inputs: Any, training: Any = None) -> tuple[yat_ops.Neurons, Any]:
        """The neurons of the input, and the inputs `(…, batch, input_dim)` as they meet them."""
        entries = self.kernel.shape[0]
        if inputs.shape[-1] != entries:
            _validate.refuse("inputs", f"have a last axis of size {entries}", tuple(inputs.shape))
        inputs = ops.cast(inputs, self.compute_dtype)
        inputs = self.dropped("inputs", inputs, self.dropout, training)
        # A copy: TensorFlow's custom gradients refuse variables.
        kernel = self.dropped("kernel", ops.copy(self.kernel), self.drop_connect, training)
        bias = self.constant_bias if self.bias is None else self.bias
        return self.neurons(yat_ops.DENSE, kernel, bias), inputs

    def parts(self) -> list[tuple[int, int]]:
        """Which blocks of the recurrent kernel, from one up to another, meet one state."""
        return [(0, self.gates)]

    def recurrence(self, training: Any = None) -> list[yat_ops.Neurons]:
        """The neurons of the state, for each of `parts`, ready for many states."""
        kernel = ops.copy(self.recurrent_kernel)
        kernel = self.dropped("recurrent_kernel", kernel, self.drop_connect, training)
        return [
            self.neurons(
                yat_ops.DENSE,
                kernel[:, start * self.units : stop * self.units],
                None,
                "recurrent_",
            )
            for start, stop in self.parts()
        ]

    def run(
        self,
        inputs: Any,
        states: list[Any],
        mask: Any,
        training: Any = None,
        *,
        every_output: bool,
        unroll: bool,
    ) -> list[Any]:
        """The states after each of the inputs `(time, batch, input_dim)`, or after the last.

        What does not depend on the states is done for all steps at once. Where `mask`,
        `(time, batch, 1)`, is False, a step leaves the states as they are.
        """
        projecting, inputs = self.project(inputs, training)
        recurrence = self.recurrence(training)
        curves = self._curves(training)
        kernel = recurrence[0].matrix() if len(recurrence) == 1 else None
        if curves is None or kernel is None:
            step = functools.partial(self._step, recurrence, training)
            sequences = [projecting(inputs)]
            if mask is not None:
                sequences.append(ops.cast(mask, self.compute_dtype))
            last, found = loop(step, states, sequences, unroll=unroll)
            found = found if every_output else [state[None] for state in last]
        else:
            responses = projecting.response, recurrence[0].response
            run = Recurrence(self, *responses, curves, every_output, unroll)
            found = run(*projecting.meet(inputs), kernel, states, mask)
            found = ops.split(found, len(states), axis=-1)
        return [ops.cast(states, self.compute_dtype) for states in found]

    def _step(self, recurrence, training, states, entry):
        of_input, *present = entry
        after = self._advanced(of_input, states, recurrence, training)
        if present:
            after = masked(present[0], after, states)
        return after, after

    def _curves(self, training):
        """The activations with their slopes, if the gradient can be written out with them."""
        if self.recurrent_dropout and training:
            return None
        if not config.is_custom_gradient_enabled():
            return None
        curves = [curve_of(function) for function in self.functions()]
        return None if None in curves else curves

    def _advanced(self, of_input, states, recurrence, training):
        """The states after a step, each function with a gradient of its own."""
        functions = [functools.partial(self._activated, f) for f in self.functions()]

        def respond(neurons, state):
            return neurons(self.dropped("state", state, self.recurrent_dropout, training))

        again = [functools.partial(respond, neurons) for neurons in recurrence[1:]]
        of_state = respond(recurrence[0], states[0])
        return self.advance(functions, of_input, of_state, states, *again)[0]

    def advance(
        self,
        functions: Sequence[Any],
        of_input: Any,
        of_state: Any,
        states: Sequence[Any],
        *again: Any,
    ) -> tuple[list[Any], list[Any]]:
        """The next states, and what `retreat` needs to know of the step.

        Args:
            functions: Those of `functions()`, as callables.
            of_input: Y_W of the input.
            of_state: Y_U of the first state, of the first of `parts`.
            states: The states before.
            again: For each further part a function from a state to its Y_U.
        """
        raise NotImplementedError

    def retreat(
        self,
        curves: Sequence[Any],
        upstream: Sequence[Any],
        kept: Sequence[Any],
        before: Sequence[Any],
        after: Sequence[Any],
    ) -> tuple[Any, Any, list[Any]]:
        """The gradients in `of_input`, `of_state` and `states` of `advance`."""
        raise NotImplementedError

    def call(self, inputs, states, training=None):
        nested = isinstance(states, (list, tuple))
        self.check_states("states", states if nested else [states])
        neurons, inputs = self.project(inputs, training)
        after = self._advanced(
            neurons(inputs),
            list(states) if nested else [states],
            self.recurrence(training),
            training,
        )
        return after[0], after if nested else after[0]

    def _activated(self, function, x):
        """`function` of `x` in the compute dtype; our own layers without a layer's way in."""
        if function is None:
            return x
        result = function.call(x) if isinstance(function, Activation) else function(x)
        return ops.cast(result, self.compute_dtype)

    def check_states(self, name: str, states: Any, batch: int | None = None) -> None:
        """Refuses states that are not those of the cell, for `batch` rows if that is known."""
        sizes = keras.tree.flatten(self.state_size)
        shapes = [tuple(state.shape) for state in states]
        right = [len(s) == 2 and s[-1] == n for s, n in zip(shapes, sizes, strict=False)]
        rows = {s[0] for s in shapes if s and s[0] is not None} | ({batch} - {None})
        if len(shapes) != len(sizes) or not all(right) or len(rows) > 1:
            allowed = " and ".join(f"({'batch' if batch is None else batch}, {n})" for n in sizes)
            _validate.refuse(name, f"have the shapes {allowed}", shapes)

    def get_initial_state(self, batch_size=None):
        sizes = keras.tree.flatten(self.state_size)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

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

    search_space = {
        **YatCell.search_space,
        "recurrent_activation": Choice(
            {
                "sigmoid": "sigmoid",
                "softer_sigmoid": Made(SofterSigmoid, SofterSigmoid.search_space),
            }
        ),
    }

    def __init__(
        self,
        units: int,
        *,
        activation: Any = "score_tanh",
        recurrent_activation: Any = "softer_sigmoid",
        **kwargs: Any,
    ):
        super().__init__(units, activation=activation, **kwargs)
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
