"""Score normalization: from the scores of a query to the weights of the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
        if allowed is not None:
            scores = scores + ops.cast(ops.where(allowed, 0.0, _FAR), scores.dtype)
        # Keras warns of a softmax over a single entry, as with a cache of length 1.
        single = is_one(scores.shape[-1])
        weights = ops.ones_like(scores) if single else ops.softmax(scores, axis=-1)
        if allowed is not None:
            # Where nothing is allowed, all keys got the same score.
            some = ops.any(allowed, axis=-1, keepdims=True)
            weights = weights * ops.cast(some, weights.dtype)

        def gradient(upstream):
            weighted = upstream * weights
            return weighted - weights * ops.sum(weighted, axis=-1, keepdims=True)

        return weights, gradient


@dataclass(frozen=True)
class Softermax:
    """`keras_yat.activations.softermax` along the last axis; masked keys get the weight 0."""

    power: float

    def __call__(self, scores: Tensor, allowed: Tensor | None) -> Weights:
        if allowed is not None:
            scores = scores * ops.cast(allowed, scores.dtype)
        return softermax_with_gradient(scores, self.power, -1, SMALLEST_SUM)
