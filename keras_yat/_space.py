"""Search spaces of the arguments of layers.

A class lists its searchable arguments in `search_space`, a dict from an argument to a
dimension (`Float`, `Flag`, `FloatList`, `Choice`, `Build`) or a constant. Values are sampled
from an `hp` with the methods of `keras_tuner.HyperParameters`; Keras Tuner is not imported.
Names of hyperparameters are paths: `hidden/nami/w` is the argument w of the option nami of
the choice `hidden`.
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


class Dimension:
    """Abstract: the values that an argument can have in a search."""

    def sample(self, hp: Any, path: str, default: Any) -> Any:
        """A value; `default` is that of the argument."""
        raise NotImplementedError

    def arguments(
        self, hp: Any, path: str, name: str, default: Any, fixed: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The sampled argument `name`, and others that belong to its value."""
        return {name: self.sample(hp, path, default)}

    def within(self, limits: Any) -> "Dimension":
        """This dimension with values within `limits`."""
        return self

    def for_given(self, given: Mapping[str, Any]) -> "Dimension":
        """This dimension for the given values of other arguments."""
        return self


@dataclass(frozen=True)
class Float(Dimension):
    """A number in [low, high], on a linear scale or, with `log`, on a logarithmic one.

    Its default is `default`, or the default of the argument.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None

    def within(self, limits: Any) -> "Float":
        """The intersection with `limits`, (low, high) with None for no limit.

        Without an intersection it is `limits`, or a range of the same size at the only limit.
        """
        low: Any
        high: Any
        low, high = (None, None) if limits is None else limits
        bottom = self.low if low is None else max(self.low, low)
        top = self.high if high is None else min(self.high, high)
        if bottom >= top and high is None:
            bottom, top = low, self._above(low)
        elif bottom >= top:
            bottom, top = (self._below(high) if low is None else low), high
        return dataclasses.replace(self, low=bottom, high=top, log=self.log and bottom > 0.0)

    def _above(self, low: float) -> float:
        scaled = self.log and low > 0.0
        return low * (self.high / self.low) if scaled else low + (self.high - self.low)

    def _below(self, high: float) -> float:
        scaled = self.log and high > 0.0
        return high * (self.low / self.high) if scaled else high - (self.high - self.low)

    def sample(self, hp: Any, path: str, default: Any) -> float | None:
        start = default if self.default is None else self.default
        start = min(max(start, self.low), self.high)
        scale = "log" if self.log else "linear"
        return hp.Float(path, self.low, self.high, sampling=scale, default=float(start))


@dataclass(frozen=True)
class Flag(Dimension):
    """True or False."""

    def sample(self, hp: Any, path: str, default: Any) -> bool | None:
        return hp.Boolean(path, default=default)


@dataclass(frozen=True)
class FloatList(Dimension):
    """A list of `count` numbers, each sampled separately.

    The default of each number is that of `each`, or 1 / `count`. If the argument `per` is
    given, there is one number for each of its entries.
    """

    each: Float
    count: int
    per: str | None = None

    def within(self, limits: Any) -> "FloatList":
        return dataclasses.replace(self, each=self.each.within(limits))

    def for_given(self, given: Mapping[str, Any]) -> "FloatList":
        """This list with one number for each entry of the argument `per`."""
        return dataclasses.replace(self, count=len(given.get(self.per or "", range(self.count))))

    def sample(self, hp: Any, path: str, default: Any) -> list[float | None]:
        places = range(self.count)
        return [self.each.sample(hp, f"{path}/{i}", 1.0 / self.count) for i in places]


class Build(Dimension):
    """The object that `make` returns for arguments sampled from `space` and `fixed` ones."""

    def __init__(self, make: Callable[..., Any], space: Space, **fixed: Any):
        self.make, self.space, self.fixed = make, space, fixed

    def sample(self, hp: Any, path: str, default: Any) -> "_Deferred":
        found = _sample_space(hp, self.space, path, self.make, self.fixed)
        return _Deferred(lambda: self.make(**_resolve(found), **self.fixed))


class Option:
    """An option of a `Choice` that sets or searches further arguments."""

    def __init__(self, value: Any, **further: Any):
        self.value, self.further = value, further


class Choice(Dimension):
    """One of several options, by label. An option is a constant, a dimension or an `Option`.

    Hyperparameters of an option are conditional on that option. The default is the option
    labelled with the argument's default, or else the first one. If an argument in `exclusive`
    is fixed, only options that list it as a further argument remain.
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
        if name in fixed:
            return self._further_of_fixed(hp, path, fixed[name], fixed)
        options = {
            label: option
            for label, option in self.options.items()
            if all(n in _further(option) for n in self.exclusive if n in fixed)
        }
        labels = list(options)
        _check_name(hp, path, labels)
        start = default if isinstance(default, str) and default in labels else labels[0]
        chosen = hp.Choice(path, labels, default=start)
        # `chosen` is None if this choice belongs to an option that is not chosen.
        result: dict[str, Any] = {}
        for label, option in options.items():
            with _option_scope(hp, path, label):
                found = _sample_option(hp, f"{path}/{label}", name, option, fixed)
            if label == chosen:
                result = found
        return result

    def sample(self, hp: Any, path: str, default: Any = None) -> Any:
        return _resolve(self.arguments(hp, path, path, default))[path]

    def _further_of_fixed(self, hp, path, value, fixed):
        """The further arguments of the option with a fixed value."""
        for label, option in self.options.items():
            given = option.value if isinstance(option, Option) else option
            if not isinstance(given, Dimension) and given == value:
                return _sample_further(hp, _further(option), f"{path}/{label}", fixed)
        return {}


