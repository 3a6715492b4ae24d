"""Files that are written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

File = str | os.PathLike[str]


def write(path: File, content: Callable[[BinaryIO], object]) -> None:
    """Writes a file by `content`, atomically: another process sees the old or the new one."""
    part = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            content(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
