"""Networks trained on images over several seeds, and tables and pictures of them."""

import csv
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np


@dataclass
class Trials:
    """How one network did over the seeds."""

    variant: str
    rate: float
    parameters: int = 0
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def columns(self) -> dict[str, str]:
        spread = f" ± {np.std(self.accuracies, ddof=1):.4f}" if len(self.accuracies) > 1 else ""
        return {
            "variant": self.variant,
            "rate": f"{self.rate:g}",
            "parameters": str(self.parameters),
            "test accuracy": f"{np.mean(self.accuracies):.4f}{spread}",
            "min": f"{min(self.accuracies):.4f}",
            "max": f"{max(self.accuracies):.4f}",
            "s/epoch": f"{np.median(self.seconds):.2f}",
        }

    def train(self, model: Any, images: Any, epochs: int, bar: Any) -> None:
        """Trains a model that returns logits, and notes its accuracy."""
        model.compile(
            keras.optimizers.Adam(self.rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        watch = _Watch(bar)
        model.fit(
            images.x_train,
            images.y_train,
            batch_size=32 if len(images.x_train) < 10_000 else 128,
            epochs=epochs,
            verbose=0,
            callbacks=[watch],
        )
        _, accuracy = model.evaluate(images.x_test, images.y_test, verbose=0)
        self.parameters = model.count_params()
        self.accuracies.append(float(accuracy))
        # The first epoch compiles.
        self.seconds += watch.seconds[1:] or watch.seconds


class _Watch(keras.callbacks.Callback):
    """Times epochs, and moves a bar that spans several trainings."""

    def __init__(self, bar):
        super().__init__()
        self.bar = bar
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._start)
        self.bar.add(1)


def adapt(layers: Any, x: Any, seed: int) -> None:
    """Adapts each Yat layer among `layers` to what the ones before it make of `x`."""
    x = x[:4096]  # as many as a layer takes samples
    for layer in layers:
        if hasattr(layer, "adapt"):
            layer.adapt(x, seed=seed)
        x = keras.ops.convert_to_numpy(layer(x))


def report(title: str, rows: list[dict[str, str]], path: Path) -> None:
    """Prints a table, and saves it as CSV."""
    names = list(rows[0])
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


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


def _mosaic(kernels):
    """The kernels in rows, with gaps, each divided by its largest entry."""
    height, width, count = kernels.shape
    side = int(np.ceil(np.sqrt(count)))
    picture = np.full((side * (height + 1) - 1, side * (width + 1) - 1), np.nan)
    for i in range(count):
        top, left = (i // side) * (height + 1), (i % side) * (width + 1)
        kernel = kernels[..., i] / (np.abs(kernels[..., i]).max() or 1.0)
        picture[top : top + height, left : left + width] = kernel
    return picture
