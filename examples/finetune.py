"""Fine-tunes a trained network with its activations, and with trainable ones instead.

    KERAS_YAT_DATA=data python -m examples.finetune
    python -m examples.finetune --base digits --data digits --seeds 2 --epochs 3

A convolutional network with SiLU is trained on one data set (`--base`), gets a new last layer,
and is fine-tuned on a few images of another (`--data`). Each variant starts from the same
trained network of its seed, with the same last layer: `keras_yat.convert.replace` puts in
activations that start as SiLU, or with their default values, and
`keras_yat.convert.optimizer` trains their parameters at a higher rate. Images, epochs
and Adam's rate for all other weights are equal. Test accuracy is measured after each epoch but
selects nothing: the table has the values after the last epoch, and paired differences over
the seeds.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

CONVOLUTIONS = (16, 32, 64)  # filters
BASE_RATE = 0.003
BASELINE = "SiLU"
HEAD = "head"


class Variant(NamedTuple):
    """What replaces SiLU: a class, its axis, how it starts, and the factor of its rate."""

    name: str | None = None
    axis: int | None = None
    start: Literal["same", "default"] = "same"
    factor: float | None = None


VARIANTS = {
    BASELINE: Variant(),
    "CosLU": Variant("CosLU"),
    "CosLU, 10 times the rate": Variant("CosLU", factor=10.0),
    "CosLU per channel, 10 times": Variant("CosLU", axis=-1, factor=10.0),
    "LinComb per channel, 10 times": Variant("LinComb", axis=-1, factor=10.0),
    "CosLU, default start": Variant("CosLU", start="default"),
}


def main(arguments: argparse.Namespace) -> None:
    base, target = data.load(arguments.base), data.load(arguments.data)
    base = first(base, train=arguments.base_images)
    target = first(target, test=arguments.test_images)
    if base.x_train.shape[1:] != target.x_train.shape[1:]:
        shapes = f"{base.x_train.shape[1:]} and {target.x_train.shape[1:]}"
        raise SystemExit(f"--base and --data must have images of one shape, not {shapes}.")
    print(
        f"{base.origin}: {len(base.x_train)} images; then {target.origin}: {arguments.images} "
        f"images, {len(target.x_test)} to test on; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(base, target, arguments, folder)
    print(f"\nSaved accuracy.csv and learning_curves.png in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = data.names(data.ImageSet)
    for name, default, text in (
        ("base", "fashion_mnist", "the network is trained on"),
        ("data", "mnist", "it is fine-tuned on"),
    ):
        parser.add_argument(
            f"--{name}", default=default, choices=names, help=f"{text}; default: %(default)s"
        )
    for name, number, text in (
        ("base-images", 20_000, "images of --base, at most"),
        ("base-epochs", 2, "epochs on them"),
        ("images", 500, "images of --data to fine-tune on"),
        ("epochs", 10, "epochs on them"),
        ("test-images", 2_000, "images of --data to test on, at most"),
        ("seeds", 5, "number of trained networks"),
    ):
        parser.add_argument(
            f"--{name}", type=options.positive, default=number, help=f"{text}; default: %(default)s"
        )
    parser.add_argument(
        "--rate", type=options.rate, default="0.001", help="Adam's learning rate; default: 0.001"
    )
    options.add_common(parser, "finetune")
    return parser.parse_args()


def study(base: Any, target: Any, arguments: argparse.Namespace, folder: Path) -> None:
    """Trains a network from each seed, fine-tunes each variant of it, reports the accuracy."""
    import keras

    from examples import trials
    from keras_yat import convert

    epochs, seeds = arguments.epochs, range(arguments.seeds)
    steps = arguments.seeds * (arguments.base_epochs + len(VARIANTS) * epochs)
    bar = keras.utils.Progbar(steps, unit_name="epoch")
    found = {name: trials.Trials(name, arguments.rate) for name in VARIANTS}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        network = build(base.x_train.shape[1:], len(np.unique(base.y_train)))
        trials.Trials("base", BASE_RATE).train(network, base, arguments.base_epochs, bar)
        few = drawn(target, arguments.images, seed)
        for name, variant in VARIANTS.items():
            model = prepared(network, variant, len(np.unique(target.y_train)), seed)
            keras.utils.set_random_seed(seed)  # the same batches
            adam = keras.optimizers.Adam(arguments.rate)
            if variant.factor is not None:
                rate = arguments.rate * variant.factor
                adam = convert.optimizer(model, adam, learning_rate=rate)
            found[name].train(model, few, epochs, bar, batch_size=32, validate=True, optimizer=adam)
    title = f"{arguments.base}, then {arguments.images} images of {arguments.data}: {epochs} epochs"
    report(found, title, folder)


def build(shape: tuple[int, ...], classes: int) -> Any:
    """The network with SiLU."""
    import keras

    layers: list[Any] = [keras.Input(shape)]
    for i, filters in enumerate(CONVOLUTIONS):
        strides = 1 if i == 0 else 2
        layers.append(
            keras.layers.Conv2D(
                filters, 3, strides=strides, padding="same", use_bias=False, name=f"conv{i}"
            )
        )
        # A few hundred steps of fine-tuning have to replace the statistics of --base.
        layers.append(keras.layers.BatchNormalization(momentum=0.9, name=f"norm{i}"))
        layers.append(keras.layers.Activation("silu", name=f"act{i}"))
    pool = keras.layers.GlobalAveragePooling2D(name="pool")
    return keras.Sequential([*layers, pool, keras.layers.Dense(classes, name=HEAD)])


def prepared(network: Any, variant: Variant, classes: int, seed: int) -> Any:
    """A copy of a trained network with the activations of a variant and a new last layer."""
    import keras

    import keras_yat

    rules: dict[str, Any] = {"silu": "silu"}  # a copy
    if variant.name is not None:
        rules = {"silu": getattr(keras_yat, variant.name)(axis=variant.axis)}
    model = keras_yat.convert.replace(network, rules, start=variant.start)
    head = keras.layers.Dense(
        classes, kernel_initializer=keras.initializers.GlorotUniform(seed), name=HEAD
    )
    return keras.Sequential([keras.Input(network.input_shape[1:]), *model.layers[:-1], head])


def first(images: data.Images, train: int | None = None, test: int | None = None) -> data.Images:
    """The data with at most the first `train` and `test` images."""
    return replace(
        images,
        x_train=images.x_train[:train],
        y_train=images.y_train[:train],
        x_test=images.x_test[:test],
        y_test=images.y_test[:test],
    )


def drawn(images: Any, count: int, seed: int) -> data.Images:
    """The data with `count` training images, with as many of each class as `count` allows."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images.y_train))
    classes = images.y_train[order]
    # The first of each class, then the second of each …
    rank = np.empty(len(order), int)
    for label in np.unique(classes):
        rank[classes == label] = np.arange(np.sum(classes == label))
    chosen = order[np.argsort(rank, kind="stable")[:count]]
    return replace(images, x_train=images.x_train[chosen], y_train=images.y_train[chosen])


def report(found: dict[str, Any], title: str, folder: Path) -> None:
    """Writes a table with paired differences, and learning curves."""
    from examples import comparison, trials

    by_seed = {name: dict(enumerate(each.accuracies)) for name, each in found.items()}
    compared = comparison.compare_by_seed(by_seed, BASELINE)
    rows = []
    for name, each in found.items():
        columns = each.columns()
        kept = {key: columns[key] for key in ("variant", "parameters", "test accuracy")}
        first = float(np.mean([history["val_accuracy"][0] for history in each.histories]))
        rows.append({**kept, "after 1 epoch": f"{first:.4f}", **compared[name]})
    trials.report(title, rows, folder / "accuracy.csv")
    seeds = len(found[BASELINE].accuracies)
    caption = f"Lines: mean over {seeds} seeds. Bands: minimum to maximum."
    trials.draw_curves(list(found.values()), title, caption, folder / "learning_curves.png")


if __name__ == "__main__":
    command.start(parse, main)
