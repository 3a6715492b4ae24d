"""Yat attention, its gradient, and how both go through the queries block by block.

Nothing that has an entry for each query and key is kept for the backward pass: it
computes the scores again, of one block of queries at a time, each against all keys.
So memory grows linearly with the length, and no normaliser has to be carried along.

Tensors have five axes here: batch, key heads, query heads to each of them (1 in keys
and values), positions, entries. Scores are computed in float32 or wider, from products
in that precision: the distance cancels where a query is near to a key, where scores are
largest. The weighted sum of the values is computed in the dtype of the values.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_yat._formula import Response, sum_of_squares, summed
from keras_yat._gradient import Rows, own_gradient, sum_to
from keras_yat._keras_compat import OneSeed
from keras_yat._loop import loop
from keras_yat.ops._masks import Masks

SPANS = 4
"""In how many parts queries in blocks are divided, where a part needs not all keys."""


@dataclass(frozen=True)
class Attention:
    """Attention as a function of tensors; all else is fixed.

    Attributes:
        normalize: From scores and what is allowed to weights and their gradient.
        unit: What the floor of the distance is made of.
        masks: Which query may attend to which key.
        block: How many queries are taken at a time; None for all.
        rate: At which weights are dropped.
        seed: The state of a random generator, where there is a rate.
    """

    normalize: Callable[[Any, Any], Any]
    unit: float
    masks: Masks
    block: int | None = None
    rate: float = 0.0
    seed: Any = None

    def __call__(self, query: Any, key: Any, value: Any, alpha: Any, epsilon: Any) -> Any:
        """The weighted sums of the values for each query."""
        spans = self._spans(query.shape[3], key.shape[3])
        if len(spans) == 1:
            return self.sums(query, key, value, alpha, epsilon)
        parts = []
        for rows, keys in spans:
            masks, seed = self.masks.cut(rows, keys), self.seed
            if self.rate:
                seed = _moved(seed, rows.start)
            cut = query[:, :, :, rows], key[:, :, :, keys], value[:, :, :, keys]
            parts.append(replace(self, masks=masks, seed=seed).sums(*cut, alpha, epsilon))
        return ops.concatenate(parts, axis=3)

    def _spans(self, queries, keys):
        """Queries in a few spans, each with the keys that any of them may attend to."""
        known = all(isinstance(n, int) for n in (queries, keys, self.masks.offset))
        if self.block is None or not known or not self.masks.limit:
            return [(slice(queries), slice(keys))]
        step = self.block * -(-queries // (SPANS * self.block))
        found = []
        for start in range(0, queries, step):
            rows = slice(start, min(start + step, queries))
            found.append((rows, self.masks.reach(rows, keys)))
        return found

    def sums(self, query, key, value, alpha, epsilon):
        response = _response(self.unit, key, alpha, epsilon)
        constants = self._constants(query)
        tensors = [query, sum_of_squares(query, -1), key, value, *response.tensors]
        forward = functools.partial(self._forward, response)
        back = functools.partial(self._back, response)
        join = self._join(tensors)

        def all_back(upstream, _, *line):
            ahead, behind = line[: len(constants)], line[len(constants) :]
            return join(back, *ahead, upstream, *behind)

        own = own_gradient(lambda *line: (join(forward, *line), None), all_back, constants)
        return own(*tensors)

    def weights(self, query: Any, key: Any, alpha: Any, epsilon: Any) -> Any:
        """The weights of all keys for all queries, before any are dropped."""
        response = _response(self.unit, key, alpha, epsilon)

        def block(*line):
            (query, square, key, *scales), seed, places = self._apart(line)
            return _Block(self, response.with_tensors(scales), key, seed, query, square, places)

        return own_gradient(
            lambda *line: (block(*line).weights, None),
            lambda upstream, _, *line: block(*line).back(upstream),
            self._constants(query),
        )(query, sum_of_squares(query, -1), key, *response.tensors)

    def kept(self, weights: Any, seed: Any, number: Any) -> Any:
        """What the weights of block `number` are multiplied with: 0 where they are dropped."""
        seed = OneSeed(_moved(seed, number))
        return keras.random.dropout(ops.ones_like(weights), self.rate, seed=seed)

    def _constants(self, query):
        return [*([self.seed] if self.rate else []), *self.masks.places(ops.shape(query)[3])]

    def _apart(self, line):
        """The tensors, the seed if there is one, and the places, of which `line` is made."""
        start = 1 if self.rate else 0
        end = start + 1 + len(self.masks.tensors)
        return line[end:], line[:start], line[start:end]

    def _forward(self, response, *line):
        (query, square, key, value, *scales), seed, places = self._apart(line)
        response = response.with_tensors(scales)

        def step(_, query, square, *places):
            block = _Block(self, response, key, seed, query, square, places)
            return [], [ops.cast(block.dropped, value.dtype) @ value]

        _, (output,) = _in_blocks(self.block, step, [], [query, square, *places])
        return output

    def _back(self, response, *line):
        (upstream, query, square, key, value, *scales), seed, places = self._apart(line)
        response = response.with_tensors(scales)
        across = ops.swapaxes(value, -1, -2)

        def step(totals, upstream, query, square, *places):
            block = _Block(self, response, key, seed, query, square, places)
            columns = ops.swapaxes(ops.cast(block.dropped, value.dtype), -1, -2)
            of_query, of_square, *sums = block.back_dropped(upstream @ across)
            sums = [sum_to(columns @ upstream, value), *sums]
            found = [t + ops.cast(s, t.dtype) for t, s in zip(totals, sums, strict=True)]
            return found, [of_query, of_square]

        likes = [value, key, *response.tensors]
        totals = [ops.zeros(ops.shape(like), dtype=key.dtype) for like in likes]
        sequences = [upstream, query, square, *places]
        totals, (of_query, of_square) = _in_blocks(self.block, step, totals, sequences)
        of_value, of_key, *of_scales = totals
        return of_query, of_square, of_key, ops.cast(of_value, value.dtype), *of_scales

    def _join(self, tensors):
        """Calls a function on as many heads at a time as there is room for in the cache."""
        query, _, key, *_ = tensors
        sizes = [size or 1 for size in (*query.shape[1:3], self.block or query.shape[3])]
        # Counted in scores.
        size = (key.shape[3] or 1) * math.prod(sizes)
        tensors = [] if self.rate else tensors
        batch, heads = Rows(tensors, size), Rows(tensors, size // sizes[0], axis=1)
        return lambda call, *line: batch.join(functools.partial(heads.join, call), *line)


class _Block:
    """The scores and weights of some queries against all keys."""

    def __init__(self, attention, response, key, seed, query, square, places):
        self._attention, self._seed, self._places = attention, seed, places
        self._response, self._formula = response, response.formula()
        self._key, self._query, self._square = key, query, square
        # The operator: `ops.matmul` lowers float64 to float32 on torch.
        self._product = query @ ops.swapaxes(key, -1, -2)
        allowed = attention.masks.allowed(places, ops.shape(key)[3])
        scores = self._formula.value(self._product, square)
        self.weights, self._of_scores = attention.normalize(scores, allowed)

    @functools.cached_property
    def _kept(self):
        number = self._places[0][0, 0, 0, 0, 0]
        return self._attention.kept(self.weights, self._seed[0], number)

    @property
    def dropped(self):
        return self.weights * self._kept if self._attention.rate else self.weights

    def back_dropped(self, upstream):
        """As `back`, from the gradient of the weights that are left."""
        upstream = ops.cast(upstream, self.weights.dtype)
        return self.back(upstream * self._kept if self._attention.rate else upstream)

    def back(self, upstream):
        """The gradients of the queries, their squares, the keys, and the response's tensors."""
        of_product, of_square, sums = self._formula.gradient(
            self._of_scores(upstream), self._product, self._square, summed
        )
        of_key = sum_to(ops.swapaxes(of_product, -1, -2) @ self._query, self._key)
        of_scales = self._response.gradients([s for s in sums if s is not None])
        return of_product @ self._key, of_square, of_key, *of_scales


