"""Yat attention and its gradient, in blocks of queries.

The backward pass keeps no tensor with an entry for each query and key. It computes the scores
again, a block of queries at a time, each against all keys. Memory therefore grows linearly with
the length, and no normalizer has to be carried along.

Tensors have five axes: batch, key heads, query heads of each key head (1 in keys and values),
positions, entries. Scores and the products behind them are computed in float32 or wider: the
distance cancels where a query is close to a key, and there scores are largest. The weighted sum
of the values is computed in the dtype of the values.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from keras_yat._keras_compat import FixedSeed
from keras_yat._numerics import sparse_attention
from keras_yat._numerics.attention_masks import AttentionMasks
from keras_yat._numerics.formula import sum_of_squares, summed
from keras_yat._numerics.gradients import with_custom_gradient
from keras_yat._numerics.row_blocks import RowBlocks
from keras_yat._numerics.scan import in_blocks, scan
from keras_yat._numerics.sums import sum_to
from keras_yat._sizes import is_known, product

SPANS = 4
"""Number of parts of the queries that are attended separately, each with the keys it may reach."""


@dataclass(frozen=True)
class Attention:
    """Attention as a function of tensors, with fixed settings.

    Attributes:
        formula: Maps keys to the formula of the scores: an object with the methods of
            `formula.YatFormula`.
        normalize: Maps scores and allowed positions to weights, and to the function from their
            upstream gradient to that of the scores.
        masks: Which query may attend to which key.
        block: Number of queries in a block; None: all.
        rate: Dropout rate of the weights.
        seed: The state of a random generator, with a rate above 0.
    """

    formula: Callable[[Any], Any]
    normalize: Callable[[Any, Any], Any]
    masks: AttentionMasks
    block: int | None = None
    rate: float = 0.0
    seed: Any = None

    def __call__(self, query: Any, key: Any, value: Any) -> Any:
        """The weighted sums of the values, for each query."""
        queries, keys = query.shape[3], key.shape[3]
        if self.block is None or (is_known(queries) and not queries):
            return self.sums(query, key, value)
        masks = self.masks.within(queries, keys)
        plan = sparse_attention.plan(masks, queries, keys)
        if plan is not None:
            return sparse_attention.attend(plan, masks, query, key, value, self._group)
        spans = self._spans(masks, queries, keys)
        parts = []
        for rows, some in spans:
            part = self if len(spans) == 1 else self._part(masks.cut(rows, some), rows.start)
            parts.append(part.sums(query[:, :, :, rows], key[:, :, :, some], value[:, :, :, some]))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=3)

    def _part(self, masks, number):
        """This attention with other masks, and other random numbers for each part."""
        seed = _moved(self.seed, number) if self.rate else None
        return replace(self, masks=masks, seed=seed)

    def _group(self, masks, number, query, key, value):
        return replace(self._part(masks, number), block=None).sums(query, key, value)

    def _spans(self, masks, queries, keys):
        """A few spans of queries, each with the keys that any of its queries may attend to."""
        known = is_known(queries, keys, masks.offset)
        if self.block is None or not known or not masks.causal or masks.pattern is not None:
            return [(slice(queries), slice(keys))]
        step = self.block * -(-queries // (SPANS * self.block))
        found = []
        for start in range(0, queries, step):
            stop = min(start + step, queries)
            last = min(keys, stop + masks.offset)
            found.append((slice(start, stop), slice(0, max(last, 1))))
        return found

    def sums(self, query: Any, key: Any, value: Any) -> Any:
        """As a call, with all keys for all queries. An axis of steps may stand before the five."""
        formula = self.formula(key)
        constants = self._constants(query)
        tensors = [query, sum_of_squares(query, -1), key, value, *formula.tensors]
        forward = functools.partial(self._forward, formula)
        backward = functools.partial(self._backward, formula)
        evaluate = self._evaluation(tensors)

        def all_backward(upstream, _, *line):
            ahead, behind = line[: len(constants)], line[len(constants) :]
            return evaluate(backward, *ahead, upstream, *behind)

        return with_custom_gradient(
            lambda *line: (evaluate(forward, *line), None), all_backward, constants
        )(*tensors)

    def weights(self, query: Any, key: Any) -> Any:
        """The weights of all keys for all queries, before dropout."""
        formula = self.formula(key)

        def block(*line):
            (query, square, key, *scales), seed, places = self._apart(line)
            return _Block(self, formula.with_tensors(scales), key, seed, query, square, places)

        return with_custom_gradient(
            lambda *line: (block(*line).weights, None),
            lambda upstream, _, *line: block(*line).backward(upstream),
            self._constants(query),
        )(query, sum_of_squares(query, -1), key, *formula.tensors)

    def dropout_mask(self, weights: Any, seed: Any, number: Any) -> Any:
        """Factors of the weights of block `number`: 0 where one is dropped."""
        seed = FixedSeed(_moved(seed, number))
        return keras.random.dropout(ops.ones_like(weights), self.rate, seed=seed)

    def _constants(self, query):
        return [*([self.seed] if self.rate else []), *self.masks.constants(ops.shape(query)[3])]

    def _apart(self, line):
        """The parts of `line`: the tensors, the seed if there is one, and the positions."""
        start = 1 if self.rate else 0
        end = start + (1 if self.masks.places is None else 2) + len(self.masks.tensors)
        return line[end:], line[:start], line[start:end]

    def _forward(self, formula, *line):
        (query, square, key, value, *scales), seed, places = self._apart(line)
        formula = formula.with_tensors(scales)

        def step(_, query, square, *places):
            block = _Block(self, formula, key, seed, query, square, places)
            return [], [block.weighted_sum(value)]

        _, (output,) = in_blocks(self.block, step, [], [query, square, *places])
        return output

    def _backward(self, formula, *line):
        (upstream, query, square, key, value, *scales), seed, places = self._apart(line)
        formula = formula.with_tensors(scales)
        across = ops.swapaxes(value, -1, -2)

        def step(totals, upstream, query, square, *places):
            block = _Block(self, formula, key, seed, query, square, places)
            columns = ops.swapaxes(ops.cast(block.dropped, value.dtype), -1, -2)
            of_query, of_square, *sums = block.backward_dropped(upstream @ across)
            sums = [sum_to(columns @ upstream, value), *sums]
            found = [t + ops.cast(s, t.dtype) for t, s in zip(totals, sums, strict=True)]
            return found, [of_query, of_square]

        likes = [value, key, *formula.tensors]
        totals = [ops.zeros(ops.shape(like), dtype=key.dtype) for like in likes]
        sequences = [upstream, query, square, *places]
        totals, (of_query, of_square) = in_blocks(self.block, step, totals, sequences)
        of_value, of_key, *of_scales = totals
        return of_query, of_square, of_key, ops.cast(of_value, value.dtype), *of_scales

    def _evaluation(self, tensors):
        """Evaluates a function of tensors in blocks, as `RowBlocks.evaluate`.

        Blocks are the steps, if there is an axis of them. Otherwise they are blocks of batch
        entries and heads, by the number of their scores.
        """
        query, _, key, *_ = tensors
        if len(query.shape) == 6:
            return functools.partial(_step_by_step, len(tensors))
        sizes = key.shape[3], query.shape[2], self.block or query.shape[3]
        # Random masks are drawn for all heads at once.
        axes = 0 if self.rate or not is_known(*sizes) else 2
        return RowBlocks(tensors, product(sizes) if axes else None, axes).evaluate


class _Block:
    """The scores and weights of some queries against all keys."""

    def __init__(self, attention, formula, key, seed, query, square, places):
        self._formula, self._key, self._query, self._square = formula, key, query, square
        # The operator: `ops.matmul` reduces float64 to float32 on torch.
        self._product = query @ ops.swapaxes(key, -1, -2)
        # Not `functools.cached_property`, which torch cannot trace.
        self._normalize, self._weights_and_gradient = attention.normalize, None
        self._allowed = attention.masks.allowed(places, ops.shape(key)[3])
        self._scores = self._formula.value(self._product, square)
        self._dropout_mask = None
        if attention.rate:
            number = places[0][0, 0, 0, 0, 0]
            self._dropout_mask = attention.dropout_mask(self._scores, seed[0], number)

    def _normalized(self):
        """The weights, and the function from their upstream gradient to that of the scores."""
        if self._weights_and_gradient is None:
            self._weights_and_gradient = self._normalize(self._scores, self._allowed)
        return self._weights_and_gradient

    @property
    def weights(self):
        return self._normalized()[0]

    @property
    def dropped(self):
        return self._with_dropout(self.weights)

    def weighted_sum(self, value):
        """The weighted sum of the values.

        XLA computes scores, weights and sum in one kernel, in half of the time if it divides by the
        sum of the weights behind it. Elsewhere a softmax is an operation.
        """
        late = getattr(self._normalize, "unnormalized", None)
        if keras.backend.backend() != "jax" or late is None or value.dtype != self._scores.dtype:
            return ops.cast(self.dropped, value.dtype) @ value
        terms, factor = late(self._scores, self._allowed)
        return self._with_dropout(terms) @ value * factor

    def _with_dropout(self, weights):
        return weights if self._dropout_mask is None else weights * self._dropout_mask

    def backward_dropped(self, upstream):
        """As `backward`, from the gradient of `dropped`."""
        return self.backward(self._with_dropout(ops.cast(upstream, self.weights.dtype)))

    def backward(self, upstream):
        """The gradients of the queries, their squares, the keys, and the formula's tensors."""
        _, of_scores = self._normalized()
        of_product, of_square, sums = self._formula.gradient(
            of_scores(upstream), self._product, self._square, summed
        )
        of_key = sum_to(ops.swapaxes(of_product, -1, -2) @ self._query, self._key)
        of_scales = self._formula.scaled([s for s in sums if s is not None])
        return of_product @ self._key, of_square, of_key, *of_scales


