"""Exit of a command: one line for errors that its user can fix, and a status for scripts."""

import errno
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

WRONG_USE, INTERRUPTED = 2, 130
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE)


def run(main: Callable[[], int | None]) -> NoReturn:
    """Runs `main` and exits with a status.

    - The status that `main` returns; None is 0.
    - 2 for an error that the user can fix: a `SystemExit` with a message, an invalid argument,
      a missing package, a file that cannot be opened.
    - 1 for a failure of the machine, such as a full disk.
    - 130 for Ctrl-C.
    - 0 if the output is closed, as by `head`.

    Other errors keep their traceback.
    """
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _status(main)
    except KeyboardInterrupt as interrupt:
        status = _line(str(interrupt) or "Interrupted.", INTERRUPTED)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _unread()
    # Only Python's shutdown could still be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


def _status(main):
    try:
        return main() or 0
    except BrokenPipeError:
        if _is_read():
            raise  # another pipe
        return _unread()
    except SystemExit as left:
        return _line(left.code, WRONG_USE) if isinstance(left.code, str) else left.code or 0
    except (ValueError, ImportError) as error:
        if isinstance(error, ValueError) and not hasattr(error, "argument"):
            raise
        return _line(str(error), WRONG_USE)
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _line(where, 1 if is_of_the_machine(error) else WRONG_USE)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether an error is a failure of the machine, such as a full disk."""
    failed = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
    return failed or isinstance(error, MemoryError)


def _line(text, status):
    print(text, file=sys.stderr)
    return status


def _is_read():
    """Whether the standard output is still open at its other end."""
    probe = select.poll()
    probe.register(sys.stdout, 0)
    return not probe.poll(0)


def _unread():
    # Python flushes the standard output again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
