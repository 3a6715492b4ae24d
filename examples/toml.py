"""TOML files whose content is checked: a key that is unknown or a value that is wrong is told."""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]


class Table(BaseModel):
    """A table of a file: its keys, their types, and their defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


T = TypeVar("T", bound=Table)


def load(path: Path, whole: type[T]) -> T:
    """What a file says, as an object of the class `whole`.

    Raises:
        SystemExit: if there is none, or it says something that it may not.
    """
    return check(read(path), path, whole)


def read(path: Path) -> dict[str, Any]:
    """What a file says, unchecked."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SystemExit(f"{path} could not be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} is not TOML: {error}") from error


def check(content: dict[str, Any], name: Any, whole: type[T]) -> T:
    """`content`, which came from `name`, as an object of the class `whole`."""
    try:
        return whole.model_validate(content)
    except ValidationError as error:
        lines = [f"{name}: {_told(e, whole)}" for e in error.errors()]
        raise SystemExit("\n".join(lines)) from error


def _told(error: Any, whole: type[Table]) -> str:
    """One error: the key, what is allowed, what came."""
    place = list(map(str, error["loc"]))
    if error["type"] != "extra_forbidden" and place[-1:] == ["[key]"]:
        place.pop()  # of a name that is not allowed
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        allowed = list(_table(place[:-1], whole).model_fields)
        near = difflib.get_close_matches(place[-1], allowed, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{key}: unknown key{hint}; allowed: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key}: missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{key}.{message}".lstrip(".")
    message = message[0].lower() + message[1:]
    return f"{key}: {message}. Received: {error['input']!r}"


def _table(place: list[str], whole: type[Table]) -> type[BaseModel]:
    """The class of the table at `place`."""
    found: type[BaseModel] = whole
    in_dict = False
    for part in place:
        if in_dict:
            in_dict = False  # `part` is a name that the file gives to one of several tables
            continue
        inside = list(_inside(found.model_fields[part].annotation))
        in_dict = dict in inside
        found = next(c for c in inside if isinstance(c, type) and issubclass(c, BaseModel))
    return found


def _inside(annotation: Any):
    """An annotation, and what it is made of."""
    yield annotation if isinstance(annotation, type) else getattr(annotation, "__origin__", None)
    for part in get_args(annotation):
        yield from _inside(part)
