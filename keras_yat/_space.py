"""What can be searched of the arguments of a layer, and how values of it are asked for.

A class lists in `search_space` its arguments that can be searched: to each belongs a
dimension (`Float`, `Flag`, `Several`, `Choice`, `Made`), or a constant. Values come from
an `hp` with the methods of Keras Tuner's `HyperParameters`; nothing is imported from it.
Names are paths: `hidden/nami/w` is the w of the activation nami of the choice `hidden`.
"""

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keras_yat import _validate

Space = Mapping[str, Any]


@dataclass(frozen=True)
class Float:
    """A number in [low, high], evenly drawn, or with `log` evenly on a logarithmic scale.

    It starts at `default`, or at the argument's own default.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None

    def sample(self, hp: Any, path: str, default: Any) -> float | None:
        start = default if self.default is None else self.default
        scale = "log" if self.log else "linear"
        return hp.Float(path, self.low, self.high, sampling=scale, default=float(start))


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def sample(self, hp: Any, path: str, default: Any) -> bool | None:
        return hp.Boolean(path, default=default)


@dataclass(frozen=True)
class Several:
    """A list of `count` numbers, each by itself."""

    each: Float
    count: int

    def sample(self, hp: Any, path: str, default: Any) -> list[float | None]:
        return [self.each.sample(hp, f"{path}/{i}", default) for i in range(self.count)]


class Made:
    """What `make` makes of arguments that are searched, and of others that are fixed."""

    def __init__(self, make: Callable[..., Any], space: Space, **fixed: Any):
        self.make, self.space, self.fixed = make, space, fixed

    def sample(self, hp: Any, path: str, default: Any) -> "_Later":
        found = _declared(hp, self.space, path, self.make, self.fixed)
        return _Later(lambda: self.make(**_made(found), **self.fixed))


class With:
    """An option of a choice that goes with further arguments."""

    def __init__(self, value: Any, **further: Any):
        self.value, self.further = value, further


class Choice:
    """One of several options, by label: constants, dimensions, or either of them `With` others.

    What belongs to an option is only there where that option is chosen. The first is the
    default, unless one has the label of the argument's own default.
    """

    def __init__(self, options: Mapping[str, Any]):
        self.options = dict(options)

    @classmethod
    def of(cls, *values: Any) -> "Choice":
        return cls({str(value): value for value in values})

    def arguments(
        self, hp: Any, path: str, name: str, default: Any = None, fixed: Collection[str] = ()
    ) -> dict[str, Any]:
        """The argument `name`, and those that go with what is chosen for it."""
        labels = list(self.options)
        start = default if isinstance(default, str) and default in labels else labels[0]
        chosen = hp.Choice(path, labels, default=start)
        # None is for a choice that belongs to an option which is not chosen itself.
        if chosen is not None and chosen not in labels:
            _validate.refuse("name", f"belong to one search space, not also to {labels}", path)
        result: dict[str, Any] = {}
        for label, option in self.options.items():
            with _option(hp, path, label):
                found = _of_option(hp, f"{path}/{label}", name, option, fixed)
            if label == chosen:
                result = found
        return result

    def sample(self, hp: Any, path: str) -> Any:
        """What is chosen."""
        return _made(self.arguments(hp, path, path))[path]


def _of_option(hp, path, name, option, fixed):
    value, further = option, {}
    if isinstance(option, With):
        value, further = option.value, option.further
    found = _sampled(hp, value, path, name, None, fixed)
    for n, dimension in further.items():
        if n not in fixed:
            found.update(_sampled(hp, dimension, f"{path}/{n}", n, None, fixed))
    return found


@contextlib.contextmanager
def _option(hp: Any, path: str, label: str) -> Iterator[None]:
    """The scope of what belongs to an option."""
    scopes = getattr(hp, "inactive_scopes", [])
    known = len(scopes)
    with hp.conditional_scope(path, [label]):
        yield
    # All in it is declared, chosen or not. From this list a tuner would build the model
    # again and again, to find what else there is.
    del scopes[known:]


def _sampled(hp, item, path, name, default, fixed) -> dict[str, Any]:
    """Values of a dimension, or a constant; of what is made, how to make it."""
    if isinstance(item, Choice):
        return item.arguments(hp, path, name, default, fixed)
    return {name: item.sample(hp, path, default) if hasattr(item, "sample") else item}


class _Later:
    """What is made only where it is chosen: elsewhere its values are None."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make


def _made(found: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v.make() if isinstance(v, _Later) else v for n, v in found.items()}


def _declared(hp, space, path, of, fixed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parameters = inspect.signature(of).parameters
    for name, dimension in space.items():
        if name not in fixed:
            default = parameters[name].default if name in parameters else None
            found.update(_sampled(hp, dimension, f"{path}/{name}", name, default, fixed))
    return found


def arguments(
    hp: Any, space: Space, path: str, of: Callable[..., Any], fixed: Collection[str] = ()
) -> dict[str, Any]:
    """Values for the arguments of `of` that `space` lists and that are not `fixed`."""
    return _made(_declared(hp, space, path, of, fixed))