def _moved(seed, number):
    """Another state for each number, far from those that a generator counts through."""
    number = ops.cast(number, seed.dtype) * ops.cast(1_013_904_223, seed.dtype)
    return seed + ops.stack([number, ops.zeros_like(number)])


def _response(unit, key, alpha, epsilon):
    square = ops.swapaxes(sum_of_squares(key, -1), -1, -2)
    return Response(square, 0.0, alpha, epsilon, unit, None)


def _in_blocks(block, step, totals, sequences):
    """Takes `step` through `sequences`, `block` entries of their fourth axis at a time.

    `step(totals, *entries)` gives the next totals and any number of outputs. Returns the
    last totals and each output put together. A sequence with one entry is for every block.
    """
    count = ops.shape(sequences[0])[3]
    if block is None or (isinstance(count, int) and count <= block):
        return step(totals, *sequences)
    number = -(-count // block)
    places = ops.arange(number * block)
    moving = [s.shape[3] != 1 for s in sequences]

    def apart(x):
        """The blocks of `x` along a new first axis, the last one filled up with zeros."""
        if not (isinstance(count, int) and count % block == 0):
            inside = ops.reshape(places < count, (-1, 1))
            x = ops.take(x, ops.minimum(places, count - 1), axis=3)
            x = ops.where(inside, x, ops.zeros_like(x))
        shape = ops.shape(x)
        return ops.moveaxis(ops.reshape(x, (*shape[:3], number, block, shape[4])), 3, 0)

    def together(y):
        y = ops.moveaxis(y, 0, 3)
        shape = ops.shape(y)
        return ops.reshape(y, (*shape[:3], number * block, shape[5]))[:, :, :, :count]

    def entry_of(totals, entries):
        entries = iter(entries)
        return step(
            totals, *(next(entries) if m else s for m, s in zip(moving, sequences, strict=True))
        )

    parts = [apart(s) for s, m in zip(sequences, moving, strict=True) if m]
    totals, outputs = loop(entry_of, totals, parts, derived=False)
    return totals, [together(output) for output in outputs]
