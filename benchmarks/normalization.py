"""Test accuracy of dense Yat networks with and without normalization, by the learning rate.

    python -m benchmarks.normalization
    python -m benchmarks.normalization --tasks "depth 30" --nets none layer --seeds 5
    python -m benchmarks.normalization --markdown

6 000 images of MNIST, 4 epochs of batches of 128, layers of width 64, constant rates, by
`benchmarks.rates`. A normalization is before each hidden layer; those of batches have the momentum
0.9, as there are 188 steps. An accuracy of about 10 is that of guessing.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import command, rates
from examples import options

RATES = {"Adam": (1e-3, 1e-2), "SGD": (1e-2, 1e-1, 3e-1)}
NETS = ("none", "layer", "batch", "Keras layer", "Keras batch")
IMAGES = 6000


def raw() -> tuple[np.ndarray, ...]:
    """Images with pixels from 0 to 255."""
    x, y, x_test, y_test = rates.scaled_images(255)
    return x[:IMAGES], y[:IMAGES], x_test, y_test


def dense(depth: int, initializer: str = "yat_normal") -> Callable[[str], Any]:
    """Builds a network with `depth` hidden layers, by one of `NETS`."""

    def build(net):
        import keras

        import keras_yat

        normalization = {
            "layer": keras_yat.YatLayerNormalization,
            "batch": functools.partial(keras_yat.YatBatchNormalization, momentum=0.9),
            "Keras layer": keras.layers.LayerNormalization,
            "Keras batch": functools.partial(keras.layers.BatchNormalization, momentum=0.9),
        }.get(net)
        layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
        for _ in range(depth):
            if normalization is not None:
                layers.append(normalization())
            layers.append(keras_yat.YatDense(64, kernel_initializer=initializer))
        return keras.Sequential([*layers, keras.layers.Dense(10)])

    return build


standardized = functools.partial(rates.images, "mnist", IMAGES)
TASKS = [
    rates.Task("pixels 0 to 255", raw, dense(2), 4),
    rates.Task("depth 2", standardized, dense(2), 4),
    rates.Task("depth 5, Glorot", standardized, dense(5, "glorot_uniform"), 4),
    rates.Task("depth 30", standardized, dense(30), 4),
]


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "normalization")
    names = [task.name for task in TASKS]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, metavar="TASK")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS, metavar="NET")
    parser.add_argument("--seeds", type=options.positive, default=3, help="default: %(default)s")
    parser.set_defaults(backend="jax")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[dict]:
    from tqdm import tqdm

    chosen = [task for task in TASKS if task.name in arguments.tasks]
    each = arguments.seeds * sum(map(len, RATES.values()))
    rows = []
    with tqdm(total=len(chosen) * len(arguments.nets) * each, unit="training") as bar:
        for task in chosen:
            for net in arguments.nets:
                rows += rates.accuracies(task, net, arguments.seeds, bar, RATES)
            bar.write("\n" + markdown([row for row in rows if row["task"] == task.name]))
    return rows


def markdown(rows: Sequence[dict]) -> str:
    """A table for each task: mean accuracy by net and rate, and its standard deviation."""
    columns = [(name, rate) for name, every in RATES.items() for rate in every]
    parts = []
    for task in dict.fromkeys(row["task"] for row in rows):
        heads = [f"{name} {rate:g}" for name, rate in columns]
        parts.append(f"| {task} | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}")
        for net in dict.fromkeys(row["net"] for row in rows if row["task"] == task):
            cells = []
            for column in columns:
                found = [
                    100 * float(row["accuracy"])
                    for row in rows
                    if (row["task"], row["net"]) == (task, net)
                    and (row["optimizer"], float(row["rate"])) == column
                ]
                cells.append(f"{np.mean(found):.1f} ± {np.std(found):.1f}")
            parts.append(f"| {net} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
