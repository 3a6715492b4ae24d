"""Trains the network of Mila's demo on Fashion-MNIST, built in one of two ways.

    python -m examples.demo
    python -m examples.demo --activation mila --model-initialization class
    python -m examples.demo --data digits --epochs 20

The network is 784-256-128-64-10, trained with Adam at 0.003 and batches of 64 for 5 epochs.
Prints the activation parameters before and after training, and the test loss and accuracy.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

INITIALIZATIONS = ("class", "sequential")
UNITS = (256, 128, 64)
BATCH_SIZE = 64
LEARNING_RATE = 3e-3


def main(arguments: argparse.Namespace) -> None:
    run(
        data.load(arguments.data),
        arguments.activation,
        arguments.model_initialization,
        arguments.epochs,
        arguments.seed,
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--activation",
        default="mila",
        help="a name of keras_yat.activations or of Keras (default: %(default)s)",
    )
    parser.add_argument(
        "--model-initialization",
        choices=INITIALIZATIONS,
        default="sequential",
        help="a subclass of keras.Model, or keras.Sequential (default: %(default)s)",
    )
    parser.add_argument("--data", default="fashion_mnist", choices=data.names(data.ImageSet))
    parser.add_argument("--epochs", type=options.positive, default=5, help="default: %(default)s")
    parser.add_argument("--seed", type=options.seed, default=0, help="default: %(default)s")
    options.add_backend(parser)
    return parser.parse_args()


def run(
    images: Any, activation: str, model_initialization: str, epochs: int, seed: int
) -> dict[str, float]:
    """Trains and tests the network, and prints the results.

    Args:
        images: The data, as `examples.data.load` returns them.
        activation: A name of `keras_yat.activations` or of Keras.
        model_initialization: `"class"` or `"sequential"`, see `stacks.stack`.
        epochs: Number of epochs.
        seed: Seed of the initial weights and of the order of the data.

    Returns:
        Test loss and accuracy.
    """
    import keras
    import numpy as np

    from examples import layer_factory, stacks
    from keras_yat import callbacks

    keras.utils.set_random_seed(seed)
    hidden: list[Any] = []
    for units in UNITS:
        try:
            hidden += [keras.layers.Dense(units), layer_factory.activation(activation)]
        except ValueError as error:
            raise SystemExit(f"--activation: {error}") from error
    classes = len(np.unique(images.y_train))
    layers = [keras.layers.Flatten(), *hidden, keras.layers.Dense(classes)]
    model = stacks.stack(layers, images.x_train.shape[1:], model_initialization)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    print(
        f"{images.origin}: {len(images.x_train)} images to train on, {len(images.x_test)} to test "
        f"on; {command.versions()}."
    )
    model.summary()
    recorded = callbacks.ParameterHistory(log=False)
    model.fit(
        images.x_train,
        images.y_train,
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_split=0.1,
        callbacks=[recorded],
    )
    for name, values in recorded.history.items():
        first, last = values[0].mean(), values[-1].mean()
        print(f"{name}: {first:.4f} before training, {last:.4f} after")
    metrics = model.evaluate(
        images.x_test, images.y_test, batch_size=1000, verbose=0, return_dict=True
    )
    print(f"Test data: accuracy {metrics['accuracy']:.4f}, loss {metrics['loss']:.4f}")
    return {name: float(value) for name, value in metrics.items()}


if __name__ == "__main__":
    command.start(parse, main)
