"""How attention turns the scores of a query into the weights of the keys."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_yat.activations._squash import softermax_with_gradient

_FAR = -2e38
"""Added to the score of a key that is masked: far below any, and finite with any."""

Weights = tuple[Any, Callable[[Any], Any]]
"""Weights, and the function from their upstream gradient to that of the scores."""


class Softmax:
    """e^s over its sum along the last axis, over the keys that are `allowed`."""

    def __call__(self, scores: Any, allowed: Any) -> Weights:
        if allowed is not None:
            scores = scores + ops.cast(ops.where(allowed, 0.0, _FAR), scores.dtype)
        # Keras warns of a softmax over one entry, which a cache of one position is.
        single = scores.shape[-1] == 1
        weights = ops.ones_like(scores) if single else ops.softmax(scores, axis=-1)
        if allowed is not None:
            # Where nothing is allowed all keys were equally far.
            some = ops.any(allowed, axis=-1, keepdims=True)
            weights = weights * ops.cast(some, weights.dtype)

        def gradient(upstream):
            weighted = upstream * weights
            return weighted - weights * ops.sum(weighted, axis=-1, keepdims=True)

        return weights, gradient


@dataclass(frozen=True)
class Softermax:
    """s^power over its sum, as `keras_yat.activations.softermax`; what is masked counts 0."""

    power: float

    def __call__(self, scores: Any, allowed: Any) -> Weights:
        if allowed is not None:
            scores = scores * ops.cast(allowed, scores.dtype)
        return softermax_with_gradient(scores, self.power, -1, 1e-12)
