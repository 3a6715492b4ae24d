"""Checks of arguments that the functions of `keras_yat.search` share."""

from collections.abc import Iterable

from keras_yat import _validate


def path_of(name: str | None, default: str) -> str:
    """The prefix of the hyperparameters: `name`, or `default` for None."""
    return default if name is None else name


def checked_names(argument: str, given: Iterable[str] | None, every: Iterable[str]) -> list[str]:
    """`given` without repetitions, or all of `every` for None."""
    allowed = f"be one or more names, such as {', '.join(every)}"
    if given is None:
        return list(every)
    if not isinstance(given, Iterable):
        _validate.invalid_argument(argument, allowed, given)
    found = [given] if isinstance(given, str) else list(given)
    if not found or not all(isinstance(name, str) for name in found):
        _validate.invalid_argument(argument, allowed, given)
    return list(dict.fromkeys(found))
