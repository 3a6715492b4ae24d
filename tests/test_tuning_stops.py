"""Studies whose launcher, chief or worker is stopped, and studies on a full disk."""

import errno
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from keras_tuner.errors import FatalError

from benchmarks import studies
from examples import durable
from tests import stops
from tests.helpers import COMMANDS
from tuning import cluster, config, data, launch, oracles
from tuning.tuner import Tuner

pytestmark = pytest.mark.once

STOPS, TRIALS = 12, 40


@pytest.fixture
def started(tmp_path):
    """`started(file, …)` starts a study, whose processes the test does not outlive."""

    def start(file, *options, out=tmp_path / "out", module="launch"):
        return stops.Launched(file, out, *options, module=module)

    with stops.stopping(start) as start:
        yield start


@pytest.mark.nightly
def test_a_killed_launcher_leaves_no_process(started, tmp_path):
    file, out, moments = stops.written(tmp_path, TRIALS), tmp_path / "out", random.Random(0)
    before, longest = [], 0.0
    for _ in range(STOPS):
        study, count = started(file), stops.begun(out)
        stops.wait_for(lambda n=count: stops.begun(out) > n)
        time.sleep(moments.uniform(0.0, 2.0))
        assert study.process.poll() is None
        study.kill("launcher")
        study.process.wait()
        before.append(stops.trained(out))
        # The same command goes on while the processes of the first one still end.
        if moments.random() < 0.5:
            longest = max(longest, stops.wait_for(lambda: not stops.processes(out), 15))
    assert started(file).end() == 0
    stops.check(out, TRIALS, before)
    print(f"the processes ended within {longest:.1f} s; begun {stops.begun(out)} times")


@pytest.mark.nightly
def test_a_killed_chief_goes_on(started, tmp_path):
    file, out, moments = stops.written(tmp_path, TRIALS), tmp_path / "out", random.Random(0)
    study, before = started(file), []
    for _ in range(STOPS):
        count = len(stops.trained(out))
        stops.wait_for(lambda n=count: len(stops.trained(out)) > n)
        time.sleep(moments.uniform(0.0, 1.0))
        before.append(stops.trained(out))
        study.kill("chief")
        stops.wait_for(lambda: study.text.count("chief was killed") == len(before))
    assert study.end() == 0
    stops.check(out, TRIALS, before)
    print(f"begun {stops.begun(out)} times")


