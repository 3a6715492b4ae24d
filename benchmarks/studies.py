"""What a study of `tuning` costs over its trainings, and what killing it does to it.

    python -m benchmarks.studies overhead --backend jax
    python -m benchmarks.studies kills --backend jax
    python -m benchmarks.studies workers --backend jax

`overhead` runs the trainings of a study bare, in a loop, and as a study, in turn; the
ratio is of the wall time of all trials. `kills` runs a study, kills it with SIGKILL at
random moments and starts it again each time, and compares it with one that was left alone:
trials, values, scores, and how often each trial was begun. `workers` does the same to one
of two workers of a study of a chief.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from examples import command, options

ROOT = Path(__file__).resolve().parents[1]
SMALL = """
[data]
examples = {examples}
[model]
units = [16]
[training]
epochs = 3
seeds = 2
[tuner]
kind = "{tuner}"
{budget}
[final]
seeds = 1
[arms.searched]
activation = ["nami", "mila"]
"""
LONG = """
[data]
name = "digits"
[model]
units = [256, 256]
[training]
epochs = {epochs}
[tuner]
trials = {trials}
[final]
seeds = 1
[arms.searched]
activation = ["nami", "mila"]
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["overhead", "kills", "workers"])
    options.add_backend(parser)
    parser.add_argument("--kills", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--trials", type=int, help="default: 3 for overhead, else 6")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a trial: %(default)s")
    parser.add_argument("--seed", type=options.seed, default=0, help="of the moments: %(default)s")
    return parser.parse_args()


def main(arguments: argparse.Namespace) -> None:
    command.torch_on_one_thread()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the studies
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "overhead":
            overhead(Path(folder), arguments.trials or 3, arguments.seconds)
            return
        config = small(Path(folder), "random", arguments.trials or 6)
        whole = Path(folder, "whole")
        run(config, whole)
        cut = Path(folder, "cut")
        if arguments.what == "kills":
            moments = random.Random(arguments.seed)
            told = killed(config, cut, arguments.kills, moments, two_trials(whole))
        else:
            told = worker_killed(config, cut, log=True)
        print(json.dumps(compared(whole, cut, told), indent=2))


def small(folder: Path, tuner: str, trials: int, examples: int = 300) -> Path:
    """The file of a study of seconds; `trials` counts for all but Hyperband."""
    budget = "" if tuner == "hyperband" else f"trials = {trials}"
    config = folder / f"{tuner}.toml"
    config.write_text(SMALL.format(tuner=tuner, budget=budget, examples=examples))
    return config


def start(module: str, config: Path, out: Path, *further: str) -> subprocess.Popen:
    command = [sys.executable, "-m", f"tuning.{module}", str(config), "--out", str(out), *further]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)  # type: ignore[call-overload]


def run(config: Path, out: Path) -> None:
    """The study from where it is to its end."""
    status = start("study", config, out).wait(timeout=600)
    if status:
        raise SystemExit(f"The study ended with {status}.")


def killed(config: Path, out: Path, kills: int, moments: random.Random, longest: float) -> int:
    """Kills the study so often, each time at a random moment of its trials; then lets it end.

    `longest` is how many seconds after the begin of a trial. Returns how many kills hit it
    before it had ended by itself.
    """
    hit = 0
    while hit < kills:
        process = start("study", config, out)
        before = _begun(out)
        _wait_for(lambda n=before, p=process: _begun(out) > n or p.poll() is not None)  # type: ignore[misc]
        # Any moment of this trial, of the next one, and of what lies between them.
        time.sleep(moments.uniform(0.0, longest))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        hit += 1
    run(config, out)
    return hit


