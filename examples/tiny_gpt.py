"""Trains a small character language model with Yat attention and a Yat MLP, against Keras's.

    python -m examples.tiny_gpt
    python -m examples.tiny_gpt --data book.txt --blocks 4 --steps 2000
    KERAS_YAT_DATA=data python -m examples.tiny_gpt --temperature 0.5 --prompt "ROMEO:"

Four transformers with about the same number of parameters learn to predict the next
character of the plays of Shakespeare, or of any text. They are trained on the same random
windows of the first nine tenths, and evaluated on consecutive windows of the last tenth, in
bits per character: several times during training, for the learning curves, and at the end,
for the table.

Keras's attention has no rotary positions, unlike the Yat attention. The row `Keras` has
learned positions, and `Keras, rotary` adds rotary ones in a subclass. Most of the difference
between the first row and `Keras` is due to the positions, as the last row shows.

Each Yat network then generates text, character by character, with the caches of its
attention. The logits are compared with those of the whole text at once. The text is longer
than the context: no query attends to more characters than the context.

All starting values are the layers' defaults. In short runs (300 steps, two smaller blocks, one
seed) alpha = 10 and 100 did worse than 1, and 0.1 about as well. Epsilon from 1e-5 to 1, constant
or learned, made no difference. `normalize="sphere"` was a little worse with alpha = 10 and much
worse with 1. A tied head was worse than a Dense one, in Keras's network too.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

# Peak learning rate of Adam: the one of 0.006 and 0.01 with fewer held-out bits at the end.
RATES = {
    "Yat": 0.01,
    "Yat, softermax": 0.01,
    "Yat, linear": 0.01,
    "Yat, learned b": 0.01,
    "Keras": 0.01,
    "Keras, rotary": 0.006,
}

SIZES = {"context": 128, "width": 128, "heads": 4, "blocks": 3, "hidden": 256, "batch": 16}
QUICK = {"context": 32, "width": 16, "heads": 2, "blocks": 1, "hidden": 32, "batch": 8}


def main(arguments: argparse.Namespace) -> None:
    text = data.load_text(arguments.data)
    letters = sorted(set(text.train + text.test))
    unknown = sorted(set(arguments.prompt) - set(letters))
    if unknown or not arguments.prompt:
        raise SystemExit(
            f"--prompt: must be one or more characters of the text, not {arguments.prompt!r}"
        )
    if min(len(text.train), len(text.test)) <= arguments.context:
        raise SystemExit(f"{text.origin}: too short for a --context of {arguments.context}")
    print(
        f"{text.origin}: {len(text.train)} characters to train on, {len(text.test)} held out, "
        f"{len(letters)} distinct ones; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(text, letters, arguments, folder)
    print(f"\nSaved bits.csv, learning_curves.png and the Yat models in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data",
        default="tinyshakespeare",
        help=f"{', '.join(data.names(data.TextSet))}, or the path of a text file "
        "(default: %(default)s)",
    )
    for name, default in SIZES.items():
        parser.add_argument(
            f"--{name}", type=options.positive, default=default, help="default: %(default)s"
        )
    parser.add_argument("--steps", type=options.positive, default=600, help="default: %(default)s")
    parser.add_argument(
        "--rate",
        type=options.rate,
        help="peak learning rate of Adam, default: "
        + "; ".join(f"{rate:g} for {variant}" for variant, rate in RATES.items()),
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=RATES,
        default=list(RATES),
        metavar="VARIANT",
        help=f"any of {', '.join(RATES)} (default: all)",
    )
    parser.add_argument(
        "--head",
        default="dense",
        choices=["tied", "dense"],
        help="logits from the embedding, or from a Dense layer (default: %(default)s)",
    )
    parser.add_argument("--seed", type=options.seed, default=0, help="default: %(default)s")
    parser.add_argument(
        "--characters",
        type=options.positive,
        default=400,
        help="to generate (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature", type=temperature, default="0.8", help="default: %(default)s"
    )
    parser.add_argument("--prompt", default="\n", help="beginning of the generated text")
    options.add_common(parser, "tiny_gpt")
    parser.add_argument("--quick", action="store_true", help="very small networks and few steps")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK, steps=40, characters=60)
    arguments = parser.parse_args()
    if arguments.width % (2 * arguments.heads):
        parser.error(f"--width must be a multiple of 2 × --heads, not {arguments.width}")
    return arguments


def temperature(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return found


def study(text: Any, letters: list[str], arguments: argparse.Namespace, folder: Path) -> None:
    """Trains each variant, reports its bits per character, and generates text with Yat networks."""
    import keras

    from examples import trials
    from examples.language_model import LanguageModel
    from examples.transformer import Size, match_parameters

    size = Size(*(getattr(arguments, name) for name in ("context", *list(SIZES)[1:-1])))
    index = {letter: i for i, letter in enumerate(letters)}
    train, test = (
        np.array([index[c] for c in part], dtype="int32") for part in (text.train, text.test)
    )
    bar = keras.utils.Progbar(len(arguments.variants) * arguments.steps, unit_name="step")
    rows, curves = [], {}

    def build(variant: str, hidden: int) -> LanguageModel:
        keras.utils.set_random_seed(arguments.seed)
        return LanguageModel(variant, replace(size, hidden=hidden), len(letters), arguments.head)

    target = build("Yat", size.hidden).count_params()
    models = {
        name: build(name, match_parameters(partial(build, name), target))
        for name in arguments.variants
    }
    for variant, model in models.items():
        rate = arguments.rate or RATES[variant]
        curves[variant], seconds = model.train(train, test, rate, arguments, bar)
        rows.append(
            {
                "variant": variant,
                "rate": f"{rate:g}",
                "parameters": str(model.count_params()),
                "held-out bits/character": f"{curves[variant][-1][1]:.3f}",
                "ms/step": f"{1e3 * seconds:.0f}",
            }
        )
    title = (
        f"{arguments.steps} steps of {arguments.batch} windows of {arguments.context} characters"
    )
    trials.report(title, rows, folder / "bits.csv")
    draw(curves, title, f"About {target} parameters each.", folder / "learning_curves.png")
    for variant, model in models.items():
        if model.step is None:  # Keras's attention has no cache
            continue
        model.model.save(folder / f"{variant.lower().replace(', ', '_')}.keras")
        prompt = [index[c] for c in arguments.prompt]
        rng = np.random.default_rng(arguments.seed)
        tokens, difference = model.generate(
            prompt, arguments.characters, arguments.temperature, rng
        )
        print(f"\nText of {variant}, at temperature {arguments.temperature:g}:\n")
        print("".join(letters[i] for i in tokens))
        print(
            "\nLogits with the cache and of the whole text at once: the largest difference is "
            f"{difference:.1e}."
        )
        if difference > 1e-2:
            raise SystemExit("Logits with the cache differ from those of the whole text.")


def draw(curves: dict[str, list[tuple[int, float]]], title: str, caption: str, path: Path) -> None:
    """Draws held-out bits per character against the step."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 5.0), layout="constrained")
    for variant, points in curves.items():
        dash = "-" if variant.startswith("Yat") else "--"
        axis.plot(*zip(*points, strict=True), dash, marker="o", markersize=4, label=variant)
    axis.set_xlabel("training step", fontsize=12)
    axis.set_ylabel("held-out bits per character", fontsize=12)
    axis.grid(color="0.9")
    axis.legend(fontsize=12, frameon=False)
    axis.set_title(f"{title}\n", fontsize=13)
    axis.text(0.5, 1.02, caption, transform=axis.transAxes, ha="center", fontsize=11, color="0.3")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    command.start(parse, main)
