"""Runs a Keras Tuner study from a TOML file, and compares its arms at equal budget.

    python -m tuning.study tuning/configs/activations.toml
    python -m tuning.study tuning/configs/activations.toml --backend torch --out runs/mine

Each arm of the study is a search space, for example with searched starting values and with
the defaults. All arms have the same number of trials, epochs and seeds, and are evaluated on
validation data. Then the best values of each arm are trained from new seeds, on training and
validation data, and tested. After any interruption the same command resumes the study. For
several machines see tuning/README.md.
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
    # SIGTERM of a scheduler is handled like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster.end_with_launcher()
    cluster.progress()
    folder = arguments.out or Path("runs", arguments.config.stem)
    folder.mkdir(parents=True, exist_ok=True)
    role = cluster.role()
    lock = f"{cluster.process_name()}." if role == "worker" else ""
    # The processes of a killed launcher may still be ending.
    wait = 2.0 * cluster.ENDING if cluster.is_launched() else 0.0
    try:
        with durable.lock(folder, "runs the study", lock, wait):
            if role is None:
                durable.remove_parts(folder)
            _check_settings(study, keras.backend.backend(), folder)
            run(study, folder, role)
    except FatalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"\nInterrupted. The same command resumes from {folder}, with all finished trials."
        ) from None
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, help="a TOML file, such as those in tuning/configs")
    options.add_backend(parser)
    parser.add_argument("--out", type=Path, help="folder (default: runs/ and the config's name)")
    return parser.parse_args()


def _check_settings(study: config.Study, chosen: str, folder: Path) -> None:
    """Writes the study's settings to the folder, or checks that they are unchanged."""
    content = {"backend": chosen, **study.model_dump(mode="json")}
    # The title and the final test may change.
    what = "trials of another study"
    durable.check_settings(folder / "study.json", content, what, ("title", "final"))


def run(study: config.Study, folder: Path, role: str | None = None) -> None:
    """Searches each arm, tests its best values, and writes the report."""

    from tuning import data, final, report

    splits = data.load(study)
    print(
        f"{splits.origin}: {len(splits.train.y)} examples to train on, "
        f"{len(splits.validation.y)} to validate on, {len(splits.test.y)} to test on; "
        f"{command.versions()}.",
        flush=True,
    )
    if role == "worker":
        return _work(study, folder, splits)
    tuners = {}
    for place, name in enumerate(study.arms):
        tuners[name] = search(study, name, splits, folder, place, role)
    failed = [name for name, tuner in tuners.items() if not _completed(tuner)]
    for name in failed:
        _print_failures(name, tuners[name])
    if failed:
        raise SystemExit(f"All trials of {', '.join(failed)} failed: there is nothing to compare.")
    tested = {name: final.test(study, name, tuner, folder) for name, tuner in tuners.items()}
    report.write(study, tuners, tested, folder)
    return None


def search(
    study: config.Study,
    name: str,
    splits: Any,
    folder: Path,
    place: int,
    role: str | None,
) -> Any:
    """Runs the remaining trials of an arm, or on several machines serves them to workers."""
    from tqdm import tqdm

    from tuning import oracles
    from tuning.tuner import failure

    oracle, count = oracles.oracle(study)
    tuner = _tuner(study, name, oracle, splits, folder)
    _check_names(study.arms[name], name, oracle)
    done = folder / config.folder_name(name) / "done.json"
    if not oracle.waiting() and (oracle.finished() or _is_done(done, oracle)):
        return tuner
    bar = tqdm(
        total=count,
        initial=len(oracle.ended()),
        desc=name,
        unit="trial",
        dynamic_ncols=True,
        smoothing=0.1,
    )

    def on_trial_end(trial: Any) -> None:
        if trial.status != "COMPLETED":
            reason = failure(tuner, trial)
            bar.write(f"{name}, trial {trial.trial_id} failed: {reason}", file=sys.stderr)
        best = oracle.get_best_trials()[0].score
        bar.set_postfix_str("" if best is None else f"best {best:.4f}", refresh=False)
        bar.update()

    oracle.listener = on_trial_end
    with bar, cluster.arm(place):
        if role == "chief":
            cluster.check_port()
            tuner.serve(cluster.progress)
        else:
            # The progress bar replaces the oracle's log.
            tuner.search(verbose=0)
    durable.write(done, {"trials": len(oracle.ended())})
    return tuner


def _is_done(file: Path, oracle: Any) -> bool:
    """Whether all trials of an arm have ended; if the file is damaged, the oracle is asked."""
    try:
        return file.exists() and durable.read(file)["trials"] == len(oracle.ended())
    except (durable.Damaged, KeyError):
        return False


def _tuner(study: config.Study, name: str, oracle: Any, splits: Any, folder: Path) -> Any:
    from tuning.tuner import Tuner

    try:
        return Tuner(oracle, study, name, splits, folder)
    except (OSError, ConnectionError, KeyboardInterrupt):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise SystemExit(
            f"arms.{name}: the model of the default values cannot be built. {what}"
        ) from error


def _check_names(arm: config.Arm, name: str, oracle: Any) -> None:
    """Checks `hold` and `set`: a misspelled hyperparameter would be searched unnoticed."""
    names = [dimension.name for dimension in oracle.get_space().space]
    for pattern in [*arm.hold, *arm.set]:
        if pattern not in names and not fnmatch.filter(names, pattern):
            raise SystemExit(
                f"arms.{name}: hold and set must name hyperparameters of {', '.join(names)}. "
                f"Received: {pattern!r}"
            )


def _work(study: config.Study, folder: Path, splits: Any) -> None:
    """Runs trials for a chief in another process, arm by arm."""
    import grpc

    from tuning import oracles
    from tuning._keras_tuner_compat import set_patience

    set_patience(120)  # the chief may have moved on to the next arm
    names = list(study.arms)
    place = 0
    while place < len(names):
        place = cluster.open_arm(place, len(names))
        print(f"{cluster.process_name()} joins {names[place]}.", flush=True)
        try:
            with cluster.arm(place):
                oracle, _ = oracles.oracle(study)
                _tuner(study, names[place], oracle, splits, folder).search(verbose=0)
            place += 1
        except (grpc.RpcError, ConnectionError) as error:
            name = type(error).__name__
            print(f"{cluster.process_name()} lost the chief: {name}", flush=True)
    print(f"{cluster.process_name()} has finished.", flush=True)


def _completed(tuner: Any) -> bool:
    return any(trial.status == "COMPLETED" for trial in tuner.oracle.ended())


def _print_failures(name: str, tuner: Any) -> None:
    from tuning.tuner import failure

    for reason in dict.fromkeys(failure(tuner, trial) for trial in tuner.oracle.ended()):
        print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    command.start(parse, main)
