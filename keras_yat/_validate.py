"""Checks of arguments: every error names the argument, the allowed values and what was received."""

import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

T = TypeVar("T")

_LEAST, _LARGEST = float(np.finfo("float32").tiny), float(np.finfo("float32").max)

MAX_SEED = 2**32 - 1


def invalid_argument(name: str, allowed: str, received: Any, **context: Any) -> NoReturn:
    """Raises the `ValueError` of every check in the package.

    `allowed` completes "`name` must …"; `context` are arguments that `allowed` refers to.
    """
    shown = ", ".join(f"{k}={v!r}" for k, v in {name: received, **context}.items())
    error: Any = ValueError(f"`{name}` must {allowed}. Received: {shown}")
    error.argument = name  # tells a command that its user can fix it
    raise error


def number(name: str, value: Any, above: float | None = None, least: float | None = None) -> float:
    """`value` as a finite Python float, greater than `above` and at least `least`, if given.

    Numbers that float32 cannot hold would become 0 or infinity.
    """
    allowed = "be a finite number" + ("" if above is None else f" greater than {above:g}")
    allowed += "" if least is None else f" of at least {least:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        invalid_argument(name, allowed, value)
    low = (above is not None and value <= above) or (least is not None and value < least)
    if not math.isfinite(value) or low:
        invalid_argument(name, allowed, value)
    value = float(value)
    if value != 0.0 and not _LEAST <= abs(value) <= _LARGEST:
        invalid_argument(name, f"be in the range of float32, {_LEAST:g} to {_LARGEST:g}", value)
    return value


def one_of(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """`value` if it is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        several = "one of " if len(choices) > 1 else ""
        invalid_argument(name, f"be {several}" + ", ".join(map(repr, choices)), value)
    return value


def axis(name: str, value: Any) -> int | None:
    """`value` as an axis of channels: None, or an int that is not the batch axis."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value == 0:
        invalid_argument(name, "be None or an int other than 0, the axis of the batch", value)
    return int(value)


def interval(name: str, value: Any) -> tuple[float | None, float | None]:
    """`value` as `(low, high)` with low < high; either may be None for no limit."""
    allowed = "be None or a pair (low, high) with low < high, either of them None for no limit"
    if value is None:
        return None, None
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        invalid_argument(name, allowed, value)
    pair = list(value)
    if len(pair) != 2:
        invalid_argument(name, allowed, value)
    low, high = (None if limit is None else number(name, limit) for limit in pair)
    if low is not None and high is not None and low >= high:
        invalid_argument(name, allowed, value)
    return low, high


def count(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        invalid_argument(name, f"be an int of at least {least}", value)
    return int(value)


def counts(name: str, value: Any, length: int, least: int = 1) -> tuple[int, ...]:
    """`value`, an int or `length` of them, as a tuple of ints of at least `least`."""
    values = (value,) * length if isinstance(value, numbers.Integral) else value
    allowed = f"be an int or {length} ints, each at least {least}"
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        invalid_argument(name, allowed, value)
    values = tuple(values)
    whole = all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in values)
    if len(values) != length or not whole or any(v < least for v in values):
        invalid_argument(name, allowed, value)
    return tuple(map(int, values))


def ints(name: str, value: Any, least: int | None = None) -> tuple[int, ...]:
    """`value`, an int or several, as a tuple of ints of at least `least` if that is given."""
    allowed = "be None, an int or ints" + ("" if least is None else f" of at least {least}")
    values = (value,) if isinstance(value, numbers.Integral) else value
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        invalid_argument(name, allowed, value)
    values = tuple(values)
    whole = all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in values)
    if not whole or not values or (least is not None and min(values) < least):
        invalid_argument(name, allowed, value)
    return tuple(map(int, values))


def last_axis(name: str, shape: Sequence[int | None]) -> int:
    """The size of the last axis of a shape."""
    if shape[-1] is None:
        invalid_argument(name, "have a last axis of known size", tuple(shape))
    return shape[-1]


def rate(name: str, value: Any) -> float:
    """`value` as a float in [0, 1)."""
    allowed = "be a number in [0, 1)"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        invalid_argument(name, allowed, value)
    if not 0.0 <= float(value) < 1.0:
        invalid_argument(name, allowed, value)
    return float(value)


def seed(name: str, value: Any) -> int | None:
    """`value` as None or an int that all backends accept as a seed."""
    if value is None:
        return None
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not 0 <= value <= MAX_SEED:
        invalid_argument(name, f"be None or an int from 0 to {MAX_SEED}", value)
    return int(value)


def flag(name: str, value: Any) -> bool:
    """`value` as a bool. 0 and 1 count as such."""
    whole = isinstance(value, (numbers.Integral, np.bool_)) and value in (0, 1)
    if not whole:
        invalid_argument(name, "be True or False", value)
    return bool(value)


def call_flag(name: str, value: Any) -> bool:
    """`value` of an argument of a call as a bool. Keras makes tensors of the flags of NumPy."""
    if value is None:
        return False
    if not hasattr(value, "shape") or len(value.shape):
        return flag(name, value)
    try:
        return bool(value)
    except TypeError:
        return invalid_argument(name, "be known where the call is traced: True or False", value)


def resolved(name: str, value: Any, what: str, get: Callable[[Any], T]) -> T:
    """`get(value)`, with an error that names the argument."""
    try:
        return get(value)
    except (ValueError, TypeError):
        invalid_argument(name, f"be {what}, or the name or config of one, or None", value)
