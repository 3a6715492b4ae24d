"""Trainings of one network from several seeds, and their tables and pictures."""

import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np


@dataclass
class Trials:
    """The results of one network over the seeds."""

    variant: str
    rate: float
    parameters: int = 0
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Training time of each epoch, without the first epoch of each seed."""
    histories: list[dict[str, list[float]]] = field(default_factory=list)
    """The loss and the metrics after each epoch, for each seed."""

    def columns(self) -> dict[str, str]:
        return {
            "variant": self.variant,
            "rate": f"{self.rate:g}",
            "parameters": str(self.parameters),
            "test accuracy": summary(self.accuracies),
            "min": f"{min(self.accuracies):.4f}",
            "max": f"{max(self.accuracies):.4f}",
            "s/epoch": f"{np.median(self.seconds):.2f}",
        }

    def train(
        self,
        model: Any,
        data: Any,
        epochs: int,
        bar: Any,
        *,
        batch_size: int | None = None,
        validate: bool = False,
        optimizer: Any = None,
    ) -> None:
        """Trains a model of logits, and records its test accuracy.

        Args:
            model: The model, not compiled.
            data: The arrays `x_train`, `y_train`, `x_test`, `y_test`.
            epochs: Number of epochs.
            bar: A `keras.utils.Progbar`, advanced by 1 after each epoch.
            batch_size: Default: 32 with fewer than 10 000 training examples, else 128.
            validate: Whether to record the test accuracy after each epoch too.
            optimizer: Default: Adam at `rate`.
        """
        model.compile(
            keras.optimizers.Adam(self.rate) if optimizer is None else optimizer,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        timer = _EpochTimer(bar)
        history = model.fit(
            data.x_train,
            data.y_train,
            batch_size=batch_size or (32 if len(data.y_train) < 10_000 else 128),
            epochs=epochs,
            validation_data=(data.x_test, data.y_test) if validate else None,
            verbose=0,
            callbacks=[timer],
        )
        _, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
        self.parameters = model.count_params()
        self.accuracies.append(float(accuracy))
        self.histories.append(history.history)
        # The first epoch includes compilation.
        self.seconds += timer.seconds[1:] or timer.seconds


def summary(accuracies: list[float]) -> str:
    """Mean and standard deviation, with four decimals."""
    spread = f" ± {np.std(accuracies, ddof=1):.4f}" if len(accuracies) > 1 else ""
    return f"{np.mean(accuracies):.4f}{spread}"


class _EpochTimer(keras.callbacks.Callback):
    """Measures the training time of each epoch, and updates a bar that spans several trainings."""

    def __init__(self, bar):
        super().__init__()
        self.bar = bar
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()
        self._trained = None

    def on_test_begin(self, logs=None):
        # Steps may still be running: reading the optimizer's counter waits for the last one.
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append((self._trained or time.perf_counter()) - self._start)
        self.bar.add(1)


def weights(layer: Any) -> np.ndarray:
    """The weights of the neurons of a layer: the prototypes of a Yat layer, or the kernel."""
    found = layer.prototypes() if hasattr(layer, "prototypes") else layer.kernel
    return keras.ops.convert_to_numpy(found).copy()


def adapt(layers: Any, x: Any, seed: int) -> None:
    """Adapts each Yat layer among `layers` to the outputs of the layers before it."""
    x = x[:4096]  # the number of samples that `adapt` uses
    for layer in layers:
        if hasattr(layer, "adapt"):
            layer.adapt(x, seed=seed)
        x = keras.ops.convert_to_numpy(layer(x))


def report(title: str, rows: list[dict[str, str]], path: Path | None = None) -> None:
    """Prints a table, and saves it as CSV to `path`."""
    names = list(rows[0])
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    if path is not None:
        save(rows, path)


def save(rows: list[dict[str, str]], path: Path) -> None:
    """Writes a table as CSV, with the columns of its first row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows: list[dict[str, str]]) -> str:
    """The rows as a Markdown table."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row.get(n, "") for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(grids: dict[str, np.ndarray], title: str, caption: str, path: Path) -> None:
    """Draws named grids of kernels `(height, width, count)` side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (4.2 * len(grids), 5.0)
    figure, axes = plt.subplots(1, len(grids), figsize=size, squeeze=False, layout="constrained")
    figure.get_layout_engine().set(wspace=0.08, h_pad=0.1)
    for axis, (name, kernels) in zip(axes[0], grids.items(), strict=True):
        axis.imshow(_mosaic(kernels), cmap="RdBu_r", vmin=-1.0, vmax=1.0)
        axis.set_title(name, fontsize=11)
        axis.axis("off")
    figure.suptitle(title, fontsize=14)
    figure.supxlabel(caption, fontsize=10, color="0.3")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_curves(found: list[Trials], title: str, caption: str, path: Path) -> None:
    """Draws training loss and test accuracy over the epochs, for trials with `validate=True`."""
    from keras_yat import plot

    keys = ("loss", "val_accuracy")
    histories = {
        trials.variant: [{key: history[key] for key in keys} for history in trials.histories]
        for trials in found
    }
    figure, _ = plot.learning(histories, metrics=("loss", "accuracy"), title=f"{title}\n{caption}")
    figure.axes[1].set_ylabel("test accuracy", fontsize=figure.axes[1].yaxis.label.get_size())
    figure.savefig(path, dpi=150)


def _mosaic(kernels):
    """The kernels in a grid with gaps, each divided by its largest absolute entry."""
    height, width, count = kernels.shape
    side = int(np.ceil(np.sqrt(count)))
    picture = np.full((side * (height + 1) - 1, side * (width + 1) - 1), np.nan)
    for i in range(count):
        top, left = (i // side) * (height + 1), (i % side) * (width + 1)
        kernel = kernels[..., i] / (np.abs(kernels[..., i]).max() or 1.0)
        picture[top : top + height, left : left + width] = kernel
    return picture
