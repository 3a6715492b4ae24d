"""Pictures of a study: metrics over the epochs, parameters over the epochs, learned functions."""

from pathlib import Path
from typing import Any

import numpy as np

from keras_yat import activations, plot


def draw(title: str, variants: list[Any], baseline: str, out: Path) -> None:
    """Draws all that there is to see of the variants of a study."""
    histories = {variant.name: variant.histories() for variant in variants}
    base = baseline if baseline in histories else None
    metrics = ("crossentropy", "accuracy")
    pictures = {"all": plot.learning(histories, metrics=metrics, baseline=base, title=title)}
    if base and len(histories) > 1:
        pictures["pairs"] = plot.pairs(histories, base, metric="crossentropy", title=title)
    for variant in variants:
        name = variant.name
        pictures[f"one-{name}"] = plot.learning(
            {name: histories[name]}, metrics=metrics, title=f"{title}: {name}"
        )
        recorded = variant.recorded()
        if recorded[0].history:
            pictures[f"parameters-{name}"] = plot.parameters(recorded, title=f"{title}: {name}")
        settings = learned(recorded[0].history, variant.recipe["model"])
        if settings:
            pictures[f"function-{name}"] = plot.curves(
                variant.recipe["model"]["activation"], settings
            )
    for file, picture in pictures.items():
        picture.figure.savefig(out / f"{file}.png", dpi=150)


def learned(history: dict[str, np.ndarray], model: dict[str, Any]) -> list[dict[str, Any]]:
    """The starting values of an activation, and those that each layer ended with.

    None for Yat layers, and where there are values for each channel.
    """
    if model["layers"] == "yat" or model["share"] == "channel" or not history:
        return []
    layers: dict[str, dict[str, np.ndarray]] = {}
    for path, values in history.items():
        layer, _, name = path.rpartition("/")
        layers.setdefault(layer, {})[name] = values
    first = next(iter(layers.values()))
    sets = [{name: values[0] for name, values in first.items()}]
    sets += [{name: values[-1] for name, values in found.items()} for found in layers.values()]
    assert hasattr(activations.get(model["activation"]), next(iter(first)))
    return [{name: value.tolist() for name, value in found.items()} for found in sets]
