"""Studies that are stopped in the middle, for `tests.test_tuning_stops`."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil

from tests.helpers import COMMANDS, ROOT

WORKERS = ("tuner0", "tuner1")
STUDY = """
data.examples = 150
model.units = [{units}]
training = {{epochs = 2, seeds = 2}}
tuner = {{trials = {trials}}}
final.seeds = 1
arms.searched.activation = ["nami", "mila"]
"""


@contextlib.contextmanager
def stopping(start):
    """Context of `start`, which stops at its end whatever was started."""
    found = []

    def kept(*args, **kwargs):
        found.append(start(*args, **kwargs))
        return found[-1]

    try:
        yield kept
    finally:
        for each in found:
            each.stop()


class Launched:
    """A study that `tuning.launch` or `tuning.study` runs."""

    def __init__(self, file, out, *options, module="launch"):
        self.out = out
        command = [sys.executable, "-m", f"tuning.{module}", str(file), "--out", str(out)]
        self.log = file.with_suffix(".log")  # not on a full disk
        self.log.unlink(missing_ok=True)  # processes that are ending may still write to it
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                cwd=ROOT,
                env={**os.environ, **COMMANDS},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def text(self):
        return self.log.read_text(errors="replace").replace("\r", "\n")

    def pid(self, name):
        """The process that now has this name."""
        return int(re.findall(rf"{name} is process (\d+)", self.text)[-1])

    def kill(self, name, number=signal.SIGKILL):
        pid = self.process.pid if name == "launcher" else self.pid(name)
        os.kill(pid, number)
        return pid

    def end(self, seconds=600):
        """The exit status."""
        try:
            return self.process.wait(timeout=seconds)
        finally:
            self.stop()

    def stop(self):
        """Ends all processes that a failed test would leave."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [*processes(self.out), psutil.Process(self.process.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        self.process.wait()


def written(folder, trials, units=16):
    file = folder / "study.toml"
    file.write_text(STUDY.format(trials=trials, units=units))
    return file


def processes(out):
    """The chief and the workers of a study."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = each.cmdline()
            if "tuning.study" in command and str(out) in command:
                found.append(each)
    return found


def wait_for(condition, seconds=120):
    """Waits until the condition holds; returns after how many seconds."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() < begin + seconds, f"not within {seconds} seconds"
        time.sleep(0.05)
    return time.monotonic() - begin


def begun(out):
    """How often trials were begun."""
    files = out.glob("searched/trial_*/attempts.txt")
    return sum(len(file.read_text().splitlines()) for file in files)


def states(out):
    return {
        file.parent.name: json.loads(file.read_text())
        for file in sorted(out.glob("searched/trial_*/trial.json"))
    }


def trained(out):
    """The trained seeds of the completed trials, and when each was trained."""
    return {
        file: file.stat().st_mtime_ns
        for name, trial in states(out).items()
        if trial["status"] == "COMPLETED"
        for file in (out / "searched" / name).glob("seed_*.json")
    }


def check(out, trials, before):
    """Nothing is lost, and nothing is done twice.

    Args:
        out: The folder of the study.
        trials: How many trials it has.
        before: What `trained` returned at each stop.
    """
    found = states(out)
    assert len(found) == trials
    assert {trial["status"] for trial in found.values()} == {"COMPLETED"}
    oracle = json.loads((out / "searched" / "oracle.json").read_text())
    names = [name.removeprefix("trial_") for name in found]
    assert sorted(oracle["end_order"]) == sorted(oracle["start_order"]) == names
    values = {json.dumps(t["hyperparameters"]["values"], sort_keys=True) for t in found.values()}
    assert len(values) == trials
    after = trained(out)
    assert len(after) == 2 * trials
    for each in before:
        assert {file: after[file] for file in each} == each
    assert (out / "best.keras").exists()
