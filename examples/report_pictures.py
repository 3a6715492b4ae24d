"""Pictures of a study: metrics over the epochs, parameters over the epochs, learned functions."""

from pathlib import Path
from typing import Any

import numpy as np

from examples import layer_factory
from keras_yat import plot


def draw(title: str, variants: list[Any], baseline: str, out: Path) -> None:
    """Draws all pictures of the variants of a study."""
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
        recorded = variant.parameter_histories()
        if recorded[0].history:
            pictures[f"parameters-{name}"] = plot.parameters(recorded, title=f"{title}: {name}")
        settings = learned_settings(recorded[0].history, variant.recipe["model"])
        if settings:
            function = layer_factory.activation(variant.recipe["model"]["activation"])
            pictures[f"function-{name}"] = plot.curves(function, settings)
    for file, picture in pictures.items():
        picture.figure.savefig(out / f"{file}.png", dpi=150)


def draw_backends(study: str, by_backend: dict[str, list[Any]], out: Path) -> None:
    """Draws the learning curves of each network that was trained on several backends."""
    found: dict[str, dict[str, Any]] = {}
    for backend, variants in by_backend.items():
        for variant in variants:
            found.setdefault(variant.name, {})[backend] = variant.histories()
    for name, histories in found.items():
        if len(histories) > 1:
            picture = plot.learning(
                histories, metrics=("crossentropy", "accuracy"), title=f"{study}: {name}"
            )
            picture.figure.savefig(out / f"backends-{name}.png", dpi=150)


def learned_settings(history: dict[str, np.ndarray], model: dict[str, Any]) -> list[dict[str, Any]]:
    """The initial parameters of an activation, then the final ones of each layer.

    Empty without activations, and with parameters per channel.
    """
    if model["layers"] != "keras" or model["share"] == "channel" or not history:
        return []
    layers: dict[str, dict[str, np.ndarray]] = {}
    for path, values in history.items():
        layer, _, name = path.rpartition("/")
        layers.setdefault(layer, {})[name] = values
    first = next(iter(layers.values()))
    sets = [{name: values[0] for name, values in first.items()}]
    sets += [{name: values[-1] for name, values in found.items()} for found in layers.values()]
    return [{name: value.tolist() for name, value in found.items()} for found in sets]