def _check_name(hp, path, labels):
    """Raises an error if the name belongs to a choice with other options."""
    for known in getattr(hp, "space", ()):
        # Only choices have `ordered`; a `Fixed` hyperparameter is not a choice.
        if known.name == path and hasattr(known, "ordered") and list(known.values) != labels:
            _validate.invalid_argument(
                "name", f"belong to one search space, not also to {labels}", path
            )


def _further(option):
    return option.further if isinstance(option, Option) else {}


def _sample_option(hp, path, name, option, fixed):
    value = option.value if isinstance(option, Option) else option
    found = _sample_argument(hp, value, path, name, None, fixed)
    return {**found, **_sample_further(hp, _further(option), path, fixed)}


def _sample_further(hp, space, path, fixed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, dimension in space.items():
        if name not in fixed:
            found.update(_sample_argument(hp, dimension, f"{path}/{name}", name, None, fixed))
    return found


@contextlib.contextmanager
def _option_scope(hp: Any, path: str, label: str) -> Iterator[None]:
    """The conditional scope of an option's hyperparameters."""
    scopes = getattr(hp, "inactive_scopes", [])
    known = len(scopes)
    with hp.conditional_scope(path, [label]):
        yield
    # All options are sampled, chosen or not. A tuner would build the model once more for each
    # scope left in this list, to find its hyperparameters.
    del scopes[known:]


def _sample_argument(hp, item, path, name, default, fixed) -> dict[str, Any]:
    """A value of a dimension, or a constant; a `Build` is deferred."""
    if isinstance(item, Dimension):
        return item.arguments(hp, path, name, default, fixed)
    return {name: item}


class _Deferred:
    """An object to build only if its option is chosen: otherwise its arguments are None."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make


def _resolve(found: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the deferred objects."""
    return {n: v.make() if isinstance(v, _Deferred) else v for n, v in found.items()}


def _sample_space(hp, space, path, of, fixed) -> dict[str, Any]:
    """Values for the arguments that `space` lists, with deferred objects."""
    found: dict[str, Any] = {}
    limits = fixed.get("bounds") or {}
    for name, dimension in space.items():
        if isinstance(dimension, Dimension):
            dimension = dimension.within(limits.get(name)).for_given(fixed)
        if name not in fixed or isinstance(dimension, Choice):
            default = _default(of, name)
            found.update(_sample_argument(hp, dimension, f"{path}/{name}", name, default, fixed))
    return found


def _default(of: Callable[..., Any], name: str) -> Any:
    """The default of an argument, also one that a subclass takes by `**kwargs`."""
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
    """Samples values for the arguments of `of` that `space` lists and that are not `fixed`."""
    return _resolve(_sample_space(hp, space, path, of, fixed))
