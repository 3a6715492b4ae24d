"""Runs a study with several workers on this machine: a chief, N workers and a supervisor.

    python -m tuning.launch tuning/configs/activations.toml --workers 2

Runs the same processes as on several hosts (tuning/README.md), on the loopback address. A
worker that dies is restarted under the same name, so that the chief returns its trial. A chief
that dies is restarted and resumes the study. A process without progress for `--patience` seconds
is killed and restarted. All processes end with this one, however it ends. The output of the
workers is in the study's folder, in logs/.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python tuning/launch.py`

from examples import command, durable, options
from tuning import cluster, config

RESTARTS = 20
"""Largest number of restarts of one process."""
PATIENCE = 1800
"""Default of `--patience`: longer than the compilation of a large model, or its longest step."""
POLL = 0.5
"""Seconds between two looks at the processes."""
LOOPBACK = "127.0.0.1"


def main(arguments: argparse.Namespace) -> int:
    study = config.load(arguments.config)
    folder = arguments.out or Path("runs", arguments.config.stem)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    if arguments.host != LOOPBACK:
        print(
            f"The chief listens at {arguments.host}, without authentication or encryption: "
            "anyone with access to that port can read and write the study."
        )
    with durable.lock(folder, "runs the study", "launcher."):
        return _launch(study, arguments, folder)


def _launch(study: config.Study, arguments: argparse.Namespace, folder: Path) -> int:
    import keras

    port = arguments.port or free_ports(arguments.host, len(study.arms))
    own = [sys.executable, "-m", "tuning.study", str(arguments.config)]
    own += ["--backend", keras.backend.backend(), "--out", str(folder)]
    environment = {
        "KERASTUNER_ORACLE_IP": arguments.host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    names = ["chief", *(f"tuner{i}" for i in range(arguments.workers))]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    processes = [StudyProcess(name, own, environment, folder) for name in names]
    try:
        return supervise(*processes, patience=arguments.patience)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "\nInterrupted. The same command resumes, with all finished trials."
        ) from None
    finally:
        for process in processes:
            process.stop()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, help="a TOML file, such as those in tuning/configs")
    parser.add_argument("--workers", type=options.positive, default=2, help="default: %(default)s")
    options.add_backend(parser)
    parser.add_argument("--out", type=Path, help="folder (default: runs/ and the config's name)")
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=options.positive,
        help="port of the first arm; each further arm uses the next one",
    )
    parser.add_argument(
        "--patience",
        type=options.positive,
        default=PATIENCE,
        help="seconds without progress (a batch, an answer) after which a process is killed and "
        "restarted; more than its start and its longest step (default: %(default)s)",
    )
    return parser.parse_args()


def free_ports(host: str, count: int) -> int:
    """The first of `count` consecutive free ports."""
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


class StudyProcess:
    """A process of the study that can be restarted."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path):
        self.name, self.starts = name, 0
        self._command, self._log = command, folder / "logs" / f"{name}.log"
        self._progress = folder / "logs" / f"{name}.progress"
        own = {"KERASTUNER_TUNER_ID": name, cluster.PROGRESS: str(self._progress.absolute())}
        self._environment = {**os.environ, **environment, **own}
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self._close()
        self.starts += 1
        self._seen, self._polls = -1.0, 0
        with self._log.open("a") as file:
            # The chief prints the progress of all processes.
            to: IO | None = None if self.name == "chief" else file
            # The process ends when its standard input is closed: `cluster.end_with_launcher`.
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=to,
                stderr=to,
                start_new_session=True,
            )
        log(f"{self.name} is process {self.process.pid}")

    def ended(self) -> int | None:
        """The exit status, or None while it runs."""
        return None if self.process is None else self.process.poll()

    def idle(self) -> float:
        """Seconds of polling since the last progress; those of a suspended machine do not count."""
        with contextlib.suppress(FileNotFoundError):
            seen = self._progress.stat().st_mtime
            if seen != self._seen:
                self._seen, self._polls = seen, 0
        self._polls += 1
        return POLL * self._polls

    def _close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def last_line(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._close()


def supervise(chief: StudyProcess, *workers: StudyProcess, patience: float) -> int:
    """Restarts processes that die or hang, until the chief ends; returns the chief's exit status.

    A worker that fails, as on a full disk, ends the study with the status 1. The status 2 is
    that of a worker that has waited for its chief in vain: it is restarted.
    """
    lost: set[str] = set()
    while True:
        time.sleep(POLL)
        for process in (chief, *workers):
            if process.ended() is None and process.idle() > patience:
                log(f"{process.name} made no progress for {patience:g} seconds and is killed")
                process.kill()
        status = chief.ended()
        if status is not None and (status >= 0 or chief.starts > RESTARTS):
            # It was not killed: it has finished, or has printed an error.
            return status if status >= 0 else 1
        if status is not None:
            log(f"chief was killed by signal {-status}")
            chief.start()
            for worker in workers:
                if worker.ended() == 0:  # finished, but the restarted chief needs workers
                    worker.start()
        for worker in workers:
            status = worker.ended()
            if status in (None, 0) or worker.name in lost:
                continue
            log(f"{worker.name} ended with {status}")
            if status > 0 and status != command.WRONG_USE:
                print(worker.last_line(), file=sys.stderr)
                return 1
            if worker.starts <= RESTARTS:
                worker.start()
                continue
            lost.add(worker.name)
            if len(lost) == len(workers):
                log("no worker is left")
                return 1
            # The chief would wait for this worker forever; restarted, it reassigns the trial.
            log(f"{worker.name} is lost; the chief is restarted")
            chief.stop()
            chief.start()


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    command.start(parse, main)
