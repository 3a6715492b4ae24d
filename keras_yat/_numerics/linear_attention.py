"""Attention with the scores ⟨x, a⟩², in time that grows linearly with the length.

⟨x, a⟩² = ⟨φ(x), w·φ(a)⟩, where φ(x) are the products of any two entries of x, and w is 1 for the
squares and 2 for the others: n·(n+1)/2 features of n entries, exact and never negative in sum. The
sum over positions j of ⟨x, a_j⟩²·b_j is then φ(x) times a state, Σ w·φ(a_j)·b_jᵀ, of constant size.

Features exist for one block of positions at a time. Causal sums carry the state from block to
block, and compute the scores within a block. The backward pass goes over the blocks again, for
the gradient in `a` and `b` from the last to the first: it keeps no features and no states.

Tensors have the five axes of `attention`.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_yat._backend import constant, constant_while_compiling
from keras_yat._numerics.formula import summed
from keras_yat._numerics.gradients import with_custom_gradient
from keras_yat._numerics.scan import in_blocks
from keras_yat._numerics.sums import sum_to
from keras_yat._sizes import positions


class SquaredProduct:
    """The scores as a formula of `attention`: the square of the inner product plus `floor`."""

    def __init__(self, floor: Any) -> None:
        self._floor = floor

    @property
    def tensors(self) -> list[Any]:
        return [] if isinstance(self._floor, float) else [self._floor]

    def with_tensors(self, tensors: Any) -> "SquaredProduct":
        return SquaredProduct(*tensors) if self.tensors else self

    def value(self, product: Any, x_square: Any) -> Any:
        return product * product + self._floor

    def gradient(
        self, upstream: Any, product: Any, x_square: Any, collect: Any
    ) -> tuple[Any, Any, list[Any]]:
        sums = [collect(upstream, floor) for floor in self.tensors]
        return 2.0 * upstream * product, ops.zeros_like(x_square), sums

    def scaled(self, arrays: Any) -> list[Any]:
        return [summed(array, floor) for array, floor in zip(arrays, self.tensors, strict=True)]


@dataclass(frozen=True)
class LinearAttention:
    """Sums of `b` with the weights ⟨x, a⟩².

    Attributes:
        causal: Whether a position takes part in the sums of itself and later ones alone.
        block: Number of positions in a block; None: all.
    """

    causal: bool
    block: int | None

    def sums(self, x: Any, a: Any, b: Any) -> Any:
        """Σ_j ⟨x_i, a_j⟩²·b_j for each i."""

        def forward(x, a, b):
            _, (value,) = self._pass(_value, [x], [a, b])
            return value, None

        def backward(upstream, _, x, a, b):
            _, (of_x,) = self._pass(_slope, [x, upstream], [a, b])
            _, (of_a, of_b) = self._pass(_both, [a, b], [x, upstream], reverse=True)
            return of_x, of_a, of_b

        return with_custom_gradient(forward, backward)(x, a, b)

    def next_sums(self, state: Any, x: Any, a: Any, b: Any) -> tuple[Any, Any]:
        """The state after `a` and `b`, and causal sums that include those of `state`."""
        (state,), (value,) = self._pass(_value, [x], [a, b], state=state)
        return state, value

    def _pass(self, read, readers, writers, reverse=False, state=None):
        """The last state, and what `read` returns for each position, summed over positions."""
        a, b = writers
        if state is None:
            state = empty_state(ops.shape(a)[0], a.shape[1], a.shape[-1], b.shape[-1], a.dtype)

        def step(states: Any, x: Any, *line: Any) -> Any:
            *slopes, a, b = line
            found = read(x, slopes, _State(states[0]))
            within = read(x, slopes, _Within(a, b, reverse))
            found = [f + sum_to(w, f) for f, w in zip(found, within, strict=True)]
            return [states[0] + _written(a, b)], found

        if self.causal:
            return in_blocks(self.block, step, [state], [*readers, a, b], reverse=reverse)

        def write(states: Any, a: Any, b: Any) -> Any:
            # A loop of TensorFlow has an output.
            return [states[0] + _written(a, b)], [b[..., :1]]

        (state,), _ = in_blocks(self.block, write, [state], [a, b])
        total = _State(state)

        def read_total(_: Any, x: Any, *slopes: Any) -> Any:
            return [], read(x, slopes, total)

        return in_blocks(self.block, read_total, [], readers)


def running_sum(b: Any, causal: bool, state: Any = None) -> Any:
    """Σ_j b_j, for causal sums up to each position; with those of `state`, where a_j[0] = 1."""
    if not causal:
        return ops.sum(b, axis=3, keepdims=True)
    total = ops.cumsum(b, axis=3)
    # The first feature is the square of the first entry.
    return total if state is None else total + state[:, :, None, :1]


def empty_state(batch: Any, heads: int, entries: int, columns: int, dtype: Any) -> Any:
    """The state before the first position: zeros."""
    return ops.zeros((batch, heads, entries * (entries + 1) // 2, columns), dtype=dtype)


class _State:
    """The sums over all positions of a state, for any x."""

    def __init__(self, state):
        size = _entries(state.shape[2])
        factors = [[2.0 if shift else 1.0] for shift, n in _pairs(size) for _ in range(n)]
        self._state = state * constant(factors, state)

    def value(self, x):
        return _split(_features(_merged(x)) @ self._state, x)

    def slope(self, x, upstream):
        """The gradient of Σ upstream·value in `x`."""
        of_features = _merged(upstream) @ ops.swapaxes(self._state, -1, -2)
        return _split(_features_slope(_merged(x), of_features), x)


class _Within:
    """The sums over the positions of a block up to each one, or from each one on."""

    def __init__(self, a, b, reverse):
        self._a, self._b, self._reverse = a, b, reverse

    def _there(self, x):
        # The operator: `ops.matmul` reduces float64 to float32 on torch.
        scores = x @ ops.swapaxes(self._a, -1, -2)
        places = positions(ops.shape(x)[3])
        rows = ops.expand_dims(places, -1)
        there = places >= rows if self._reverse else places <= rows
        return ops.where(there, scores, ops.zeros_like(scores))

    def value(self, x):
        scores = self._there(x)
        return (scores * scores) @ self._b

    def slope(self, x, upstream):
        of_scores = upstream @ ops.swapaxes(self._b, -1, -2)
        return (2.0 * self._there(x) * of_scores) @ self._a


def _value(x, _, source):
    return [source.value(x)]


def _slope(x, slopes, source):
    return [source.slope(x, *slopes)]


def _both(x, slopes, source):
    return [*_slope(x, slopes, source), *_value(x, slopes, source)]


def _written(a, b):
    """What a block adds to the state."""
    return ops.swapaxes(_features(_merged(a)), -1, -2) @ _merged(b)


def _merged(x):
    """Query heads and positions as one axis."""
    shape = ops.shape(x)
    # No -1, for an empty batch.
    return ops.reshape(x, (*shape[:2], shape[2] * shape[3], shape[4]))


def _split(y, x):
    """The inverse of `_merged`, with the axes of `x`."""
    return ops.reshape(y, (*ops.shape(x)[:4], y.shape[-1]))


def _pairs(size: int) -> Iterator[tuple[int, int]]:
    """Pairs of entries i and (i + shift) % size for i < count: `(shift, count)`."""
    for shift in range((size + 1) // 2):
        yield shift, size
    if size % 2 == 0:
        yield size // 2, size // 2


def _entries(features: int) -> int:
    """The number n of entries with n·(n + 1)/2 features."""
    return (math.isqrt(8 * features + 1) - 1) // 2


def _features(x):
    """The products of any two entries."""
    size = x.shape[-1]
    twice = ops.concatenate([x, x[..., : size // 2]], axis=-1)
    parts = [x[..., :n] * twice[..., shift : shift + n] for shift, n in _pairs(size)]
    return ops.concatenate(parts, axis=-1)


def _features_slope(x, upstream):
    """The gradient of Σ upstream·features in `x`."""
    size, start, total = x.shape[-1], 0, ops.zeros_like(x)
    twice = ops.concatenate([x, x[..., : size // 2]], axis=-1)
    for shift, n in _pairs(size):
        part = upstream[..., start : start + n]
        one, other = part * twice[..., shift : shift + n], part * x[..., :n]
        if n < size:
            total = total + ops.concatenate([one, other], axis=-1)
        elif shift:
            total = total + one + ops.roll(other, shift, axis=-1)
        else:
            total = total + one + other
        start += n
    return total


_NODES = 400


@constant_while_compiling
def _nodes(size: int) -> tuple[list[float], list[float], list[float]]:
    """For means over the inner product s of unit vectors: s, 2 - 2s, and weights."""
    return _computed_nodes(size)


@functools.cache
def _computed_nodes(size):
    if size == 1:
        return [-1.0, 1.0], [4.0, 0.0], [0.5, 0.5]
    # Angles π·u⁴, dense near 0, where the product has a narrow peak for a small epsilon.
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    u = 0.5 * (places + 1.0)
    angles = np.pi * u**4
    weights = weights * u**3 * np.sin(angles) ** (size - 2)
    gaps = 4.0 * np.sin(0.5 * angles) ** 2
    return np.cos(angles).tolist(), gaps.tolist(), (weights / weights.sum()).tolist()


def affine_root(bias: Any, epsilon: Any, size: int) -> tuple[Any, Any]:
    """c₀ and c₁ for which c₀ + c₁·s is nearest to (s + bias) / √(2 + epsilon - 2s).

    Least squares over the inner product s of vectors that are uniform on the sphere: its mean is 0,
    and that of its square 1 / size. Both are numbers, or tensors of the shape of `bias` and
    `epsilon`.
    """
    if isinstance(bias, float) and isinstance(epsilon, float):
        return _root_of_numbers(bias, epsilon, size)
    like = epsilon if isinstance(bias, float) else bias
    cosines, gaps, weights = (constant(numbers, like) for numbers in _nodes(size))
    bias, epsilon = (x if isinstance(x, float) else ops.expand_dims(x, -1) for x in (bias, epsilon))
    roots = weights * (cosines + bias) * ops.rsqrt(epsilon + gaps)
    return ops.sum(roots, axis=-1), ops.sum(size * cosines * roots, axis=-1)


@constant_while_compiling
def _root_of_numbers(bias, epsilon, size):
    cosines, gaps, weights = map(np.array, _nodes(size))
    roots = weights * (cosines + bias) / np.sqrt(epsilon + gaps)
    return float(np.sum(roots)), float(size * np.sum(cosines * roots))
