"""Arguments that the functions of this package share."""

from collections.abc import Iterable

from keras_yat import _validate


def path_of(name: str | None, otherwise: str) -> str:
    return otherwise if name is None else name


def checked_names(argument: str, given: Iterable[str] | None, every: Iterable[str]) -> list[str]:
    """`given` without repetitions; None: all of `every`."""
    allowed = f"be names, at least one, such as {', '.join(every)}"
    if given is None:
        return list(every)
    if not isinstance(given, Iterable):
        _validate.invalid_argument(argument, allowed, given)
    found = [given] if isinstance(given, str) else list(given)
    if not found or not all(isinstance(name, str) for name in found):
        _validate.invalid_argument(argument, allowed, given)
    return list(dict.fromkeys(found))
