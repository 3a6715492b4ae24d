"""Trains a small network with trainable activations on real images, and draws the activations.

    python -m examples.quickstart
    python -m examples.quickstart --activation sinlu --data fashion_mnist --epochs 5

Prints the test accuracy and every activation parameter before and after training, draws
each activation's curve before and after, saves the model, and loads it in a new process.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

UNITS = (128, 64, 32)


def main(arguments: argparse.Namespace) -> int:
    if arguments.check:
        return check(Path(arguments.check))
    import keras

    keras.utils.set_random_seed(0)
    activations = [get_activation(name) for name in arguments.activation]
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    images = data.load(arguments.data)
    print(
        f"{images.origin}: {len(images.x_train)} images to train on, {len(images.x_test)} to test "
        f"on; {command.versions()}."
    )
    model = build(images, activations)
    model.summary()

    before = [Snapshot(activation) for activation in activations]
    model.fit(
        images.x_train,
        images.y_train,
        validation_split=0.1,
        batch_size=32 if len(images.x_train) < 10_000 else 128,
        epochs=arguments.epochs,
    )
    after = [Snapshot(activation) for activation in activations]
    _, accuracy = model.evaluate(images.x_test, images.y_test, verbose=0)

    print(f"\nTest accuracy: {accuracy:.4f}\n")
    print(table(before, after))
    draw(before, after, folder / "quickstart.png")
    model.save(folder / "quickstart.keras")
    np.savez(folder / "predictions.npz", x=images.x_test, y=model.predict(images.x_test, verbose=0))
    print(f"\nSaved {folder}/quickstart.keras and {folder}/quickstart.png.")
    again = [sys.executable, __file__, "--check", str(folder)]
    return subprocess.run([*again, "--backend", keras.backend.backend()]).returncode


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--activation",
        default="nami,mila,coslu",
        metavar="NAME",
        help="one name for all three hidden layers, or three separated by commas (default: "
        "%(default)s); any of keras_yat.activations.names() or of Keras",
    )
    parser.add_argument("--data", default="digits", choices=data.names(data.ImageSet))
    options.add_common(parser, "quickstart")
    parser.add_argument("--epochs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--check", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.activation.split(",")]
    if len(names) not in (1, len(UNITS)):
        parser.error(f"--activation takes 1 name or {len(UNITS)}, not {len(names)}")
    arguments.activation = names * (len(UNITS) // len(names))
    if arguments.epochs < 1:
        parser.error(f"--epochs must be 1 or more, not {arguments.epochs}")
    return arguments


def get_activation(name):
    import keras_yat

    try:
        return keras_yat.activations.get(name)
    except ValueError as error:
        raise SystemExit(f"--activation: {error}") from error


def build(images, activations):
    import keras

    model = keras.Sequential([keras.Input(images.x_train.shape[1:]), keras.layers.Flatten()])
    for units, activation in zip(UNITS, activations, strict=True):
        model.add(keras.layers.Dense(units, activation=activation))
    model.add(keras.layers.Dense(len(np.unique(images.y_train))))
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


class Snapshot:
    """An activation's parameters and curve at one point of the training."""

    x = np.linspace(-5.0, 5.0, 401, dtype="float32")

    def __init__(self, activation):
        from keras import ops

        self.name = getattr(activation, "__name__", type(activation).__name__)
        self.parameters = {
            weight.path.rsplit("/", 1)[-1]: ops.convert_to_numpy(weight).copy()
            for weight in getattr(activation, "weights", [])
        }
        curve = activation(ops.convert_to_tensor(self.x[None]))
        self.y = ops.convert_to_numpy(curve)[0].copy()

    def label(self) -> str:
        values = (f"{name} {format_values(value)}" for name, value in self.parameters.items())
        return ", ".join(values) or "no parameters"


def format_values(values) -> str:
    return " ".join(f"{value:.3f}" for value in np.atleast_1d(values))


def table(before, after) -> str:
    rows = [("layer", "activation", "parameter", "before", "after")]
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        for name in old.parameters or ["(none)"]:
            values = (format_values(snapshot.parameters.get(name, [])) for snapshot in (old, new))
            rows.append((str(i + 1), old.name, name, *values))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def draw(before, after, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(before), figsize=(4.2 * len(before), 3.8), squeeze=False)
    for i, (axis, old, new) in enumerate(zip(axes[0], before, after, strict=True)):
        axis.axhline(0, color="0.85", linewidth=0.8)
        axis.axvline(0, color="0.85", linewidth=0.8)
        axis.plot(old.x, old.y, "--", color="tab:gray", label=f"before: {old.label()}")
        axis.plot(new.x, new.y, color="tab:blue", label=f"after: {new.label()}")
        axis.set_title(f"hidden layer {i + 1}: {new.name}")
        axis.set_xlabel("x")
        axis.set_ylabel("activation(x)")
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def check(folder: Path) -> int:
    """Loads the model in this process, which has imported only `keras_yat`."""
    import keras

    import keras_yat  # noqa: F401 - registers the layers of the saved model

    model = keras.saving.load_model(folder / "quickstart.keras")
    with np.load(folder / "predictions.npz") as saved:
        difference = np.max(np.abs(model.predict(saved["x"], verbose=0) - saved["y"]))
        print(
            f"Loaded in a new process: {len(saved['x'])} predictions with a largest difference "
            f"of {difference:.1e}."
        )
    if difference <= 1e-5:
        return 0
    print("The predictions of the loaded model differ from the saved ones.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    command.start(parse, main)
