"""Test accuracy and file size of ternary Yat networks beside float ones.

    python -m benchmarks.ternary
    python -m benchmarks.ternary --tasks "CIFAR-10, convolutions" --thresholds 0.5 --seeds 2
    python -m benchmarks.ternary --markdown

For each seed a float network is trained. Ternary networks of the same layers are trained from
scratch, for as many epochs, and from the weights of the float network, for half as many; the float
network is trained on for these epochs too. Differences of the accuracies are taken seed by seed.
Adam at 1e-3 and the tasks of `benchmarks.rates`; the last layer of a network stays float. Bits of a
kernel weight are those in the `.keras` file, the scales of the neurons included.
"""

import argparse
import math
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import command, rates
from examples import options

FLOAT = ("float", "float, trained on")
EPOCHS = {"Fashion-MNIST, 2 layers": 6, "CIFAR-10, convolutions": 4}
"""The epochs from scratch of each task."""


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "ternary")
    add = parser.add_argument
    add("--tasks", nargs="+", choices=EPOCHS, default=list(EPOCHS)[:1], metavar="TASK")
    add("--thresholds", nargs="+", type=float, default=[0.5, 0.7], help="default: 0.5 0.7")
    add("--seeds", type=options.positive, default=5, help="default: %(default)s")
    add("--quick", action="store_true", help="two epochs, to see that it runs")
    parser.set_defaults(backend="jax")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[dict]:
    from tqdm import tqdm

    tasks = [task for task in rates.TASKS if task.name in arguments.tasks]
    rows: list[dict] = []
    trainings = 2 + 2 * len(arguments.thresholds)
    with tqdm(total=len(tasks) * arguments.seeds * trainings, unit="training") as bar:
        for task in tasks:
            epochs = 2 if arguments.quick else EPOCHS[task.name]
            for seed in range(arguments.seeds):
                for variant, model in networks(task, arguments.thresholds, epochs, seed):
                    row = {"task": task.name, "variant": variant, "seed": seed}
                    rows.append({**row, **measured(model, task.load()[2:])})
                    bar.update()
            bar.write("\n" + markdown([row for row in rows if row["task"] == task.name]))
    return rows


def networks(
    task: rates.Task, thresholds: Sequence[float], epochs: int, seed: int
) -> Iterator[tuple[str, Any]]:
    """Trained networks, each with its name."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model = task.build("yat")
    train(model, task, epochs, seed)
    yield FLOAT[0], model
    weights = model.get_weights()
    for threshold in thresholds:
        keras.utils.set_random_seed(seed)
        scratch, tuned = (ternary(model, threshold) for _ in range(2))
        train(scratch, task, epochs, seed)
        yield f"ternary {threshold:g}, from scratch", scratch
        tuned.set_weights(weights)
        train(tuned, task, epochs // 2, seed + 1)
        yield f"ternary {threshold:g}, from float", tuned
    train(model, task, epochs // 2, seed + 1)
    yield FLOAT[1], model


def ternary(model: Any, threshold: float) -> Any:
    """A new network of the same layers, the Yat layers ternary."""
    import keras

    import keras_yat

    def clone(layer):
        config = layer.get_config()
        if "kernel_quantizer" in config:
            config["kernel_quantizer"] = keras_yat.quantizers.Ternary(threshold)
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def train(model: Any, task: rates.Task, epochs: int, seed: int) -> None:
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    x, y, *_ = task.load()
    keras.utils.set_random_seed(seed)
    model.fit(x, y, batch_size=task.batch, epochs=epochs, verbose=0)


def measured(model: Any, test: Sequence[np.ndarray]) -> dict[str, float]:
    """Accuracy, share of zeros among the kernel weights of the Yat layers, and their bits."""
    _, accuracy = model.evaluate(*test, batch_size=1000, verbose=0)
    layers = [layer for layer in model.layers if hasattr(layer, "sparsity")]
    sizes = [math.prod(layer.prototypes().shape) for layer in layers]
    zeros = np.average([layer.sparsity() for layer in layers], weights=sizes)
    bits = 8 * kernel_bytes(model) / sum(sizes)
    return {"accuracy": float(accuracy), "sparsity": float(zeros), "bits": bits}


def kernel_bytes(model: Any) -> int:
    """The bytes of the kernels of the Yat layers in the model's `.keras` file, scales included."""
    import h5py

    total = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        model.save(file)
        with zipfile.ZipFile(file) as parts:
            parts.extract("model.weights.h5", folder)
        with h5py.File(Path(folder, "model.weights.h5")) as weights:
            for name, layer in weights["layers"].items():
                if name.startswith("yat_"):
                    arrays = layer["vars"]
                    total += arrays["0"].nbytes
                    # The last array of a packed kernel is its scale.
                    packed = arrays["0"].dtype == np.uint8
                    total += arrays[str(len(arrays) - 1)].nbytes if packed else 0
    return total


def markdown(rows: Sequence[dict]) -> str:
    """A table for each task: means over the seeds, and differences with their error."""
    parts = []
    for task in dict.fromkeys(row["task"] for row in rows):
        parts.append(f"| {task} | accuracy | − float | − float, trained on | zeros | bits |")
        parts.append("|---|--:|--:|--:|--:|--:|")
        chosen = [row for row in rows if row["task"] == task]
        found = {
            variant: np.array(
                [
                    [float(row[key]) for key in ("accuracy", "sparsity", "bits")]
                    for row in chosen
                    if row["variant"] == variant
                ]
            )
            for variant in dict.fromkeys(row["variant"] for row in chosen)
        }
        for variant, values in found.items():
            accuracy, zeros, bits = values.mean(axis=0)
            gaps = [
                "" if variant in FLOAT else _difference(values[:, 0] - found[base][:, 0])
                for base in FLOAT
            ]
            line = [f"{100 * accuracy:.2f}", *gaps, f"{100 * zeros:.0f} %", f"{bits:.2f}"]
            parts.append(f"| {variant} | {' | '.join(line)} |")
        parts.append("")
    return "\n".join(parts)


def _difference(values):
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{100 * np.mean(values):+.2f} ± {100 * error:.2f}"


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
