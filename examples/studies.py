"""Studies of variants of a network: their files, and who trains what. Imports no Keras at first.

A study has a file for each variant of a network, `OUT/NETWORK/VARIANT.json`, with its results.
The same command resumes after the last result that was written, and several processes may run it:
each takes variants that no other process is training.
"""

import argparse
import contextlib
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from examples import config, durable, options

FIRST_NEW_SEED = 100
"""Seeds from here on are not used in a search of rates."""
SWEEP, NEW = "sweep", "new seeds"
"""The stages of a search of rates."""


class Job(NamedTuple):
    """A variant of a network, and its file."""

    network: str
    variant: str
    recipe: config.Recipe
    file: Path
    of: str
    """Fingerprint of all that the results depend on."""
    together: int
    """Trainings in one program."""


class Saved:
    """The file of a job, with the results so far."""

    def __init__(self, job: Job):
        self._file = job.file
        self.content: dict[str, Any] = {"of": job.of, "finished": False, "results": []}
        with contextlib.suppress(durable.Damaged):  # missing, or of other settings: written anew
            self.content |= durable.read(job.file, of=job.of)

    @property
    def results(self) -> list[dict[str, Any]]:
        return self.content["results"]

    def write(self, **changes: Any) -> None:
        self.content |= changes
        durable.write(self._file, self.content)


Study = Callable[[Job, Any, Saved, Callable[[int], None]], None]
"""Trains a variant: the job, its data, the file that it adds results to, and a callback which gets
the number of trainings that have finished an epoch."""


def parser(description: str, name: str, configs: list[Path]) -> argparse.ArgumentParser:
    """A parser with the options of every study.

    Args:
        description: What the study does.
        name: Its name: results go to `runs/<name>`.
        configs: The default networks.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("configs", nargs="*", type=Path, default=configs, help="networks")
    parser.add_argument(
        "--activation",
        type=lambda text: text.split(","),
        default="all",
        help="names, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--seeds", type=options.positive, default=10, help="new seeds (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=options.positive, help="instead of the config's")
    parser.add_argument(
        "--together",
        type=options.positive,
        default=5,
        help="trainings in one program (default: %(default)s)",
    )
    options.add_common(parser, name)
    return parser


def network(path: Path) -> str:
    """The name of the network of a configuration such as rates_dnn3.toml."""
    return path.stem.removeprefix("rates_").removeprefix("parameters_")


def job(
    path: Path,
    variant: str,
    changes: dict[str, dict[str, Any]],
    arguments: argparse.Namespace,
    folder: Path,
    settings: dict[str, Any],
) -> Job:
    """The job of a variant.

    Args:
        path: The configuration.
        variant: The name of the variant.
        changes: Its changes to the configuration.
        arguments: The options of `parser`.
        folder: The folder of the study.
        settings: What else the results depend on.
    """
    from examples import train

    if arguments.epochs:
        changes = {
            **changes,
            "training": {**changes.get("training", {}), "epochs": arguments.epochs},
        }
    recipe = config.load(path, changes)
    train.check(path, recipe.model)
    name = variant.replace(", ", "-").replace(" ", "-").replace(":", ".")
    file = folder / network(path) / f"{name}.json"
    of = durable.fingerprint({**recipe.model_dump(mode="json"), **settings})
    return Job(network(path), variant, recipe, file, of, arguments.together)


def train(todo: list[Job], trainings: int, study: Study) -> list[dict[str, Any]] | None:
    """Trains the unfinished jobs that no other process is training.

    Args:
        todo: All jobs of the study.
        trainings: The number of trainings of a job.
        study: Trains one.

    Returns:
        The content of each file, or None if other processes are still training.
    """
    from tqdm import tqdm

    from examples import runs

    left = [each for each in todo if not _is_finished(each)]
    print(f"Variants: {len(todo)}, of which {len(todo) - len(left)} are finished.", flush=True)
    data: dict[str, Any] = {}
    total = sum(each.recipe.training.epochs * trainings for each in left)
    with tqdm(total=total, unit="epoch", dynamic_ncols=True, smoothing=0.1) as bar:
        for each in left:
            begun = bar.n
            each.file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with durable.lock(each.file.parent, "trains", each.file.stem):
                    if not _is_finished(each):
                        key = each.recipe.data.model_dump_json()
                        data = data if key in data else {key: runs.load(each.recipe.data)}
                        saved = Saved(each)
                        study(each, data[key], saved, bar.update)
                        saved.write(finished=True)
                        bar.write(f"{each.network}: {each.variant}")
            except durable.Busy:
                pass
            bar.update(begun + each.recipe.training.epochs * trainings - bar.n)
    missing = sum(not _is_finished(each) for each in todo)
    if missing:
        print(f"Other processes are training {missing} of {len(todo)} variants.")
        return None
    return [Saved(each).content for each in todo]


def _is_finished(job: Job) -> bool:
    return bool(Saved(job).content["finished"])


def row(job: Job, kind: dict[str, str], result: Any) -> dict[str, Any]:
    """The result of one training, for a CSV file; `kind` says what kind of training it was."""
    from examples import vectorized

    last = {name: values[-1] for name, values in result.history.items()}
    return {
        "network": job.network,
        "variant": job.variant,
        **kind,
        "rate": result.copy.rate,
        "seed": result.copy.seed,
        "val_accuracy": round(last["val_accuracy"], 5),
        "test_accuracy": round(result.metrics["test_accuracy"], 5),
        "test_crossentropy": round(result.metrics["test_crossentropy"], 5),
        "seconds": round(sum(result.history["seconds"]), 3),
        "device": vectorized.device(),
    }


def best_rates(path: Path) -> dict[tuple[str, str], float]:
    """The best rate by network and variant, from the `rates.csv` of `examples.rates`.

    Raises:
        SystemExit: if the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {
            (row["network"], row["variant"]): float(row["rate"])
            for row in rows
            if row["stage"] == NEW
        }
    except (OSError, KeyError, ValueError) as error:
        raise SystemExit(
            f"{path} could not be read as the table of examples.rates: {error}"
        ) from error
