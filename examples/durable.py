"""Result folders that survive interruptions: atomic writes, locks and checked settings."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write(path: Path | str, content: Any) -> None:
    """Writes JSON atomically."""
    part = Path(f"{path}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, default=float))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Context in which errors of reading name the file `path`.

    Raises:
        SystemExit: if the file is missing or damaged.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        what = f"{type(error).__name__}: {error}"
        raise SystemExit(f"{path} is missing or damaged: {what}") from error


def read(path: Path) -> Any:
    """Reads JSON written by `write`.

    Raises:
        SystemExit: if the file is missing or damaged.
    """
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


class Busy(SystemExit):
    """Another process holds the lock of the folder."""


@contextlib.contextmanager
def lock(folder: Path, activity: str) -> Iterator[None]:
    """Locks a folder; the system releases the lock of a killed process.

    Args:
        folder: The folder.
        activity: Completes the error "Another process … in FOLDER".

    Raises:
        Busy: if another process holds the lock.
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
            raise Busy(f"Another process {activity} in {folder}.") from None
        yield


def check_settings(
    file: Path, content: dict[str, Any], what: str, ignore: tuple[str, ...] = ()
) -> None:
    """Writes the settings to `file`, or checks that they equal the settings there.

    Args:
        file: The file in the folder that the settings belong to.
        content: The settings.
        what: Completes the error "FOLDER has …".
        ignore: Keys of the content that may differ.

    Raises:
        SystemExit: if the settings differ.
    """
    if not file.exists():
        write(file, content)
        return
    changed = [
        f"{key}: {old!r}, now {new!r}"
        for key, old, new in differences(read(file), content)
        if key.split(".")[0] not in ignore
    ]
    if changed:
        raise SystemExit(
            f"{file.parent} has {what} with other settings:\n"
            + "\n".join(f"  {line}" for line in changed)
            + "\nUse another --out, or remove that folder."
        )


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The differences of two tables: dotted key, old value and new value."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            place = f"{key}.{name}".lstrip(".")
            yield from differences(old.get(name), new.get(name), place)
    elif old != new:
        yield key, old, new
