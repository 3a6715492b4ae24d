"""Runs a study with several workers on this machine: a chief, N workers, and a watch over them.

    python -m tuning.launch tuning/configs/activations.toml --workers 2

The same processes that would run on several hosts (tuning/README.md), on the loopback
address. A worker that dies is started again under its own name, so that the chief gives it
its trial back; a chief that dies goes on where it was. What they print is in the study's
folder, in logs/.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python tuning/launch.py`

from examples import command, options
from tuning import config

RESTARTS = 20
"""How often one process is started again."""
LOOPBACK = "127.0.0.1"


def main(arguments: argparse.Namespace) -> int:
    import keras

    study = config.load(arguments.config)
    folder = arguments.out or Path("runs", arguments.config.stem)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    if arguments.host != LOOPBACK:
        print(
            f"The chief listens at {arguments.host}, without authentication or encryption: "
            "whoever reaches that port can read and write the study."
        )
    port = arguments.port or free_ports(arguments.host, len(study.arms))
    own = [sys.executable, "-m", "tuning.study", str(arguments.config)]
    own += ["--backend", keras.backend.backend(), "--out", str(folder)]
    environment = {
        "KERASTUNER_ORACLE_IP": arguments.host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    names = ["chief", *(f"tuner{i}" for i in range(arguments.workers))]
    for polite in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(polite, signal.default_int_handler)
    members = [Member(name, own, environment, folder) for name in names]
    try:
        return watch(*members)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "\nInterrupted. The same command resumes, with all trials that ended."
        ) from None
    finally:
        for member in members:
            member.stop()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, help="a TOML file, such as those in tuning/configs")
    parser.add_argument("--workers", type=options.positive, default=2, help="default: %(default)s")
    options.add_backend(parser)
    parser.add_argument("--out", type=Path, help="folder (default: runs/ and the config's name)")
    parser.add_argument("--host", default=LOOPBACK, help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=options.positive, help="the first of one port for each arm")
    return parser.parse_args()


def free_ports(host: str, count: int) -> int:
    """The first of so many ports that are free, one after the other."""
    while True:
        with socket.socket() as first:
            first.bind((host, 0))
            port = first.getsockname()[1]
        if port + count > 65535:
            continue
        try:
            for place in range(port, port + count):
                with socket.socket() as other:
                    other.bind((host, place))
        except OSError:
            continue
        return port


class Member:
    """A process of the study that can be started again."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path):
        self.name, self.starts = name, 0
        self._command, self._log = command, folder / "logs" / f"{name}.log"
        self._environment = {**os.environ, **environment, "KERASTUNER_TUNER_ID": name}
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self.starts += 1
        with self._log.open("a") as log:
            # The chief has the progress of all, for a person to see.
            to: IO | None = None if self.name == "chief" else log
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=to, stderr=to, start_new_session=True
            )
        told(f"{self.name} is process {self.process.pid}")

    def ended(self) -> int | None:
        """The exit status, or None while it runs."""
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def watch(chief: Member, *workers: Member) -> int:
    """Starts again what dies, until the chief has ended; gives back the chief's status."""
    given_up: set[str] = set()
    while True:
        time.sleep(0.5)
        status = chief.ended()
        if status is not None and (status >= 0 or chief.starts > RESTARTS):
            # It was not killed: it is done, or has said what is wrong.
            return status if status >= 0 else 1
        if status is not None:
            told(f"chief was killed by signal {-status}")
            chief.start()
            for worker in workers:
                if worker.ended() == 0:  # told that all is done; the chief asks again
                    worker.start()
        for worker in workers:
            status = worker.ended()
            if status in (None, 0) or worker.name in given_up:
                continue
            told(f"{worker.name} ended with {status}")
            if worker.starts <= RESTARTS:
                worker.start()
                continue
            given_up.add(worker.name)
            if len(given_up) == len(workers):
                told("no worker is left")
                return 1
            # It would wait for that one for ever; started anew it gives its trial to another.
            told(f"{worker.name} is given up, and the chief started again")
            chief.stop()
            chief.start()


def told(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    command.start(parse, main)
