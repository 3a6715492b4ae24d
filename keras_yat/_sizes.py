"""Sizes of axes that may be unknown.

While a model is traced, a size is an int, or it is None, a tensor, or a symbol of the backend. Only
an int may be compared, or decide between two ways of computing.
"""

import functools
import operator
from collections.abc import Iterable
from typing import Any

from keras import ops


def is_known(*sizes: Any) -> bool:
    """Whether all sizes are ints."""
    return all(isinstance(size, int) for size in sizes)


def fits(size: Any, other: Any) -> bool:
    """Whether two sizes may be equal."""
    return not is_known(size, other) or size == other


def all_fit(shape: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether two shapes may be equal, over the length of the shorter one."""
    return all(map(fits, shape, other))


def is_one(size: Any) -> bool:
    """Whether a size is known to be 1."""
    return is_known(size) and size == 1


def product(sizes: Iterable[Any]) -> Any:
    """The product of sizes, of which there is at least one."""
    return functools.reduce(operator.mul, sizes)


def positions(count: Any) -> Any:
    """The ints from 0 to `count`."""
    # With its start, for the export from JAX to ONNX, and with a dtype, as a symbol of torch has
    # none.
    return ops.arange(0, count, dtype="int32")
