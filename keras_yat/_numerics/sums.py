"""Sums of gradients over the axes along which parameters were broadcast."""

import string
from collections.abc import Sequence

import keras
from keras import ops

from keras_yat._numerics.math import is_double
from keras_yat._types import Tensor


def separate_sums(values: Sequence[Tensor], likes: Sequence[Tensor]) -> list[Tensor]:
    """`sum_to` of each."""
    return [sum_to(value, like) for value, like in zip(values, likes, strict=True)]


def joint_sums(values: Sequence[Tensor], likes: Sequence[Tensor]) -> list[Tensor]:
    """`sum_to` of each, by a single sum on JAX.

    XLA makes a loop of each sum on a CPU, and evaluates the common terms of the sums in each.
    """
    shapes = {tuple(like.shape) for like in likes}
    if keras.backend.backend() != "jax" or len(likes) < 2 or len(shapes) > 1:
        return separate_sums(values, likes)
    stacked = ops.stack(values)
    like = ops.stack(likes)
    behind = len(stacked.shape) - len(like.shape)
    like = ops.reshape(like, (len(likes), *[1] * behind, *likes[0].shape))
    sums = ops.reshape(sum_to(stacked, like), (len(likes), *likes[0].shape))
    return ops.unstack(sums, len(likes))


def sum_to(value: Tensor, like: Tensor) -> Tensor:
    """`value` summed over the axes along which `like` was broadcast, in the dtype of `like`."""
    added = len(value.shape) - len(like.shape)
    repeated = [
        i + added for i, n in enumerate(like.shape) if n == 1 and value.shape[i + added] != 1
    ]
    axes = (*range(added), *repeated)
    if added and not repeated and len(like.shape) == 1 and not is_double(value):
        # XLA makes a slow loop of a sum over all axes but the last.
        rows = string.ascii_lowercase[:added]
        ones = ops.ones((1, *ops.shape(value)[:-1]), dtype=value.dtype)
        value = ops.einsum(f"y{rows},{rows}z->yz", ones, value)[0]
    elif axes:
        value = ops.reshape(ops.sum(value, axis=axes), ops.shape(like))
    return ops.cast(value, like.dtype)
