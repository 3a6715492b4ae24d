"""Score normalization: from the scores of a query to the weights of the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import ops

from keras_yat._sizes import is_one
from keras_yat._types import Tensor
from keras_yat.activations._softermax import softermax_with_gradient

_FAR = -2e38
"""Added to the score of a masked key: far below any score, and finite in every sum."""

SMALLEST_SUM = 1e-12
"""Added to the sum of the scores of a softermax."""

Weights = tuple[Tensor, Callable[[Tensor], Tensor]]
"""Weights, and the function that maps their upstream gradient to that of the scores."""


class Softmax:
    """Softmax along the last axis, over the `allowed` keys."""

    def __call__(self, scores: Tensor, allowed: Tensor | None) -> Weights:
        if keras.backend.backend() == "jax":
            terms, factor = self.unnormalized(scores, allowed)
            return self._with_gradient(terms * factor)
        scores = self._masked(scores, allowed)
        # Keras warns of a softmax over a single entry, as with a cache of length 1.
        single = is_one(scores.shape[-1])
        weights = ops.ones_like(scores) if single else ops.softmax(scores, axis=-1)
        if allowed is not None:
            # Where nothing is allowed, all keys got the same score.
            some = ops.any(allowed, axis=-1, keepdims=True)
            weights = weights * ops.cast(some, weights.dtype)
        return self._with_gradient(weights)

    def _with_gradient(self, weights):
        def gradient(upstream):
            weighted = upstream * weights
            return weighted - weights * ops.sum(weighted, axis=-1, keepdims=True)

        return weights, gradient

    def unnormalized(self, scores: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Terms for each key, and the factor of each query that makes weights of them.

        The sum of the terms of a query is at most 1, so that no weighted sum overflows.
        """
        scores = self._masked(scores, allowed)
        count = ops.cast(ops.shape(scores)[-1], scores.dtype)
        most = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)) + ops.log(count)
        terms = ops.exp(scores - most)
        total = ops.sum(terms, axis=-1, keepdims=True)
        if allowed is None:
            return terms, 1.0 / total
        return terms, ops.cast(ops.any(allowed, axis=-1, keepdims=True), total.dtype) / total

    def _masked(self, scores, allowed):
        if allowed is None:
            return scores
        return scores + ops.cast(ops.where(allowed, 0.0, _FAR), scores.dtype)


@dataclass(frozen=True)
class Softermax:
    """`keras_yat.activations.softermax` along the last axis; masked keys get the weight 0."""

    power: float

    def __call__(self, scores: Tensor, allowed: Tensor | None) -> Weights:
        if allowed is not None:
            scores = scores * ops.cast(allowed, scores.dtype)
        return softermax_with_gradient(scores, self.power, -1, SMALLEST_SUM)
