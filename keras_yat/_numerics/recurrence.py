"""A recurrent cell over time, with a hand-written backward pass.

The backward pass that a backend derives adds up the gradient of the recurrent kernel step by step
and keeps every intermediate of the formulas. This one keeps the states alone, evaluates each step
again, and computes the gradient of the kernel by a single product over all steps.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_yat._numerics.formula import YatFormula
from keras_yat._numerics.gradients import at_least_float32, with_custom_gradient
from keras_yat._numerics.scan import hold_masked, scan
from keras_yat._numerics.value_and_slope import ValueAndSlope


@dataclass(frozen=True)
class Recurrence:
    """A function that maps the inner products of all inputs to the states after each of them.

    Attributes:
        cell: Has `step` and `step_backward`.
        of_input: The Yat formula of the inputs.
        of_state: The Yat formula of the state.
        factor: Maps a state to the factor of its product: `PreparedKernel.factor`.
        functions: The activations of the cell.
        every_output: Whether all states are returned, or only the last.
        unroll: Whether the loops are unrolled.
    """

    cell: Any
    of_input: YatFormula
    of_state: YatFormula
    factor: Callable[[Any], Any]
    functions: Sequence[ValueAndSlope]
    every_output: bool
    unroll: bool

    def __call__(self, product, x_square, kernel, states, mask):
        """The concatenated states, `(time, batch, …)`, or `(1, batch, …)` for the last.

        `mask` is None, or booleans `(time, batch, 1)`.
        """
        mask = [] if mask is None else [ops.cast(mask, at_least_float32(product))]
        own = [self.of_input.tensors, self.of_state.tensors]
        parts = [[product, x_square, kernel], list(states), mask, *own]
        shape = [len(part) for part in parts]
        flat = [tensor for part in parts for tensor in part]

        def forward(*tensors):
            return _Pass(self, _packed(tensors, shape)).forward()

        def backward(upstream, kept, *tensors):
            return _once(_Pass(self, _packed(tensors, shape)).backward(upstream, kept))

        return with_custom_gradient(forward, backward)(*flat)


class _Pass:
    """The tensors of a call, and the loop over them, forward or backward."""

    def __init__(self, recurrence, parts):
        inputs, self.states, self.mask, of_input, of_state = parts
        self.product, self.x_square, self.kernel = inputs
        self.of_input = recurrence.of_input.with_tensors(of_input)
        self.of_state = recurrence.of_state.with_tensors(of_state)
        self.cell, self.functions = recurrence.cell, recurrence.functions
        self.factor = recurrence.factor
        self.every_output, self.unroll = recurrence.every_output, recurrence.unroll
        self.dtype = at_least_float32(self.product)
        # Whether products are in half precision, and everything else is wider.
        self.narrow = self.dtype != keras.backend.standardize_dtype(self.product.dtype)

    def forward(self):
        """The states to return, and the states before the first step and after each."""
        start = [ops.cast(state, self.dtype) for state in self.states]
        sequences = [self.product, self.x_square, *self.mask]
        last, every = scan(self._step, start, sequences, unroll=self.unroll, differentiable=False)
        outputs = every if self.every_output else [state[None] for state in last]
        kept = [ops.concatenate([s[None], e]) for s, e in zip(start, every, strict=True)]
        return ops.concatenate(outputs, axis=-1), kept

    def _step(self, states, entry):
        product, x_square, *present = entry
        factor = self.factor(states[0])
        after = self.cell.step(
            [function.value for function in self.functions],
            self.of_input.value(self._wide(product), x_square),
            self.of_state.value(self._times(factor, self.kernel), _square(factor)),
            states,
        )
        if present:
            after = hold_masked(present[0], after, states)
        return after, after

    def backward(self, upstream, kept):
        """The gradients of all tensors."""
        count = len(self.states)
        before, after = [states[:-1] for states in kept], [states[1:] for states in kept]
        upstream = ops.split(upstream, count, axis=-1)
        slopes = [ops.zeros_like(u[0]) if self.every_output else u[0] for u in upstream]
        above = upstream if self.every_output else []
        parts = [[self.product, self.x_square], before, after, above, self.mask]
        scales = [len(formula.tensors) for formula in (self.of_input, self.of_state)]
        carry, (of_product, of_square, of_inner) = scan(
            functools.partial(
                self._step_backward, ops.transpose(self.kernel), [len(part) for part in parts]
            ),
            # The loop sums the gradients of scales over the steps; the batch is summed at its end.
            [*slopes, *[ops.zeros_like(self._wide(self.product[0]))] * sum(scales)],
            [sequence for part in parts for sequence in part],
            reverse=True,
            unroll=self.unroll,
            differentiable=False,
        )
        slopes, *totals = _packed(carry, [count, *scales])
        return (
            of_product,
            of_square,
            _kernel_gradient(before[0], of_inner, self.kernel),
            *(ops.cast(g, state.dtype) for g, state in zip(slopes, self.states, strict=True)),
            *(ops.zeros_like(m) for m in self.mask),
            *self.of_input.scaled(totals[0]),
            *self.of_state.scaled(totals[1]),
        )

    def _step_backward(self, transposed, lengths, carry, entry):
        slopes, totals = carry[: len(self.states)], carry[len(self.states) :]
        (product, x_square), before, after, above, present = _packed(entry, lengths)
        if above:
            slopes = [slope + u for slope, u in zip(slopes, above, strict=True)]
        passing = [0.0] * len(slopes)
        if present:
            # A masked step passes this on to the states before it unchanged.
            passing = [slope * (1.0 - present[0]) for slope in slopes]
            slopes = [slope * present[0] for slope in slopes]
        factor = self.factor(before[0])
        at_input = self._wide(product), x_square
        at_state = self._times(factor, self.kernel), _square(factor)
        of_input = self.of_input.parts(*at_input)
        of_state = self.of_state.parts(*at_state)
        from_input, from_state, slopes = self.cell.step_backward(
            self.functions,
            slopes,
            self.of_input.value_of(of_input),
            self.of_state.value_of(of_state),
            before,
            after,
        )
        of_product, of_square, own = self.of_input.gradient(
            from_input, *at_input, _unsummed, of_input
        )
        of_inner, of_norm, other = self.of_state.gradient(
            from_state, *at_state, _unsummed, of_state
        )
        slopes = [slope + p for slope, p in zip(slopes, passing, strict=True)]
        through = self._times(of_inner, transposed) + factor * (2.0 * of_norm)
        slopes[0] = slopes[0] + through
        found = [array for array in (*own, *other) if array is not None]
        totals = [total + array for total, array in zip(totals, found, strict=True)]
        if self.narrow:
            of_product = ops.cast(of_product, self.product.dtype)
        return [*slopes, *totals], [of_product, of_square, of_inner]

    def _wide(self, product):
        return ops.cast(product, self.dtype) if self.narrow else product

    def _times(self, x, kernel):
        """x·kernel, computed in the dtype of the kernel, returned in that of x."""
        # The operator: `ops.matmul` reduces float64 to float32 on torch.
        if self.narrow:
            return ops.cast(ops.cast(x, kernel.dtype) @ kernel, self.dtype)
        return x @ kernel


def _packed(tensors, shape):
    parts, start = [], 0
    for length in shape:
        parts.append(list(tensors[start : start + length]))
        start += length
    return parts


def _unsummed(array, scale):
    return array


def _kernel_gradient(states, of_inner, kernel):
    # Not `ops.einsum`, which copies its arguments on torch. The operator: see `_times`.
    states, of_inner = (ops.reshape(x, (-1, x.shape[-1])) for x in (states, of_inner))
    return ops.cast(ops.transpose(states) @ of_inner, kernel.dtype)


def _square(x):
    return ops.sum(x * x, axis=-1, keepdims=True)


def _once(gradients):
    """`gradients`, which cannot be differentiated: they are computed from kept values."""

    def fail(upstream, _, tensor):
        raise NotImplementedError(
            "The gradient of a recurrent Yat layer cannot be differentiated again. Call "
            "keras_yat.config.set_backward_pass('derived') first for a form that can."
        )

    return tuple(with_custom_gradient(lambda tensor: (tensor, None), fail)(g) for g in gradients)
