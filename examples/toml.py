"""Checked TOML files.

Unknown keys and invalid values are reported with file, key and allowed values.
"""

import difflib
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]


class Table(BaseModel):
    """A table of a file: its keys, their types and defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


T = TypeVar("T", bound=Table)


def load(path: Path, schema: type[T]) -> T:
    """Reads a file as an object of the class `schema`.

    Raises:
        SystemExit: if the file cannot be read, or has unknown keys or invalid values.
    """
    return check(read(path), path, schema)


def read(path: Path) -> dict[str, Any]:
    """Reads a file without checking it against a schema."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SystemExit(f"{path} could not be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} is not TOML: {error}") from error


def check(content: dict[str, Any], name: Any, schema: type[T]) -> T:
    """`content`, read from the file `name`, as an object of the class `schema`."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        lines = [f"{name}: {_message(e, schema)}" for e in error.errors()]
        raise SystemExit("\n".join(lines)) from error


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """A pydantic validator that allows the names, and reports them like a `Literal` does."""
    *others, last = map(repr, names)
    allowed = f"{', '.join(others)} or {last}" if others else last

    def validate(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("one_of", "input should be {allowed}", {"allowed": allowed})
        return name

    return validate


def _message(error: Any, schema: type[Table]) -> str:
    """One error: the key, the allowed values, and the value received."""
    place = list(map(str, error["loc"]))
    if error["type"] != "extra_forbidden" and place[-1:] == ["[key]"]:
        place.pop()  # the name itself is invalid
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        allowed = list(_table(place[:-1], schema).model_fields)
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


def _table(place: list[str], schema: type[Table]) -> type[BaseModel]:
    """The class of the table at `place`."""
    found: type[BaseModel] = schema
    in_dict = False
    for part in place:
        if in_dict:
            in_dict = False  # `part` is the user's name of one of several tables
            continue
        inside = list(_inside(found.model_fields[part].annotation))
        in_dict = dict in inside
        found = next(c for c in inside if isinstance(c, type) and issubclass(c, BaseModel))
    return found


def _inside(annotation: Any):
    """The class of an annotation, and those of its type arguments."""
    yield annotation if isinstance(annotation, type) else getattr(annotation, "__origin__", None)
    for part in get_args(annotation):
        yield from _inside(part)
