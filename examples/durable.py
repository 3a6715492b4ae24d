"""Folders of results that survive interruptions: whole files, one process, the same settings."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write(path: Path | str, content: Any) -> None:
    """Writes JSON, all of it or nothing."""
    part = Path(f"{path}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, default=float))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Says which file it is that cannot be read.

    Raises:
        SystemExit: if what is read within it is missing or damaged.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        what = f"{type(error).__name__}: {error}"
        raise SystemExit(f"{path} is missing or damaged: {what}") from error


def read(path: Path) -> Any:
    """The JSON that `write` has written.

    Raises:
        SystemExit: if it is missing or damaged.
    """
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


class Busy(SystemExit):
    """Another process is at work in the folder."""


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Refuses to do `what` where another process does; what a killed one held the system frees.

    Raises:
        Busy: if another process is at it.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"Another process {what} in {folder}.") from None
        yield


def same(file: Path, content: dict[str, Any], what: str, but: tuple[str, ...] = ()) -> None:
    """Notes in `file` what its folder is of, and refuses to go on with something else.

    The tables named in `but` may differ.
    """
    if not file.exists():
        write(file, content)
        return
    changed = [
        f"{key}: {old!r}, now {new!r}"
        for key, old, new in differences(read(file), content)
        if key.split(".")[0] not in but
    ]
    if changed:
        raise SystemExit(
            f"{file.parent} has {what}, which do not go together with this one:\n"
            + "\n".join(f"  {line}" for line in changed)
            + "\nTake another --out, or remove that folder."
        )


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two tables differ: the dotted key, and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            place = f"{key}.{name}".lstrip(".")
            yield from differences(old.get(name), new.get(name), place)
    elif old != new:
        yield key, old, new
