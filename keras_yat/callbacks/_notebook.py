"""Pictures in notebooks."""

import sys
from typing import Any


def is_notebook() -> bool:
    """Whether the process is the kernel of a notebook."""
    # Whoever runs a notebook has imported it.
    python = sys.modules.get("IPython")
    shell = python.get_ipython() if python else None
    return getattr(shell, "kernel", None) is not None


class Display:
    """An output of a cell that shows one picture, which is replaced in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, png: bytes) -> None:
        from IPython.display import Image, display

        image = Image(data=png, format="png")
        if self._handle is None:
            self._handle = display(image, display_id=True)
        else:
            self._handle.update(image)
