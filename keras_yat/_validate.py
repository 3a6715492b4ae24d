"""One way to say that an argument is wrong: its name, what is allowed, what came."""

import math
import numbers
from collections.abc import Iterable
from typing import Any, NoReturn


def refuse(name: str, allowed: str, received: Any, **context: Any) -> NoReturn:
    """Raises the `ValueError` that every check of the package raises.

    `allowed` completes "`name` must …"; `context` shows the arguments it was
    held against.
    """
    shown = ", ".join(f"{k}={v!r}" for k, v in {name: received, **context}.items())
    raise ValueError(f"`{name}` must {allowed}. Received: {shown}")


def number(name: str, value: Any, above: float | None = None) -> float:
    """`value` as a finite Python float, greater than `above` if that is given."""
    allowed = "be a finite number" + ("" if above is None else f" greater than {above:g}")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        refuse(name, allowed, value)
    if not math.isfinite(value) or (above is not None and value <= above):
        refuse(name, allowed, value)
    return float(value)


def one_of(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """`value` if it is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        refuse(name, "be one of " + ", ".join(map(repr, choices)), value)
    return value


def axis(name: str, value: Any) -> int | None:
    """`value` as the axis of the channels: None, or an int that is not the batch axis."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value == 0:
        refuse(name, "be None or an int other than 0, the axis of the batch", value)
    return int(value)


def interval(name: str, value: Any) -> tuple[float | None, float | None]:
    """`value` as `(low, high)` with low < high; either may be None for no limit."""
    allowed = "be None or a pair (low, high) with low < high, either of them None for no limit"
    if value is None:
        return None, None
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        refuse(name, allowed, value)
    pair = list(value)
    if len(pair) != 2:
        refuse(name, allowed, value)
    low, high = (None if limit is None else number(name, limit) for limit in pair)
    if low is not None and high is not None and low >= high:
        refuse(name, allowed, value)
    return low, high
