"""The adding problem: which recurrent layers learn to look back a hundred steps.

    python -m benchmarks.adding --backend jax

Each sequence is of random numbers in [0, 1), two of them marked, one in each half; the
target is the sum of the two. Whoever answers 1 always has a mean squared error of 1/6.
Every layer trains on new sequences all the time, from one seed. Writes the error on
1000 sequences that were kept aside, every few steps, as CSV, and the curves as PNG beside
it; `--markdown` prints the last errors. There is no real data for this question.
"""

import argparse
from pathlib import Path

from benchmarks import command

LAYERS = ("YatSimpleRNN", "YatLSTM", "YatGRU", "SimpleRNN", "LSTM", "GRU")
UNITS = 64
BATCH = 64


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "adding")
    parser.add_argument("--length", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--every", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=0.003, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--only", nargs="+", choices=LAYERS, default=LAYERS)
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    from tqdm import tqdm

    rows = []
    for layer in (bar := tqdm(arguments.only)):
        bar.set_description(layer)
        for step, error in curve(layer, arguments):
            rows.append(
                {
                    "layer": layer,
                    "length": arguments.length,
                    "step": step,
                    "error": error,
                    "seed": arguments.seed,
                    "rate": arguments.rate,
                    "backend": arguments.backend,
                }
            )
    draw(rows, arguments.csv.with_suffix(".png"))
    return rows


def sequences(count: int, length: int, rng):
    """`count` sequences of numbers with marks, `(count, length, 2)`, and the sums."""
    import numpy as np

    numbers, marks = rng.uniform(size=(count, length)), np.zeros((count, length))
    for first, last in ((0, length // 2), (length // 2, length)):
        marks[np.arange(count), rng.integers(first, last, size=count)] = 1.0
    x = np.stack([numbers, marks], axis=-1).astype("float32")
    return x, np.sum(numbers * marks, axis=1, keepdims=True).astype("float32")


def curve(name: str, arguments) -> list[tuple[int, float]]:
    """(step, mean squared error on sequences kept aside) every few steps."""
    import keras
    import numpy as np

    import keras_yat

    keras.utils.set_random_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    held_out = sequences(1000, arguments.length, rng)
    layer = getattr(keras_yat if name.startswith("Yat") else keras.layers, name)(UNITS)
    inputs = keras.Input((arguments.length, 2))
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile(keras.optimizers.Adam(arguments.rate, clipnorm=1.0), "mse")
    found = []
    for step in range(arguments.every, arguments.steps + 1, arguments.every):
        x, y = sequences(BATCH * arguments.every, arguments.length, rng)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        found.append((step, float(model.evaluate(*held_out, batch_size=250, verbose=0))))
    return found


def draw(rows: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.0, 4.8), layout="constrained")
    axis.axhline(1.0 / 6.0, color="0.6", linewidth=1.0)
    axis.text(rows[-1]["step"], 0.18, "always 1", ha="right", color="0.4", fontsize=10)
    for layer in dict.fromkeys(row["layer"] for row in rows):
        own = [row for row in rows if row["layer"] == layer]
        steps, errors = [r["step"] for r in own], [r["error"] for r in own]
        axis.plot(steps, errors, "-" if layer.startswith("Yat") else "--", label=layer)
    axis.set_yscale("log")
    axis.set_xlabel(f"training steps (batches of {BATCH})", fontsize=12)
    axis.set_ylabel("mean squared error, sequences kept aside", fontsize=12)
    axis.set_title(f"The adding problem over {rows[0]['length']} steps", fontsize=14)
    axis.grid(color="0.9")
    axis.legend(fontsize=11, frameon=False, ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def markdown(rows: list[dict[str, str]]) -> str:
    last = {row["layer"]: row for row in rows}
    lines = ["| layer | steps | error |", "|---|--:|--:|"]
    lines += [f"| {n} | {r['step']} | {float(r['error']):.4f} |" for n, r in last.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
