"""What can be searched of the arguments of a layer, and how values of it are asked for.

A class lists in `search_space` its arguments that can be searched: to each belongs a
dimension (`Float`, `Flag`, `FloatList`, `Choice`, `Build`), or a constant. Values come from
an `hp` with the methods of Keras Tuner's `HyperParameters`; nothing is imported from it.
Names are paths: `hidden/nami/w` is the w of the activation nami of the choice `hidden`.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from keras_yat import _validate

Space = Mapping[str, Any]
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Float:
    """A number in [low, high], evenly drawn, or with `log` evenly on a logarithmic scale.

    It starts at `default`, or at the argument's own default.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None

    def within(self, limits: Any) -> "Float":
        """The part of it that keeps to `limits`, or these where it has none in common."""
        low, high = (None, None) if limits is None else limits
        bottom = self.low if low is None else max(self.low, low)
        top = self.high if high is None else min(self.high, high)
        if bottom > top:
            bottom, top = (self.low if low is None else low), (self.high if high is None else high)
        return dataclasses.replace(self, low=bottom, high=top, log=self.log and bottom > 0.0)

    def sample(self, hp: Any, path: str, default: Any) -> float | None:
        start = default if self.default is None else self.default
        start = min(max(start, self.low), self.high)
        scale = "log" if self.log else "linear"
        return hp.Float(path, self.low, self.high, sampling=scale, default=float(start))


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def sample(self, hp: Any, path: str, default: Any) -> bool | None:
        return hp.Boolean(path, default=default)


@dataclass(frozen=True)
class FloatList:
    """A list of `count` numbers, each by itself.

    They start at the default of `each`, or at 1 divided by their number. There are as
    many as the argument `per` has entries, where that is given.
    """

    each: Float
    count: int
    per: str | None = None

    def within(self, limits: Any) -> "FloatList":
        return dataclasses.replace(self, each=self.each.within(limits))

    def for_given(self, given: Mapping[str, Any]) -> "FloatList":
        return dataclasses.replace(self, count=len(given.get(self.per or "", range(self.count))))

    def sample(self, hp: Any, path: str, default: Any) -> list[float | None]:
        places = range(self.count)
        return [self.each.sample(hp, f"{path}/{i}", 1.0 / self.count) for i in places]


class Build:
    """What `make` makes of arguments that are searched, and of others that are fixed."""

    def __init__(self, make: Callable[..., Any], space: Space, **fixed: Any):
        self.make, self.space, self.fixed = make, space, fixed

    def sample(self, hp: Any, path: str, default: Any) -> "_Later":
        found = _declared(hp, self.space, path, self.make, self.fixed)
        return _Later(lambda: self.make(**_made(found), **self.fixed))


class Option:
    """An option of a choice that goes with further arguments."""

    def __init__(self, value: Any, **further: Any):
        self.value, self.further = value, further


class Choice:
    """One of several options, by label: constants, dimensions, or either of them `With` others.

    What belongs to an option is only there where that option is chosen. The first is the
    default, unless one has the label of the argument's own default. The arguments
    `exclusive` go with the options that name them, and with no other.
    """

    def __init__(self, options: Mapping[str, Any], exclusive: Collection[str] = ()):
        self.options, self.exclusive = dict(options), exclusive

    @classmethod
    def of(cls, *values: Any) -> "Choice":
        return cls({str(value): value for value in values})

    def arguments(
        self,
        hp: Any,
        path: str,
        name: str,
        default: Any = None,
        fixed: Mapping[str, Any] = _NOTHING,
    ) -> dict[str, Any]:
        """The argument `name`, and those that go with what is chosen for it."""
        if name in fixed:
            return self._beside(hp, path, fixed[name], fixed)
        options = {
            label: option
            for label, option in self.options.items()
            if all(n in _further(option) for n in self.exclusive if n in fixed)
        }
        labels = list(options)
        _check_name(hp, path, labels)
        start = default if isinstance(default, str) and default in labels else labels[0]
        chosen = hp.Choice(path, labels, default=start)
        # It is None for a choice that belongs to an option which is not chosen itself.
        result: dict[str, Any] = {}
        for label, option in options.items():
            with _option(hp, path, label):
                found = _of_option(hp, f"{path}/{label}", name, option, fixed)
            if label == chosen:
                result = found
        return result

    def sample(self, hp: Any, path: str) -> Any:
        """What is chosen."""
        return _made(self.arguments(hp, path, path))[path]

    def _beside(self, hp, path, value, fixed):
        """The arguments that go with an option which is given."""
        for label, option in self.options.items():
            given = option.value if isinstance(option, Option) else option
            if not hasattr(given, "sample") and given == value:
                return _sampled_all(hp, _further(option), f"{path}/{label}", fixed)
        return {}


def _check_name(hp, path, labels):
    """Refuses a name that stands for other options already."""
    for known in getattr(hp, "space", ()):
        # Only choices have an order; what has one value in a study is none.
        if known.name == path and hasattr(known, "ordered") and list(known.values) != labels:
            _validate.invalid_argument(
                "name", f"belong to one search space, not also to {labels}", path
            )


def _further(option):
    return option.further if isinstance(option, Option) else {}


def _of_option(hp, path, name, option, fixed):
    value = option.value if isinstance(option, Option) else option
    found = _sampled(hp, value, path, name, None, fixed)
    return {**found, **_sampled_all(hp, _further(option), path, fixed)}


def _sampled_all(hp, space, path, fixed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, dimension in space.items():
        if name not in fixed:
            found.update(_sampled(hp, dimension, f"{path}/{name}", name, None, fixed))
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
    limits = fixed.get("bounds") or {}
    for name, dimension in space.items():
        if name in limits and hasattr(dimension, "within"):
            dimension = dimension.within(limits[name])
        if hasattr(dimension, "for_given"):
            dimension = dimension.for_given(fixed)
        if name not in fixed or isinstance(dimension, Choice):
            default = _default(of, name)
            found.update(_sampled(hp, dimension, f"{path}/{name}", name, default, fixed))
    return found


def _default(of: Callable[..., Any], name: str) -> Any:
    """The default of an argument, also where a subclass hands it on."""
    for each in inspect.getmro(of) if inspect.isclass(of) else [of]:
        try:
            parameters = inspect.signature(each).parameters
        except ValueError:
            continue
        if name in parameters:
            return parameters[name].default
    return None


def arguments(
    hp: Any, space: Space, path: str, of: Callable[..., Any], fixed: Mapping[str, Any] = _NOTHING
) -> dict[str, Any]:
    """Values for the arguments of `of` that `space` lists and that are not `fixed`."""
    return _made(_declared(hp, space, path, of, fixed))