@pytest.mark.nightly
def test_a_stopped_worker_is_replaced(started, tmp_path):
    file, out = stops.written(tmp_path, TRIALS), tmp_path / "out"
    study, before, waited = started(file, "--patience", "40"), [], []
    for round_ in range(STOPS // 2):
        count = len(stops.trained(out))
        stops.wait_for(lambda n=count: len(stops.trained(out)) > n)
        pids = [study.kill(name, signal.SIGSTOP) for name in stops.WORKERS]
        before.append(stops.trained(out))
        waited.append(
            stops.wait_for(lambda p=pids: not {study.pid(n) for n in stops.WORKERS} & set(p))
        )
        assert study.text.count("made no progress for 40 seconds") == 2 * (round_ + 1)
    assert study.end() == 0
    stops.check(out, TRIALS, before)
    print(f"replaced after {min(waited):.0f} to {max(waited):.0f} s; begun {stops.begun(out)}")


@pytest.fixture
def disk(tmp_path):
    """A small file system in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk, left):
    """Writes a file that leaves `left` bytes of the disk free."""
    file = disk / "ballast"
    status = os.statvfs(disk)
    file.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - left)))
    return file


@pytest.mark.nightly
@pytest.mark.parametrize("module", ["study", "launch"])
def test_a_study_on_a_full_disk(module, started, tmp_path, disk):
    """Each time there is room for a part of a trial's files."""
    file, out, moments = stops.written(tmp_path, 6, units=64), disk / "out", random.Random(0)
    before, reasons = [], set()
    for _ in range(STOPS):
        ballast = fill(disk, moments.randrange(0, 150_000))
        study = started(file, module=module, out=out)
        status = study.end(180)
        assert status == 1, study.text
        assert "No space left on device" in study.text
        assert "Traceback" not in study.text
        reasons.add(study.text.splitlines()[-1].split(":")[0])
        before.append(stops.trained(out))
        ballast.unlink()
    study = started(file, module=module, out=out)
    assert study.end() == 0, study.text
    stops.check(out, 6, before)
    print(f"stopped in {sorted(reasons)}; begun {stops.begun(out)} times")


# Without whole studies.


@pytest.fixture
def one_trial(tmp_path, monkeypatch):
    """`one_trial()` opens a study of one trial, as a new process would."""
    for name, value in COMMANDS.items():
        monkeypatch.setenv(name, value)
    found = config.load(studies.small(tmp_path, "random", 1, examples=150))
    splits = data.load(found)
    return lambda: Tuner(oracles.oracle(found)[0], found, "searched", splits, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "full",
        pytest.param("full at its end", marks=pytest.mark.nightly),
        pytest.param("interrupted", marks=pytest.mark.nightly),
    ],
)
def test_orderly_stops_are_not_counted(kind, one_trial, monkeypatch):
    """A study of one trial is stopped in the trial, or when its results are saved."""
    error = KeyboardInterrupt() if kind == "interrupted" else OSError(errno.ENOSPC, "full")
    write = durable.write

    def stop(*_):
        raise error

    def stop_at_the_end(path, content):
        if "metrics" in content and content["metrics"]["metrics"]:
            raise error
        write(path, content)

    with monkeypatch.context() as patched:
        if kind == "full at its end":
            patched.setattr(durable, "write", stop_at_the_end)
        else:
            patched.setattr(durable, "save_weights", stop)
        for _ in range(STOPS):
            with pytest.raises(KeyboardInterrupt if kind == "interrupted" else FatalError):
                one_trial().search(verbose=0)
    tuner = one_trial()
    tuner.search(verbose=0)
    assert [trial.status for trial in tuner.oracle.ended()] == ["COMPLETED"]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "state.json"
    durable.write(file, {"a": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full") as refused:
        durable.write(file, {"a": 2})
    assert refused.value.filename == str(file)
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
    assert durable.read(file) == {"a": 1}


PROCESS = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from tuning import cluster
signal.signal(signal.SIGTERM, signal.default_int_handler)
cluster.end_with_launcher()
while True:
    cluster.progress()
    time.sleep(0.1)
"""


@pytest.fixture
def process(tmp_path):
    """`process(name)`: a process of a study that makes progress, and does nothing else."""
    (tmp_path / "logs").mkdir()
    code = PROCESS.format(root=str(launch.Path(launch.__file__).parents[1]))

    def start(name):
        return launch.StudyProcess(name, [sys.executable, "-c", code], {}, tmp_path)

    with stops.stopping(start) as start:
        yield start


@pytest.mark.slow
def test_a_process_ends_with_its_launcher(process, tmp_path):
    worker = process("tuner0")
    stops.wait_for((tmp_path / "logs" / "tuner0.progress").exists, 10)
    assert worker.ended() is None
    worker.process.stdin.close()  # as the system does for a killed launcher
    stops.wait_for(lambda: worker.ended() is not None, cluster.ENDING)


@pytest.mark.slow
def test_hanging_processes_are_replaced(process, monkeypatch):
    monkeypatch.setattr(launch, "POLL", 0.1)
    chief, *workers = (process(name) for name in ("chief", "tuner0", "tuner1"))
    first = [each.process.pid for each in (chief, *workers)]
    stopped = []

    def sleep(seconds, sleep=time.sleep):
        sleep(seconds)
        if not stopped and all(each.idle() <= 0.2 for each in (chief, *workers)):
            stopped.extend([chief.process.pid, workers[0].process.pid])
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
        if stopped and chief.starts == workers[0].starts == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(launch.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        launch.supervise(chief, *workers, patience=3.0)
    assert workers[1].process.pid == first[2]
    assert workers[1].starts == 1