def worker_killed(config: Path, out: Path, log: bool = False) -> int:
    """Runs the study with two workers, and kills one of them in the middle of a trial."""
    process = start("launch", config, out, "--workers", "2")
    _wait_for(lambda: _begun(out) >= 2)
    victim = next(iter(_attempts(out).values()))[0].split()[-1]
    os.kill(int(victim), signal.SIGKILL)
    if log:
        print(f"{time.strftime('%H:%M:%S')} killed worker process {victim}", flush=True)
    if process.wait(timeout=600):
        raise SystemExit(f"The study ended with {process.returncode}.")
    return 1


def two_trials(out: Path) -> float:
    """The seconds from the begin of the first trial to the end of the second."""
    begin = min(file.stat().st_ctime for file in out.glob("searched/trial_*/attempts.txt"))
    ends = sorted(file.stat().st_mtime for file in out.glob("searched/trial_*/trial.json"))
    return ends[1] - begin


def _wait_for(there, needed: bool = True) -> None:
    until = time.monotonic() + 180.0
    while needed and not there():
        if time.monotonic() > until:
            raise SystemExit("The study does not get on.")
        time.sleep(0.02)


def _attempts(out: Path) -> dict[str, list[str]]:
    """The lines that each trial has written when it was begun: time and process."""
    files = sorted(out.glob("searched/trial_*/attempts.txt"))
    return {file.parent.name: file.read_text().splitlines() for file in files}


def _begun(out: Path) -> int:
    return sum(map(len, _attempts(out).values()))


def compared(whole: Path, cut: Path, kills: int) -> dict:
    """How a study that was killed differs from one that was not."""
    one, other = (
        {
            file.parent.name: json.loads(file.read_text())
            for file in sorted(out.glob("searched/trial_*/trial.json"))
        }
        for out in (whole, cut)
    )
    common = [name for name in one if name in other]
    attempts = _attempts(cut)
    return {
        "kills": kills,
        "trials": len(one),
        "trials of the study that was killed": len(other),
        "completed": sum(trial["status"] == "COMPLETED" for trial in other.values()),
        "same values": sum(
            one[n]["hyperparameters"]["values"] == other[n]["hyperparameters"]["values"]
            for n in common
        ),
        "same score": sum(one[name]["score"] == other[name]["score"] for name in common),
        "begun": sum(map(len, attempts.values())),
        "begun more than once": sum(len(lines) > 1 for lines in attempts.values()),
    }


def overhead(folder: Path, trials: int, seconds: float) -> None:
    """Prints how much longer a study's trials take than the same trainings in a loop."""
    import keras

    from tuning import config, data, models, study, tuner

    file = folder / "long.toml"
    file.write_text(LONG.format(epochs=2, trials=trials))
    found = config.load(file)
    parts = data.load(found)
    arm = found.arms["searched"]

    def bare(values, epochs):
        keras.utils.clear_session(free_memory=True)
        keras.utils.set_random_seed(0)
        begun = time.perf_counter()
        model = models.build(values.copy(), found, arm, parts)
        tuner.fit(model, parts.train, parts.validation, found, epochs)
        return time.perf_counter() - begun

    import keras_tuner

    # What an epoch takes, without the first one.
    hp = keras_tuner.HyperParameters()
    models.build(hp, found, arm, parts)
    bare(hp, 2)  # imports, and compiles
    short, long = bare(hp, 2), bare(hp, 12)
    epochs = max(2, round(10 * seconds / (long - short)))
    file.write_text(LONG.format(epochs=epochs, trials=trials))
    found = config.load(file)
    begun = time.perf_counter()
    searched = study.search(found, "searched", parts, folder / "out", 0, None)
    with_study = time.perf_counter() - begun
    each = [bare(trial.hyperparameters, epochs) for trial in searched.oracle.ended()]
    print(
        f"{keras.backend.backend()}: {trials} trials of {epochs} epochs; bare {sum(each):.1f} s "
        f"({min(each):.1f} to {max(each):.1f} each), as a study {with_study:.1f} s: "
        f"ratio {with_study / sum(each):.3f}"
    )


if __name__ == "__main__":
    command.start(parse, main)
