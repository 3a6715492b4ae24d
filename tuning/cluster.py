"""A study on several machines: roles and ports, from Keras Tuner's environment variables.

Each arm of a study is a search with a separate server, at `KERASTUNER_ORACLE_PORT` and the
ports after it. `PROGRESS` connects a process with the launcher that started it.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 600.0
"""Seconds until a worker gives up waiting for a chief."""

PROGRESS = "KERAS_YAT_PROGRESS"
"""The environment variable with the file that a launched process touches while it works."""
ENDING = 10.0
"""Seconds that a launched process has to end after its launcher."""

_IP, _PORT, _ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"


def role() -> str | None:
    """Returns `"chief"`, `"worker"`, or None on a single machine.

    Raises:
        SystemExit: if only some of the variables are set.
    """
    present = [name for name in (_IP, _PORT, _ID) if os.environ.get(name)]
    for name in {_IP, _PORT, _ID} - set(present):
        os.environ.pop(name, None)  # Keras Tuner treats an empty variable as set
    if not present:
        return None
    missing = [name for name in (_IP, _PORT, _ID) if name not in present]
    if missing:
        raise SystemExit(f"{', '.join(present)} set, but not {', '.join(missing)}.")
    port = os.environ[_PORT]
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SystemExit(f"{_PORT} must be a port number, not {port!r}.")
    return "chief" if "chief" in process_name() else "worker"


def process_name() -> str:
    """The name of this process, `KERASTUNER_TUNER_ID`."""
    return os.environ[_ID]


def is_launched() -> bool:
    """Whether `tuning.launch` has started this process."""
    return bool(os.environ.get(PROGRESS))


def progress() -> None:
    """Tells the launcher that this process is not hanging."""
    if is_launched():
        with contextlib.suppress(OSError):
            Path(os.environ[PROGRESS]).touch()


def end_with_launcher() -> None:
    """Ends this process, like SIGTERM, when the launcher has ended in any way.

    The launcher holds the other end of the standard input, which the system then closes.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ENDING)
        os._exit(1)

    if is_launched():
        threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def arm(place: int) -> Iterator[None]:
    """Context in which Keras Tuner uses the server of the arm number `place`."""
    before = os.environ.get(_PORT)
    if before is None:
        yield
        return
    os.environ[_PORT] = str(int(before) + place)
    try:
        # Keras Tuner prints every condition that it receives.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        os.environ[_PORT] = before


def check_port() -> None:
    """Checks that the port is free: gRPC would share it, and mix up the workers of two chiefs."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ[_IP], int(os.environ[_PORT])))
        except OSError as error:
            raise SystemExit(f"{os.environ[_IP]}:{os.environ[_PORT]}: {error}") from error


def open_arm(first: int, count: int) -> int:
    """Waits for a chief; returns the first of the arms `first` to `count - 1` that it serves.

    Raises:
        SystemExit: if no chief answers within `PATIENCE`.
    """
    host, port = os.environ[_IP], int(os.environ[_PORT])
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        progress()
        for place in range(first, count):
            if _answers(host, port + place):
                return place
    raise SystemExit(
        f"No chief answers at {host}, ports {port + first} to {port + count - 1}, "
        f"within {PATIENCE:g} seconds."
    )


def _answers(host: str, port: int) -> bool:
    import grpc

    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.5)
        except grpc.FutureTimeoutError:
            return False
    return True
