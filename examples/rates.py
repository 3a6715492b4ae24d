"""Compares activations and Yat layers, each at its own learning rate.

    python -m examples.rates --backend jax
    python -m examples.rates examples/configs/rates_lstm.toml --activation sinlu,yat
    python -m examples.rates --report examples/results/rates.csv

For each network: every variant is trained at five rates over a factor of 100, with three seeds.
The rate with the highest mean validation accuracy is then used with ten new seeds, whose test
accuracy is compared with that of ReLU at its best rate, seed by seed: mean difference, 95 %
interval, and the p-value of the paired t-test, adjusted for the number of variants (Benjamini and
Hochberg). Test data select nothing.

Needs JAX, and is meant for an accelerator (`examples/vectorized.py`). Several processes may run the
same command: each takes variants that no other process is training. The same command resumes after
the last training. Writes tables, all single results and a picture to OUT.
"""

import argparse
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, config, options, studies

CONFIGS = [
    Path(__file__).parent / "configs" / f"rates_{name}.toml"
    for name in ("dnn3", "convolution", "lstm")
]
BASELINE = "relu"
PLAIN = (BASELINE, "gelu", "silu", "mish", "prelu", "tanh")
YAT: dict[str, dict[str, Any]] = {
    "yat": {"layers": "yat"},
    "yat with multiplier 1": {"layers": "yat", "kernel_multiplier": 1.0},
}
FACTORS = tuple(10.0 ** (power / 2.0) for power in range(-2, 3))


def main(arguments: argparse.Namespace) -> int:
    from examples import rates_report

    folder = Path(arguments.out)
    if arguments.report:
        results = rates_report.read(arguments.report)
        networks = dict.fromkeys(row["network"] for row in results)
        titles = {studies.network(path): config.load(path).title for path in arguments.configs}
        titles = {name: titles.get(name, name) for name in networks}
        rates_report.write(results, titles, BASELINE, folder)
        return 0
    todo = list(jobs(arguments, folder))
    trainings = len(FACTORS) * arguments.sweep_seeds + arguments.seeds
    one = functools.partial(study, sweep_seeds=arguments.sweep_seeds, seeds=arguments.seeds)
    files = studies.train(todo, trainings, one)
    if files is None:
        return 0
    titles = {job.network: job.recipe.title for job in todo}
    results = [row for file in files for row in file["results"]]
    rates_report.write(results, titles, BASELINE, folder)
    print(f"\nSaved rates.csv, best.csv, tables.md and a picture of each network in {folder}.")
    return 0


def parse() -> argparse.Namespace:
    parser = studies.parser(__doc__.split("\n")[0], "rates", CONFIGS)
    parser.add_argument("--sweep-seeds", type=options.positive, default=3, help="at each rate")
    parser.add_argument(
        "--report",
        type=Path,
        nargs="+",
        metavar="CSV",
        help="train nothing: write tables and pictures of the results in these rates.csv",
    )
    return parser.parse_args()


def variants(names: list[str]) -> dict[str, dict[str, Any]]:
    """The changes to a model by the name of the variant."""
    import keras_yat

    every = [*PLAIN, *keras_yat.activations.names(), *YAT]
    chosen = every if names == ["all"] else list(dict.fromkeys([BASELINE, *names]))
    return {name: YAT.get(name, {"layers": "keras", "activation": name}) for name in chosen}


def jobs(arguments: argparse.Namespace, folder: Path) -> Iterator[studies.Job]:
    settings = {"seeds": arguments.seeds, "sweep": arguments.sweep_seeds, "factors": FACTORS}
    for path in arguments.configs:
        for name, model in variants(arguments.activation).items():
            yield studies.job(path, name, {"model": model}, arguments, folder, settings)


def study(
    job: studies.Job,
    splits: Any,
    saved: studies.Saved,
    on_epoch_end: Any,
    sweep_seeds: int,
    seeds: int,
) -> None:
    """Trains a variant at each rate, then with new seeds at the best one."""
    from examples import vectorized

    program = vectorized.Program(job.recipe, splits, together=job.together)

    def train(stage: str, copies: list[Any]) -> list[dict[str, Any]]:
        of_stage = [row for row in saved.results if row["stage"] == stage]
        done = {(row["seed"], row["rate"]) for row in of_stage}
        on_epoch_end(len(done) * job.recipe.training.epochs)
        left = [copy for copy in copies if (copy.seed, copy.rate) not in done]
        for result in program.train(left, on_epoch_end):
            saved.results.append(studies.row(job, {"stage": stage}, result))
            saved.write()
        return [row for row in saved.results if row["stage"] == stage]

    rates = [float(f"{job.recipe.training.learning_rate * factor:.3g}") for factor in FACTORS]
    sweep = [vectorized.Copy(seed, rate) for rate in rates for seed in range(sweep_seeds)]
    best = best_rate(train(studies.SWEEP, sweep))
    first = studies.FIRST_NEW_SEED
    train(studies.NEW, [vectorized.Copy(seed, best) for seed in range(first, first + seeds)])


def best_rate(swept: list[dict[str, Any]]) -> float:
    """The rate with the highest mean validation accuracy."""
    found: dict[float, list[float]] = {}
    for row in swept:
        found.setdefault(row["rate"], []).append(row["val_accuracy"])
    return max(found, key=lambda rate: float(np.mean(found[rate])))


if __name__ == "__main__":
    command.start(parse, main)
