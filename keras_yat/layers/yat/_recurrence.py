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
        of_input = self.of_input.with_tensors(of_input)
        of_state = self.of_state.with_tensors(of_state)
        dtype = wide(product)
        functions = [curve.value for curve in self.curves]

        def step(states, entry):
            own_product, own_square, *present = entry
            inner = _product(states[0], kernel)
            after, kept = self.cell.advance(
                functions,
                of_input.value(ops.cast(own_product, dtype), own_square),
                of_state.value(inner, _square(states[0])),
                states,
            )
            after = [_where(present, new, old) for new, old in zip(after, states, strict=True)]
            return after, [*after, inner, *kept]

        start = [ops.cast(s, dtype) for s in states]
        sequences = [product, x_square, *mask]
        last, every = loop(step, start, sequences, unroll=self.unroll, derived=False)
        outputs = every[: len(start)] if self.every_output else [s[None] for s in last]
        return ops.concatenate(outputs, axis=-1), every

    def _back(self, upstream, every, meeting, states, mask, of_input, of_state):
        product, x_square, kernel = meeting
        own = [self.of_input.with_tensors(of_input), self.of_state.with_tensors(of_state)]
        dtype, count = wide(product), len(states)
        after, inner, kept = every[:count], every[count], every[count + 1 :]
        before = [
            ops.concatenate([ops.cast(s, dtype)[None], a[:-1]])
            for s, a in zip(states, after, strict=True)
        ]
        transposed = ops.transpose(kernel)
        sums = [ops.zeros_like(t) for t in (*of_input, *of_state)]
        upstream = ops.split(upstream, count, axis=-1)

        def step(carry, entry):
            slopes, sums = carry[:count], carry[count:]
            own_product, own_square, inner, *entry = entry
            before, after, entry = entry[:count], entry[count : 2 * count], entry[2 * count :]
            kept, entry = entry[: len(every) - count - 1], entry[len(every) - count - 1 :]
            if self.every_output:
                slopes = [s + u for s, u in zip(slopes, entry[:count], strict=True)]
                entry = entry[count:]
            passing = [0.0] * count
            if mask:
                passed = [s * entry[0] for s in slopes]
                passing = [s - p for s, p in zip(slopes, passed, strict=True)]
                slopes = passed
            d_input, d_state, d_before = self.cell.retreat(self.curves, slopes, kept, before, after)
            d_product, d_square, d_own = own[0].gradient(
                d_input, ops.cast(own_product, dtype), own_square
            )
            d_inner, d_norm, d_own_state = own[1].gradient(d_state, inner, _square(before[0]))
            d_before = [d + p for d, p in zip(d_before, passing, strict=True)]
            d_before[0] = d_before[0] + _product(d_inner, transposed) + 2.0 * before[0] * d_norm
            sums = [s + d for s, d in zip(sums, [*d_own, *d_own_state], strict=True)]
            return [*d_before, *sums], [ops.cast(d_product, product.dtype), d_square, d_inner]

        start = [u[-1] for u in upstream]
        if self.every_output:
            start = [ops.zeros_like(s) for s in start]
        sequences = [product, x_square, inner, *before, *after, *kept]
        sequences += [*(upstream if self.every_output else []), *mask]
        carry, (d_product, d_square, d_inner) = loop(
            step,
            [*start, *sums],
            sequences,
            reverse=True,
            unroll=self.unroll,
            derived=False,
        )
        d_kernel = _kernel_gradient(before[0], d_inner, kernel)
        d_states = [ops.cast(d, s.dtype) for d, s in zip(carry, states, strict=False)]
        return (
            d_product,
            d_square,
            d_kernel,
            *d_states,
            *(ops.zeros_like(m) for m in mask),
            *carry[count:],
        )


def _packed(tensors, shape):
    parts, start = [], 0
    for length in shape:
        parts.append(list(tensors[start : start + length]))
        start += length
    return parts


def _product(x, kernel):
    """x·kernel in the dtype of the kernel, given back as wide as x."""
    if keras.backend.standardize_dtype(kernel.dtype) == "float64":
        return ops.einsum("bi,iu->bu", x, kernel)
    return ops.cast(ops.matmul(ops.cast(x, kernel.dtype), kernel), x.dtype)


def _kernel_gradient(states, d_inner, kernel):
    rows = ops.reshape(states, (-1, states.shape[-1]))
    columns = ops.reshape(d_inner, (-1, d_inner.shape[-1]))
    if keras.backend.standardize_dtype(kernel.dtype) == "float64":
        return ops.einsum("bi,bu->iu", rows, columns)
    return ops.cast(ops.matmul(ops.transpose(rows), columns), kernel.dtype)


def _square(x):
    return ops.sum(ops.square(x), axis=-1, keepdims=True)


def _where(present, new, old):
    return ops.where(present[0] > 0.5, new, old) if present else new


def _once(gradients):
    """`gradients`, which refuse to be differentiated: what they are computed from was kept."""

    def refuse(upstream, _, tensor):
        raise NotImplementedError(
            "The gradient of a recurrent Yat layer cannot be differentiated again. Call "
            "keras_yat.config.disable_custom_gradient() before for a form in which it can."
        )

    return tuple(own_gradient(lambda tensor: (tensor, None), refuse)(g) for g in gradients)
