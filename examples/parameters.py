"""What the parameters of activations learn, and whether training them matters.

    python -m examples.parameters --backend jax
    python -m examples.parameters --activation sinlu,mila

Each trainable activation is trained in five ways, at the rate that `python -m examples.rates` found
best for it (`--rates`), with the same initial weights and batches: with one set of parameters for
the network, for each layer and for each channel; frozen at the start; and frozen at the values that
the run of the same seed with a set for each layer has learned. Differences of the test accuracy are
paired by seed, with 95 % intervals and p-values adjusted for all comparisons of a network
(Benjamini and Hochberg).

Needs JAX, and is meant for an accelerator (`examples/vectorized.py`). Several processes may run the
same command. The same command resumes after the last finished activation.
"""

import argparse
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, config, studies

CONFIGS = [Path(__file__).parent / "configs" / "parameters_dnn3.toml"]
RATES = Path(__file__).parent / "results" / "rates.csv"


class Way(NamedTuple):
    """How the parameters are shared, and whether and where they are frozen."""

    share: config.Share
    frozen: Literal["", "start", "learned"] = ""


LEARNED = "trained, per layer"
START = "frozen at the start"
WAYS = {
    START: Way("layer", "start"),
    LEARNED: Way("layer"),
    "trained, one set": Way("network"),
    "trained, per channel": Way("channel"),
    "frozen at learned values": Way("layer", "learned"),  # after LEARNED
}


def main(arguments: argparse.Namespace) -> int:
    from examples import parameters_report

    folder = Path(arguments.out)
    todo = list(jobs(arguments, folder))
    trainings = len(WAYS) * arguments.seeds
    files = studies.train(todo, trainings, functools.partial(study, seeds=arguments.seeds))
    if files is None:
        return 0
    titles = {job.network: job.recipe.title for job in todo}
    parameters_report.write(files, titles, folder)
    print(f"\nSaved parameters.csv, learned.csv, tables.md and pictures in {folder}.")
    return 0


def parse() -> argparse.Namespace:
    parser = studies.parser(__doc__.split("\n")[0], "parameters", CONFIGS)
    parser.add_argument("--rates", type=Path, default=RATES, help="default: %(default)s")
    return parser.parse_args()


def jobs(arguments: argparse.Namespace, folder: Path) -> Iterator[studies.Job]:
    import keras_yat

    names = arguments.activation
    if names == ["all"]:
        names = [name for name in keras_yat.activations.names() if has_parameters(name)]
    rates = studies.best_rates(arguments.rates)
    for path in arguments.configs:
        for name in names:
            if not has_parameters(name):
                raise SystemExit(f"--activation: {name} has no parameters.")
            network = studies.network(path)
            if (network, name) not in rates:
                raise SystemExit(f"{arguments.rates} has no rate of {name} in {network}.")
            training = {"learning_rate": rates[network, name]}
            changes = {"model": {"activation": name}, "training": training}
            yield studies.job(path, name, changes, arguments, folder, {"seeds": arguments.seeds})


def has_parameters(name: str) -> bool:
    import keras_yat

    return hasattr(keras_yat.activations.get(name), "default_bounds")


def study(
    job: studies.Job, splits: Any, saved: studies.Saved, on_epoch_end: Any, seeds: int
) -> None:
    """Trains an activation in each way, and records its learned parameters."""
    from examples import vectorized

    found: list[dict[str, Any]] = []
    learned: list[dict[str, Any]] = []
    values: dict[int, dict[str, np.ndarray]] = {}
    copies = [
        vectorized.Copy(seed, job.recipe.training.learning_rate)
        for seed in range(studies.FIRST_NEW_SEED, studies.FIRST_NEW_SEED + seeds)
    ]
    for name, way in WAYS.items():
        model = job.recipe.model.model_copy(update={"share": way.share})
        recipe = job.recipe.model_copy(update={"model": model})
        prepare = freezing(values if way.frozen == "learned" else {}) if way.frozen else None
        program = vectorized.Program(recipe, splits, prepare, job.together)
        for result in program.train(copies, on_epoch_end):
            found.append(studies.row(job, {"way": name}, result))
            if not way.frozen:
                learned += list(records(job, name, result))
            if name == LEARNED:
                history = result.parameters.history
                values[result.copy.seed] = {path: each[-1] for path, each in history.items()}
    saved.write(results=found, learned=learned)


def freezing(values: dict[int, dict[str, np.ndarray]]) -> Any:
    """A function that freezes the activations of a model, at the values of a seed if given."""

    def freeze(model: Any, seed: int) -> None:
        for layer in model.layers:
            if hasattr(layer, "default_bounds"):
                for weight in layer.weights:
                    if weight.path in values.get(seed, {}):
                        weight.assign(values[seed][weight.path])
                layer.trainable = False

    return freeze


def records(job: studies.Job, way: str, result: Any) -> Iterator[dict[str, Any]]:
    """Start and end of each parameter: mean, least and largest entry."""
    for path, history in result.parameters.history.items():
        end = history[-1]
        yield {
            "network": job.network,
            "variant": job.variant,
            "way": way,
            "seed": result.copy.seed,
            "parameter": path,
            "entries": end.size,
            **{
                name: float(f"{value:.5g}")
                for name, value in (
                    ("start", history[0].mean()),
                    ("end", end.mean()),
                    ("least", end.min()),
                    ("largest", end.max()),
                )
            },
        }


if __name__ == "__main__":
    command.start(parse, main)
