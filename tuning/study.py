"""Runs a study of Keras Tuner from a TOML file, and compares its arms at equal budget.

    python -m tuning.study tuning/configs/activations.toml
    python -m tuning.study tuning/configs/activations.toml --backend torch --out runs/mine

Each arm of the study is a search space of its own: starting values that are searched, say,
and the same with the defaults. Every arm gets the same number of trials, epochs and seeds,
scored on validation data; then its best values are trained again from new seeds, on training
and validation data, and tested. Interrupted, by whatever means, the same command goes on
where it was. On many machines: see tuning/README.md.
"""

import argparse
import fnmatch
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python tuning/study.py`

from examples import command, durable, options
from tuning import cluster, config


def main(arguments: argparse.Namespace) -> int:
    import keras
    from keras_tuner.errors import FatalError

    study = config.load(arguments.config)
    command.torch_on_one_thread()
    # A scheduler's polite end is an interruption too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = arguments.out or Path("runs", arguments.config.stem)
    folder.mkdir(parents=True, exist_ok=True)
    role = cluster.role()
    try:
        if role == "worker":
            _same_study(study, keras.backend.backend(), folder)
            run(study, folder, role)
        else:
            with durable.alone(folder, "runs the study"):
                _same_study(study, keras.backend.backend(), folder)
                run(study, folder, role)
    except FatalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"\nInterrupted. The same command resumes from {folder}, with all trials that ended."
        ) from None
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, help="a TOML file, such as those in tuning/configs")
    options.add_backend(parser)
    parser.add_argument("--out", type=Path, help="folder (default: runs/ and the config's name)")
    return parser.parse_args()


def _same_study(study: config.Study, chosen: str, folder: Path) -> None:
    """Notes what study the folder is of, and refuses to go on with another one."""
    content = {"backend": chosen, **study.model_dump(mode="json")}
    # How it is told in the end may be changed.
    durable.same(folder / "study.json", content, "the trials of another study", ("title", "final"))


def run(study: config.Study, folder: Path, role: str | None = None) -> None:
    """Searches each arm, tests its best values, and reports."""

    from tuning import data, final, report

    parts = data.load(study)
    print(
        f"{parts.origin}: {len(parts.train.y)} examples to train on, {len(parts.validation.y)} to "
        f"score trials on, {len(parts.test.y)} to test on; {command.versions()}.",
        flush=True,
    )
    if role == "worker":
        return _work(study, folder, parts)
    tuners = {}
    for place, name in enumerate(study.arms):
        tuners[name] = search(study, name, parts, folder, place, role)
    failed = [name for name, tuner in tuners.items() if not _completed(tuner)]
    for name in failed:
        _tell_failures(name, tuners[name])
    if failed:
        raise SystemExit(f"No trial of {', '.join(failed)} has succeeded: nothing to compare.")
    tested = {name: final.test(study, name, tuner, folder) for name, tuner in tuners.items()}
    report.write(study, tuners, tested, folder)
    return None


def search(
    study: config.Study,
    name: str,
    parts: Any,
    folder: Path,
    place: int,
    role: str | None,
) -> Any:
    """Searches an arm, or what is left of it; on many machines, lets the workers do so."""
    from tqdm import tqdm

    from tuning import oracles
    from tuning.tuner import failure

    oracle, count = oracles.oracle(study)
    tuner = _tuner(study, name, oracle, parts, folder)
    _check_held(study.arms[name], name, oracle)
    done = folder / config.folder_name(name) / "done.json"
    if done.exists() or oracle.finished():
        return tuner
    bar = tqdm(
        total=count,
        initial=len(oracle.ended()),
        desc=name,
        unit="trial",
        dynamic_ncols=True,
        smoothing=0.1,
    )

    def note(trial: Any) -> None:
        if trial.status != "COMPLETED":
            reason = failure(tuner, trial)
            bar.write(f"{name}, trial {trial.trial_id} failed: {reason}", file=sys.stderr)
        best = oracle.get_best_trials()[0].score
        bar.set_postfix_str("" if best is None else f"best {best:.4f}", refresh=False)
        bar.update()

    oracle.listener = note
    with bar, cluster.arm(place):
        if role == "chief":
            cluster.check_port()
        # `verbose` is that of the oracle's own log, which the bar stands for.
        tuner.search(verbose=0)
    durable.write(done, {"trials": len(oracle.ended())})
    return tuner


def _tuner(study: config.Study, name: str, oracle: Any, parts: Any, folder: Path) -> Any:
    from tuning.tuner import Tuner

    try:
        return Tuner(oracle, study, name, parts, folder)
    except (OSError, ConnectionError, KeyboardInterrupt):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise SystemExit(f"arms.{name}: no model of the default values. {what}") from error


def _check_held(arm: config.Arm, name: str, oracle: Any) -> None:
    """Refuses what is held or set but is not there: a slip would be searched, and not be seen."""
    names = [dimension.name for dimension in oracle.get_space().space]
    for pattern in [*arm.hold, *arm.set]:
        if pattern not in names and not fnmatch.filter(names, pattern):
            raise SystemExit(
                f"arms.{name}: hold and set name hyperparameters, and {pattern!r} is none of "
                f"{', '.join(names)}"
            )


def _work(study: config.Study, folder: Path, parts: Any) -> None:
    """Runs trials for a chief elsewhere, arm by arm."""
    import grpc

    from tuning import oracles
    from tuning._keras_tuner_compat import set_patience

    set_patience(120)  # the chief may have gone on to the next arm
    names = list(study.arms)
    place = 0
    while place < len(names):
        place = cluster.open_arm(place, len(names))
        print(f"{cluster.own_name()} joins {names[place]}.", flush=True)
        try:
            with cluster.arm(place):
                oracle, _ = oracles.oracle(study)
                _tuner(study, names[place], oracle, parts, folder).search(verbose=0)
            place += 1
        except (grpc.RpcError, ConnectionError) as error:
            print(f"{cluster.own_name()} lost the chief: {type(error).__name__}", flush=True)
    print(f"{cluster.own_name()} has no more to do.", flush=True)


def _completed(tuner: Any) -> bool:
    return any(trial.status == "COMPLETED" for trial in tuner.oracle.ended())


def _tell_failures(name: str, tuner: Any) -> None:
    from tuning.tuner import failure

    for reason in dict.fromkeys(failure(tuner, trial) for trial in tuner.oracle.ended()):
        print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    command.start(parse, main)
