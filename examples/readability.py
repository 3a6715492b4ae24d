"""Measures the readability of learned prototypes: one layer on whole images and a linear head.

The output of a Yat neuron is large for inputs close to its kernel, so a layer that is
initialized from images may keep kernels that look like images. Two numbers measure this:

- likeness: the largest absolute cosine between a kernel and a training image. Kernels that are
  initialized from images have a likeness of 1 before training.
- roughness: the mean difference of neighbouring pixels over the mean absolute pixel.

Both are given for unseen images too, as a reference.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_yat
from examples import trials

VARIANTS = ("Dense + ReLU", "Yat, default", "Yat, adapted")
UNITS = 64


def study(images: Any, epochs: int, rate: float, seeds: int, folder: Path) -> None:
    """Trains each variant from each seed, reports accuracy and readability, draws kernels."""
    print(f"\nPrototypes: {UNITS} neurons on flattened images and a Dense layer of logits.")
    bar = keras.utils.Progbar(len(VARIANTS) * seeds * epochs, unit_name="epoch")
    rows: list[dict[str, str]] = []
    grids: dict[str, np.ndarray] = {}
    for variant in VARIANTS:
        found = trials.Trials(variant, rate)
        numbers = []
        for seed in range(seeds):
            before, after = train(images, variant, seed, epochs, found, bar)
            numbers.append(
                (likeness(before, images), likeness(after, images), roughness(after, images))
            )
            grids.setdefault(variant, pictures(after, images))
        rows.append({**found.columns(), **readability(*np.mean(numbers, axis=0))})
    unseen = images.x_test[:1000].reshape(-1, images.x_test[0].size).T
    reference = readability(likeness(unseen, images), None, roughness(unseen, images))
    rows.append({"variant": "(unseen images)", **reference})
    trials.report(f"Prototypes after {epochs} epochs", rows, folder / "prototypes.csv")
    trials.draw(
        grids,
        f"Kernels of {UNITS} neurons on whole images after {epochs} epochs",
        "Each kernel has its own scale: red above 0, blue below. "
        "Order: class of the most similar training image.",
        folder / "prototypes.png",
    )


def train(images, variant: str, seed: int, epochs: int, found, bar):
    """Trains a variant from a seed; returns its kernels before and after."""
    keras.utils.set_random_seed(seed)
    model = build(images, variant)
    if variant == "Yat, adapted":
        trials.adapt(model.layers, images.x_train, seed)
    before = kernels(model)
    found.train(model, images, epochs, bar)
    return before, kernels(model)


def build(images: Any, variant: str) -> Any:
    hidden = (
        keras.layers.Dense(UNITS, activation="relu", kernel_initializer="he_normal")
        if variant == "Dense + ReLU"
        else keras_yat.YatDense(UNITS)
    )
    return keras.Sequential(
        [
            keras.Input(images.x_train.shape[1:]),
            keras.layers.Flatten(),
            hidden,
            keras.layers.Dense(len(np.unique(images.y_train))),
        ]
    )


def kernels(model: Any) -> np.ndarray:
    return trials.weights(model.layers[1])


def cosines(columns: np.ndarray, images: Any) -> np.ndarray:
    """Absolute cosine of each training image with each of `columns`."""
    rows = images.x_train.reshape(len(images.x_train), -1)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.abs(rows @ (columns / np.linalg.norm(columns, axis=0)))


def likeness(columns: np.ndarray, images: Any) -> float:
    """Mean over `columns` of the largest absolute cosine with a training image."""
    return float(cosines(columns, images).max(axis=0).mean())


def roughness(columns: np.ndarray, images: Any) -> float:
    """Mean over `columns` of the mean difference of neighbours over the mean absolute entry."""
    pixels = columns.T.reshape(-1, *images.x_train.shape[1:])
    differences = [np.abs(np.diff(pixels, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2)]
    return float(np.mean(np.mean(differences, axis=0) / np.abs(pixels).mean(axis=(1, 2, 3))))


def readability(before: float, after: float | None, rough: float) -> dict[str, str]:
    return {
        "likeness before": f"{before:.3f}",
        "likeness after": "" if after is None else f"{after:.3f}",
        "roughness": f"{rough:.2f}",
    }


def pictures(columns: np.ndarray, images: Any) -> np.ndarray:
    """`columns` as images `(height, width, count)`, ordered by the most similar image's class."""
    classes = images.y_train[cosines(columns, images).argmax(axis=0)]
    ordered = columns[:, np.argsort(classes, kind="stable")]
    return ordered.reshape(*images.x_train.shape[1:3], -1)
