"""A cell over time with a gradient that is written out.

The backward pass of a loop, as a backend derives it, multiplies the recurrent kernel's
gradient together step by step and keeps every intermediate of the formulas. Here it
keeps the states and the inner products, and the kernel's gradient is one product over
all steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_yat._formula import Response, wide
from keras_yat._gradient import own_gradient
from keras_yat.activations._curve import Curve
from keras_yat.layers.yat._loop import loop


@dataclass(frozen=True)
class Recurrence:
    """A function from the inner products of all inputs to the states after each of them.

    Attributes:
        cell: Has `advance` and `retreat`.
        of_input: The formula for the inputs.
        of_state: That for the state.
        curves: The cell's activations.
        every_output: Whether all states are given, not only the last.
        unroll: Whether the loops are unrolled.
    """

    cell: Any
    of_input: Response
    of_state: Response
    curves: Sequence[Curve]
    every_output: bool
    unroll: bool

    def __call__(self, product, x_square, kernel, states, mask):
        """The states side by side, `(time, batch, …)`, or `(1, batch, …)` for the last."""
        own = [self.of_input.tensors, self.of_state.tensors]
        parts = [[product, x_square, kernel], list(states), [] if mask is None else [mask], *own]
        shape = [len(part) for part in parts]
        flat = [tensor for part in parts for tensor in part]

        def forward(*tensors):
            return self._forward(*_packed(tensors, shape))

        def back(upstream, kept, *tensors):
            return _once(self._back(upstream, kept, *_packed(tensors, shape)))

        return own_gradient(forward, back)(*flat)

    def _forward(self, meeting, states, mask, of_input, of_state):
        product, x_square, kernel = meeting
        of_input = self.of_input.with_tensors(of_input).formula()
        of_state = self.of_state.with_tensors(of_state).formula()
        functions = [curve.value for curve in self.curves]
        dtype = wide(product)
        narrow = _narrow(product)

        def step(states, entry):
            own_product, own_square, *present = entry
            if narrow:
                own_product = ops.cast(own_product, dtype)
            inner = _product(states[0], kernel, narrow)
            after, kept = self.cell.advance(
                functions,
                of_input.value(own_product, own_square),
                of_state.value(inner, _square(states[0])),
                states,
            )
            if present:
                pairs = zip(after, states, strict=True)
                after = [ops.where(present[0] > 0.5, new, old) for new, old in pairs]
            return after, [*after, inner, *kept]

        start = [ops.cast(s, dtype) for s in states]
        sequences = [product, x_square, *mask]
        last, every = loop(step, start, sequences, unroll=self.unroll, derived=False)
        outputs = every[: len(start)] if self.every_output else [s[None] for s in last]
        return ops.concatenate(outputs, axis=-1), every

    def _back(self, upstream, every, meeting, states, mask, of_input, of_state):
        product, x_square, kernel = meeting
        responses = (self.of_input.with_tensors(of_input), self.of_state.with_tensors(of_state))
        of_input, of_state = (response.formula() for response in responses)
        numbers = [len(response.tensors) for response in responses]
        dtype, count = wide(product), len(states)
        narrow = _narrow(product)
        after, inner, kept = every[:count], every[count], every[count + 1 :]
        before = [
            ops.concatenate([ops.cast(s, dtype)[None], a[:-1]])
            for s, a in zip(states, after, strict=True)
        ]
        transposed = ops.transpose(kernel)
        upstream = ops.split(upstream, count, axis=-1)

        def step(carry, entry):
            slopes, totals = carry[:count], carry[count:]
            (own_product, own_square, inner), before, after, kept, above, present = _packed(
                entry, lengths
            )
            slopes = [s + u for s, u in zip(slopes, above, strict=False)] if above else slopes
            passing = [0.0] * count
            if present:
                passed = [s * present[0] for s in slopes]
                passing = [s - p for s, p in zip(slopes, passed, strict=True)]
                slopes = passed
            if narrow:
                own_product = ops.cast(own_product, dtype)
            of_sums, of_inner_sum, of_before = self.cell.retreat(
                self.curves, slopes, kept, before, after
            )
            of_product, of_square, own = of_input.gradient(
                of_sums, own_product, own_square, _as_it_is
            )
            of_inner, of_norm, other = of_state.gradient(
                of_inner_sum, inner, _square(before[0]), _as_it_is
            )
            of_before = [b + p for b, p in zip(of_before, passing, strict=True)]
            of_before[0] = (
                of_before[0] + _product(of_inner, transposed, narrow) + before[0] * (2.0 * of_norm)
            )
            if narrow:
                of_product = ops.cast(of_product, product.dtype)
            found = [array for array in (*own, *other) if array is not None]
            totals = [total + array for total, array in zip(totals, found, strict=True)]
            return [*of_before, *totals], [of_product, of_square, of_inner]

        start = [u[-1] for u in upstream]
        if self.every_output:
            start = [ops.zeros_like(s) for s in start]
        start += [ops.zeros_like(inner[0])] * sum(numbers)
        parts = [
            [product, x_square, inner],
            before,
            after,
            kept,
            upstream if self.every_output else [],
            mask,
        ]
        lengths = [len(part) for part in parts]
        carry, (of_product, of_square, of_inner) = loop(
            step,
            start,
            [t for part in parts for t in part],
            reverse=True,
            unroll=self.unroll,
            derived=False,
        )
        # Summed over the steps in the loop, over the batch only now.
        _, totals, other = _packed(carry, [count, *numbers])
        return (
            of_product,
            of_square,
            _kernel_gradient(before[0], of_inner, kernel),
            *(ops.cast(g, s.dtype) for g, s in zip(carry, states, strict=False)),
            *(ops.zeros_like(m) for m in mask),
            *responses[0].gradients(totals),
            *responses[1].gradients(other),
        )


def _packed(tensors, shape):
    parts, start = [], 0
    for length in shape:
        parts.append(list(tensors[start : start + length]))
        start += length
    return parts


def _as_it_is(array, scale):
    return array


def _narrow(product):
    """Whether products are in half precision, and all else wider."""
    return wide(product) != keras.backend.standardize_dtype(product.dtype)


def _product(x, kernel, narrow):
    """x·kernel in the dtype of the kernel, given back as wide as x."""
    # The operator: `ops.matmul` lowers float64 to float32 on torch.
    return ops.cast(ops.cast(x, kernel.dtype) @ kernel, x.dtype) if narrow else x @ kernel


def _kernel_gradient(states, of_inner, kernel):
    rows = ops.reshape(states, (-1, states.shape[-1]))
    columns = ops.reshape(of_inner, (-1, of_inner.shape[-1]))
    return ops.cast(ops.transpose(rows) @ columns, kernel.dtype)


def _square(x):
    return ops.sum(x * x, axis=-1, keepdims=True)


def _once(gradients):
    """`gradients`, which refuse to be differentiated: what they are computed from was kept."""

    def refuse(upstream, _, tensor):
        raise NotImplementedError(
            "The gradient of a recurrent Yat layer cannot be differentiated again. Call "
            "keras_yat.config.disable_custom_gradient() before for a form in which it can."
        )

    return tuple(own_gradient(lambda tensor: (tensor, None), refuse)(g) for g in gradients)
