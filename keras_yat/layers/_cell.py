"""The base of the recurrent Yat cells: their steps, and a sequence of them."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_yat import _validate, config
from keras_yat._numerics.prepared_kernel import DENSE, PreparedKernel
from keras_yat._numerics.recurrence import Recurrence
from keras_yat._numerics.scan import hold_masked, scan
from keras_yat._numerics.value_and_slope import ValueAndSlope
from keras_yat._sizes import fits
from keras_yat._types import Tensor
from keras_yat.activations._base import Activation, value_and_slope_of
from keras_yat.layers._cell_weights import CellWeights


class BaseYatCell(CellWeights):
    """Abstract: a recurrent cell that maps `Y_W(x)` and `Y_U(h)` to the next states.

    Y_W and Y_U are Yat products of the kernels, the first with a bias. A subclass has in `gates`
    the number of blocks of `units` neurons, and in `step` the next states. It needs no gradient:
    the backend derives one. `step_backward` is an option, a faster hand-written one.

    `_prepare_inputs` does not depend on the states, so that a layer calls it once for all time
    steps. The first of the states is the output.
    """

    def _prepare_inputs(
        self, inputs: Tensor, training: bool | None = None
    ) -> tuple[PreparedKernel, Tensor]:
        """The kernel of the input, and the inputs `(…, batch, input_dim)`, with dropout applied."""
        entries = self.kernel.shape[0]
        if inputs.shape[-1] != entries:
            _validate.invalid_argument(
                "inputs", f"have a last axis of size {entries}", tuple(inputs.shape)
            )
        inputs = ops.cast(inputs, self.compute_dtype)
        inputs = self._apply_dropout("inputs", inputs, self.dropout, training)
        # A copy: TensorFlow's custom gradients refuse variables.
        kernel = ops.copy(self.kernel)
        kernel = self._apply_dropout("kernel", kernel, self.drop_connect, training)
        bias = self.constant_bias if self.bias is None else self.bias
        return self._prepared_kernel(DENSE, kernel, bias), inputs

    def _recurrent_parts(self) -> list[tuple[int, int]]:
        """The parts of the recurrent kernel, (first block, end), that are applied to one state."""
        return [(0, self.gates)]

    def _recurrent_kernels(self, training: bool | None = None) -> list[PreparedKernel]:
        """The kernels of the state, one for each of `_recurrent_parts`."""
        kernel = ops.copy(self.recurrent_kernel)
        kernel = self._apply_dropout("recurrent_kernel", kernel, self.drop_connect, training)
        return [
            self._prepared_kernel(
                DENSE, kernel[:, start * self.units : stop * self.units], None, "recurrent_"
            )
            for start, stop in self._recurrent_parts()
        ]

    def run(
        self,
        inputs: Tensor,
        states: list[Tensor],
        mask: Tensor | None,
        training: bool | None = None,
        *,
        every_output: bool,
        unroll: bool,
    ) -> list[Tensor]:
        """The states after each of the inputs `(time, batch, input_dim)`, or after the last.

        Everything that does not depend on the states is computed for all steps at once. Where
        `mask`, `(time, batch, 1)`, is False, a step keeps the states.
        """
        self._check_states("initial_state", states, inputs.shape[1])
        kernel, inputs = self._prepare_inputs(inputs, training)
        recurrent = self._recurrent_kernels(training)
        functions = self._values_and_slopes(training)
        matrix = recurrent[0].matrix() if len(recurrent) == 1 else None
        if functions is None or matrix is None:
            step = functools.partial(self._masked_step, recurrent, training)
            sequences = [kernel(inputs)]
            if mask is not None:
                sequences.append(ops.cast(mask, self.compute_dtype))
            last, found = scan(step, states, sequences, unroll=unroll)
            found = found if every_output else [state[None] for state in last]
        else:
            formulas = kernel.formula, recurrent[0].formula
            factor = recurrent[0].factor
            recurrence = Recurrence(self, *formulas, factor, functions, every_output, unroll)
            found = recurrence(*kernel.product_and_norm(inputs), matrix, states, mask)
            found = ops.split(found, len(states), axis=-1)
        return [ops.cast(states, self.compute_dtype) for states in found]

    def _masked_step(self, recurrent, training, states, entry):
        of_input, *present = entry
        after = self._next_states(of_input, states, recurrent, training)
        if present:
            after = hold_masked(present[0], after, states)
        return after, after

    def _values_and_slopes(self, training):
        """The activations with their slopes, if there is a hand-written backward pass for them."""
        if type(self).step_backward is BaseYatCell.step_backward:
            return None
        if config.backward_pass() == "derived" or (self.recurrent_dropout and training):
            return None
        found = [value_and_slope_of(function) for function in self._functions()]
        return None if None in found else found

    def _next_states(self, of_input, states, recurrent, training):
        functions = [functools.partial(self._activate, f) for f in self._functions()]

        def product(kernel, state):
            return kernel(self._apply_dropout("state", state, self.recurrent_dropout, training))

        further = [functools.partial(product, kernel) for kernel in recurrent[1:]]
        of_state = product(recurrent[0], states[0])
        return self.step(functions, of_input, of_state, states, *further)

    def step(
        self,
        functions: Sequence[Any],
        of_input: Tensor,
        of_state: Tensor,
        states: Sequence[Tensor],
        *further: Any,
    ) -> list[Tensor]:
        """The next states.

        Args:
            functions: The callables of `_functions()`.
            of_input: Y_W of the input.
            of_state: Y_U of the first state, with the first of `_recurrent_parts`.
            states: The states before the step.
            further: For each further part a function that maps a state to its Y_U.
        """
        raise NotImplementedError

    def step_backward(
        self,
        functions: Sequence[ValueAndSlope],
        upstream: Sequence[Tensor],
        of_input: Tensor,
        of_state: Tensor,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor, list[Any]]:
        """The gradients in `of_input`, `of_state` and `states` of `step`, an option.

        Args:
            functions: Those of `_functions()` as `ValueAndSlope`.
            upstream: The gradients in the next states.
            of_input: As in `step`.
            of_state: As in `step`.
            before: The states before the step.
            after: The states after the step.
        """
        raise NotImplementedError

    def call(self, inputs: Tensor, states: Any, training: bool | None = None) -> tuple[Tensor, Any]:
        nested = isinstance(states, (list, tuple))
        self._check_states("states", states if nested else [states])
        kernel, inputs = self._prepare_inputs(inputs, training)
        after = self._next_states(
            kernel(inputs),
            list(states) if nested else [states],
            self._recurrent_kernels(training),
            training,
        )
        return after[0], after if nested else after[0]

    def _activate(self, function, x):
        """`function` of `x` in the compute dtype. Own layers skip `__call__`, which is slow."""
        if function is None:
            return x
        result = function.call(x) if isinstance(function, Activation) else function(x)
        return ops.cast(result, self.compute_dtype)

    def _check_states(self, name: str, states: Any, batch: int | None = None) -> None:
        """Raises for states of other shapes than the cell's, with `batch` rows if it is known."""
        sizes = keras.tree.flatten(self.state_size)
        shapes = [tuple(state.shape) for state in states]
        right = [len(s) == 2 and fits(s[-1], n) for s, n in zip(shapes, sizes, strict=False)]
        rows = [batch, *(shape[0] for shape in shapes if shape)]
        same = all(fits(n, m) for n, m in itertools.combinations(rows, 2))
        if len(shapes) != len(sizes) or not all(right) or not same:
            allowed = " and ".join(f"({'batch' if batch is None else batch}, {n})" for n in sizes)
            _validate.invalid_argument(name, f"have the shapes {allowed}", shapes)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        sizes = keras.tree.flatten(self.state_size)
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]
