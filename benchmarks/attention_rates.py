"""Bits per character of small language models with several attentions, by the learning rate.

    python -m benchmarks.attention_rates
    python -m benchmarks.attention_rates --variants "Yat" "Yat, learned b" --seeds 5
    python -m benchmarks.attention_rates --markdown

Trains the task "tiny_gpt" of `benchmarks.rates`, with Adam: the next character of a text, two
blocks of width 64 with 4 heads, context 64, 400 steps of 16 windows, constant rates. All networks
but "Keras, rotary" have the same Yat embedding and Yat MLP, and differ in the attention alone; all
have rotary positions. Variants are those of `examples/transformer.py`.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks import command
from examples import options

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
VARIANTS = (
    "Keras, rotary",
    "Keras, rotary, Yat MLP",
    "Yat",
    "Yat, b = 1",
    "Yat, learned b",
    "Yat, learned b and epsilon",
    "Yat, sphere",
    "Yat, linear",
)


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "attention_rates")
    parser.add_argument(
        "--variants", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="VARIANT"
    )
    parser.add_argument("--rates", nargs="+", type=options.rate, default=RATES)
    parser.add_argument("--seeds", type=options.positive, default=3, help="default: %(default)s")
    parser.set_defaults(backend="jax")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[dict]:
    from tqdm import tqdm

    from benchmarks import rates

    task = rates.Task("tiny_gpt", rates.text, rates.language_model, 1, 16)
    count = len(arguments.variants) * len(arguments.rates) * arguments.seeds
    rows = []
    with tqdm(total=count, unit="training") as bar:
        for variant in arguments.variants:
            found = rates.accuracies(task, variant, arguments.seeds, bar, {"Adam": arguments.rates})
            rows += [
                {
                    "variant": row["net"],
                    "rate": row["rate"],
                    "seed": row["seed"],
                    "bits": row["loss"] / np.log(2.0),
                    "accuracy": row["accuracy"],
                }
                for row in found
            ]
            bar.write(markdown(rows))
    return rows


def markdown(rows: Sequence[dict]) -> str:
    """Mean bits per character by variant and rate, the best one, and the spread over the rates."""
    rates = sorted({float(row["rate"]) for row in rows})
    lines = [
        f"| bits per character | {' | '.join(f'{rate:g}' for rate in rates)} | best | spread |",
        f"|---|{'--:|' * (len(rates) + 2)}",
    ]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        cells = [
            np.array([float(r["bits"]) for r in rows if _is(r, variant, rate)]) for rate in rates
        ]
        means = [np.mean(cell) for cell in cells]
        best = cells[int(np.argmin(means))]
        error = np.std(best, ddof=1) / np.sqrt(len(best)) if len(best) > 1 else np.nan
        shown = [f"{mean:.3f}" for mean in means]
        shown += [f"{min(means):.3f} ± {error:.3f}", f"{max(means) - min(means):.3f}"]
        lines.append(f"| {variant} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _is(row, variant, rate):
    return row["variant"] == variant and float(row["rate"]) == rate


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
