"""Result folders that survive interruptions: atomic writes, locks, checked state and settings."""

import contextlib
import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Context that writes a file under another name, and renames it at its end.

    After a kill or an error, such as a full disk, the file is as it was before.
    """
    path = Path(path)
    part = path.with_name(f"part-{os.getpid()}-{path.name}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # that of a full disk has no name
        raise


def remove_parts(folder: Path) -> None:
    """Removes what killed processes have left; to be called where no other process writes."""
    for part in folder.rglob("part-*-*"):
        part.unlink(missing_ok=True)


def write(path: Path | str, content: Any) -> None:
    """Writes JSON atomically."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, default=float), encoding="utf-8")


class Damaged(SystemExit):
    """A file of a result folder is missing, damaged, or of another run or study.

    Attributes:
        what: The file, and what is wrong with it.
    """

    def __init__(self, what: str, remedy: str):
        super().__init__(f"{what} {remedy}")
        self.what = what


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Context that reads the file `path`: every error in it means that the file is damaged.

    Raises:
        Damaged: with the file, what is wrong with it, and the remedy.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise Damaged(
            f"{path} is missing or damaged: {type(error).__name__}: {_first(error)}",
            f"Restore it from a copy, or remove {Path(path).parent}: the same command then "
            "computes it again.",
        ) from error


def _first(error: Exception) -> str:
    """The first line of an error, as a sentence."""
    text = str(error)
    if isinstance(error, ValidationError):
        found = error.errors()[0]
        text = ": ".join([*(map(str, found["loc"][:2])), found["msg"]])
    elif isinstance(error, KeyError):
        text = f"it has no {error}"
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    line = next(iter(text.splitlines()), "")
    return line.rstrip(".") + "."


def read(path: Path | str, schema: Any = dict[str, Any], of: Any = None) -> Any:
    """Reads JSON written by `write`, and checks it.

    Args:
        path: The file.
        schema: The type of the content, checked by pydantic.
        of: If given, the value that the content must have at the key "of": the settings of
            the run or study that the file belongs to.

    Raises:
        Damaged: if the file is missing, does not match the schema, or belongs to another run.
    """
    with reading(path):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        found = TypeAdapter(schema).validate_python(content, strict=True)
        if of is not None and content["of"] != of:
            raise ValueError("it belongs to another run or study")
        return found


def fingerprint(content: Any) -> str:
    """A short text that differs for different settings."""
    text = json.dumps(content, sort_keys=True, default=float)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Memory(io.BytesIO):
    """A file in memory, with the ending that Keras demands."""

    def __str__(self) -> str:
        return "memory.weights.h5"


def save_weights(model: Any, path: Path, of: str) -> None:
    """Writes weights and the optimizer's state atomically, with the fingerprint `of`.

    HDF5 writes to memory: after an error of the disk it would crash at the end of the process.
    """
    import h5py

    memory = _Memory()
    model.save_weights(memory)
    with h5py.File(memory, "a") as file:
        file.attrs["of"] = of
    with replacing(path) as part:
        part.write_bytes(memory.getbuffer())


def load_weights(model: Any, path: Path | str, of: str) -> None:
    """Loads weights and the optimizer's state, for which the optimizer is built first.

    Raises:
        Damaged: if the file is missing or damaged, or has another fingerprint than `of`.
    """
    import h5py

    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
    with reading(path):
        with h5py.File(path) as file:
            if file.attrs["of"] != of:
                raise ValueError("it belongs to another run or study")
        model.load_weights(path)


def report(text: Any) -> None:
    """Says on standard error what is missing or computed again."""
    print(text, file=sys.stderr, flush=True)


class Busy(SystemExit):
    """Another process holds the lock of the folder."""


@contextlib.contextmanager
def lock(folder: Path, activity: str, name: str = "", wait: float = 0.0) -> Iterator[None]:
    """Locks a folder; the system releases the lock of a killed process.

    Args:
        folder: The folder.
        activity: Completes the error "Another process … in FOLDER".
        name: Locks of different names do not exclude each other.
        wait: Seconds to wait for a process that is ending.

    Raises:
        Busy: if another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # on Windows
        yield
        return
    until = time.monotonic() + wait
    with (folder / f".{name}lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Busy(f"Another process {activity} in {folder}.") from None
                time.sleep(0.2)
        yield


def check_settings(
    file: Path, content: dict[str, Any], what: str, ignore: tuple[str, ...] = ()
) -> None:
    """Writes the settings to `file`, or checks that they equal the settings there.

    A missing file is written again: the other files of the folder have the fingerprint of
    their settings.

    Args:
        file: The file in the folder that the settings belong to.
        content: The settings.
        what: Completes the error "FOLDER has …".
        ignore: Keys of the content that may differ.

    Raises:
        SystemExit: if the settings differ.
        Damaged: if the file is damaged.
    """
    if not file.exists():
        write(file, {**content, "of": fingerprint(content)})
        return
    found = read(file)
    with reading(file):
        if found.pop("of") != fingerprint(found):
            raise ValueError("it was changed")
    changed = [
        f"{key}: {old!r}, now {new!r}"
        for key, old, new in differences(found, content)
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