def _moved(seed, number):
    """A different state for each number, far from the successive states of a generator."""
    number = ops.cast(number, seed.dtype) * ops.cast(1_013_904_223, seed.dtype)
    return seed + ops.stack([number, ops.zeros_like(number)])


def _step_by_step(count, function, *tensors):
    """`function(*tensors)`, a step after the other along the first of six axes.

    Several outputs belong to the last `count` tensors: they are summed for those without steps.
    """
    moving = [len(t.shape) == 6 for t in tensors]
    likes = list(zip(tensors, moving, strict=True))[len(tensors) - count :]
    several = False

    def step(totals, entries):
        nonlocal several
        entries, sums = iter(entries), list(totals)
        found = function(*(next(entries) if m else t for t, m in zip(tensors, moving, strict=True)))
        several = isinstance(found, tuple)
        if not several:
            return sums, [found]
        pairs = list(zip(found, likes, strict=True))
        still = [f for f, (_, m) in pairs if not m]
        sums = [total + f for total, f in zip(sums, still, strict=True)]
        return sums, [f for f, (_, m) in pairs if m]

    totals = [ops.zeros_like(like) for like, m in likes if not m]
    sequences = [t for t, m in zip(tensors, moving, strict=True) if m]
    totals, outputs = scan(step, totals, sequences, differentiable=False)
    if not several:
        return outputs[0]
    sums, stacked = iter(totals), iter(outputs)
    return tuple(next(stacked) if m else next(sums) for _, m in likes)
