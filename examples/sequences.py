"""Classifies sequences with recurrent Yat layers, against LSTM and GRU.

    python -m examples.sequences
    python -m examples.sequences --data fashion_mnist --seeds 1
    KERAS_YAT_DATA=data python -m examples.sequences --data japanese_vowels

The model is one recurrent layer and a Dense layer of logits on its last output. The number
of units is chosen for each layer so that all models have about as many parameters as the
one with LSTM. Data, optimizer (Adam), epochs and seeds are the same. Prints and saves the
test accuracy and the time of a training step of each variant, and draws learning curves.
Test accuracy is measured after each epoch but selects nothing: the table has the values
after the last epoch.

Sequences of different lengths have a mask, an argument of the recurrent layer.
`keras.layers.Masking` is not suitable: it treats each step of zeros as padding, and images
have rows of zeros.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

VARIANTS = ("LSTM", "GRU", "YatLSTM", "YatGRU", "YatSimpleRNN")
BATCH = 32


def main(arguments: argparse.Namespace) -> None:
    sequences = data.load_sequences(arguments.data)
    x, *mask = sequences.x_train
    print(
        f"{sequences.origin}: {len(x)} sequences to train on, {len(sequences.y_test)} to test on, "
        f"{f'{mask[0].sum(axis=1).min()} to ' if mask else ''}{x.shape[1]} steps, "
        f"{x.shape[2]} numbers a step; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    epochs = arguments.epochs or default_epochs()[arguments.data]
    study(sequences, epochs, arguments, folder)
    print(f"\nSaved accuracy.csv and learning_curves.png in {folder}.")


def default_epochs() -> dict[str, int]:
    """The default number of epochs by data set."""
    return {name: each.epochs for name, each in data.of_kind(data.ClassificationSet).items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="digits", choices=list(default_epochs()))
    parser.add_argument(
        "--units",
        type=options.positive,
        default=32,
        help="units of the LSTM (default: %(default)s)",
    )
    parser.add_argument("--seeds", type=options.positive, default=3, help="default: %(default)s")
    parser.add_argument(
        "--epochs",
        type=options.positive,
        help="default: " + ", ".join(f"{n} on {name}" for name, n in default_epochs().items()),
    )
    parser.add_argument(
        "--rate",
        type=options.rate,
        default="0.003",
        help="Adam's learning rate (default: %(default)s)",
    )
    options.add_common(parser, "sequences")
    return parser.parse_args()


def study(sequences: Any, epochs: int, arguments: argparse.Namespace, folder: Path) -> None:
    """Trains each variant from each seed, reports accuracy and time, draws learning curves."""
    import keras

    from examples import trials

    print("\nOne recurrent layer and a Dense layer of logits. Test accuracy selects nothing.")
    seeds = arguments.seeds
    bar = keras.utils.Progbar(len(VARIANTS) * seeds * epochs, unit_name="epoch")
    target = build(sequences, "LSTM", arguments.units).count_params()
    found, rows = [], []
    for variant in VARIANTS:
        units = match_parameters(sequences, variant, arguments.units, target)
        found.append(trials.Trials(variant, arguments.rate))
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model = build(sequences, variant, units)
            found[-1].train(model, sequences, epochs, bar, batch_size=BATCH, validate=True)
        rows.append(columns(found[-1], units, len(sequences.y_train)))
    title = f"{arguments.data}: {epochs} epochs of Adam at {arguments.rate:g}, batches of {BATCH}"
    trials.report(title, rows, folder / "accuracy.csv")
    trials.draw_curves(
        found,
        title,
        f"About {target} parameters each. Lines: mean over {seeds} seeds. "
        "Bands: minimum to maximum.",
        folder / "learning_curves.png",
    )


def build(sequences: Any, variant: str, units: int) -> Any:
    import keras

    import keras_yat

    layer = getattr(keras_yat if variant.startswith("Yat") else keras.layers, variant)
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in sequences.x_train]
    x, mask = inputs if len(inputs) == 2 else (inputs[0], None)
    classes = len(np.unique(sequences.y_train))
    return keras.Model(inputs, keras.layers.Dense(classes)(layer(units)(x, mask=mask)))


def match_parameters(sequences: Any, variant: str, units: int, target: int) -> int:
    """The number of units whose model is closest to `target` parameters.

    `units` is the LSTM's number of units. No variant needs more than four times as many.
    """
    # The count is a polynomial of degree 2 in the units. Three models determine it; more would
    # be slow, as JAX compiles the initializers of each.
    one, two, three = (build(sequences, variant, count).count_params() for count in (1, 2, 3))

    def parameters(count: int) -> int:
        slope, curvature = two - one, three - 2 * two + one
        return one + (count - 1) * slope + (count - 1) * (count - 2) // 2 * curvature

    return min(range(1, 4 * units + 1), key=lambda count: abs(parameters(count) - target))


def columns(found: Any, units: int, count: int) -> dict[str, str]:
    """A row of the table, for trials with `count` training sequences."""
    shared = found.columns()
    steps = -(-count // BATCH)
    return {
        "variant": found.variant,
        "units": str(units),
        **{name: shared[name] for name in ("parameters", "test accuracy", "min", "max")},
        "ms/step": f"{1e3 * np.median(found.seconds) / steps:.2f}",
    }


if __name__ == "__main__":
    command.start(parse, main)
