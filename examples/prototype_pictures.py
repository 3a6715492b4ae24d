"""The pictures of `examples/prototypes.py`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from examples.prototype_measures import contributions

SHOWN, TOP = 5, 5


def draw_prototypes(
    before: np.ndarray, after: np.ndarray, votes: Sequence[str], title: str, path: Path
) -> None:
    """Draws prototypes `(count, height, width)` before and after training, with their votes."""
    plt = _pyplot()
    count = len(before)
    figure, axes = plt.subplots(2, count, figsize=(1.05 * count, 3.4), layout="constrained")
    for row, (name, pictures) in enumerate((("before", before), ("after", after))):
        for axis, picture in zip(axes[row], pictures, strict=True):
            _draw(axis, picture)
        axes[row, 0].set_ylabel(f"{name} training", fontsize=9)
    for axis, vote in zip(axes[1], votes, strict=True):
        axis.set_xlabel(vote, fontsize=8)
    figure.suptitle(title, fontsize=12)
    caption = "Below: the class of the largest readout weight. Red above 0, blue below."
    figure.supxlabel(caption, fontsize=9, color="0.3")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_attribution(
    images: tuple[np.ndarray, np.ndarray],
    found: dict[str, np.ndarray],
    names: Sequence[str],
    title: str,
    path: Path,
) -> None:
    """Draws test images with the prototypes that contribute most to the predicted logit.

    Args:
        images: Test images and their classes.
        found: `responses`, `readout`, `logits`, and `prototypes` as `(count, height, width)`.
        names: Of the classes.
        title: Of the picture.
        path: Of the file.
    """
    plt = _pyplot()
    x, y = images
    logits, responses = found["logits"], found["responses"]
    predicted = logits.argmax(axis=1)
    wrong = np.flatnonzero(predicted != y)[:1]
    right = [np.flatnonzero((predicted == c) & (y == c))[:1] for c in range(len(names))]
    chosen = [*np.concatenate(right)[: SHOWN - len(wrong)], *wrong]
    size = (1.75 * (1 + TOP), 2.0 * len(chosen) + 0.8)
    figure, axes = plt.subplots(
        len(chosen), 1 + TOP, figsize=size, squeeze=False, layout="constrained"
    )
    for row, i in zip(axes, chosen, strict=True):
        label = predicted[i]
        parts = contributions(responses[i : i + 1], found["readout"], label)[0]
        _draw(row[0], x[i, ..., 0])
        mark = "" if label == y[i] else f", is {names[y[i]]}"
        row[0].set_title(f"{names[label]}{mark}", fontsize=9)
        row[0].set_xlabel(f"logit {logits[i, label]:.2f}", fontsize=9)
        for axis, j in zip(row[1:], np.argsort(-np.abs(parts))[:TOP], strict=True):
            _draw(axis, found["prototypes"][j])
            axis.set_xlabel(f"{parts[j]:+.2f}", fontsize=9)
    figure.suptitle(title, fontsize=12)
    caption = (
        "Left: test image, prediction and logit. Right: the prototypes that contribute most to it."
    )
    figure.supxlabel(caption, fontsize=9, color="0.3")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _draw(axis, picture):
    scale = np.abs(picture).max() or 1.0
    axis.imshow(picture, cmap="RdBu_r", vmin=-scale, vmax=scale)
    axis.set_xticks([])
    axis.set_yticks([])
