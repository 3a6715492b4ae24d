"""Pictures of a study: scores over trials and hyperparameters, and the best activation."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from examples import trials as tables
from tuning import config
from tuning.tuner import Tuner, results


def draw(
    study: config.Study,
    tuners: dict[str, Tuner],
    tested: dict[str, list],
    folder: Path,
) -> list[str]:
    """Draws all pictures; returns the names of the files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    title = study.title or folder.name
    colors = {name: f"C{i}" for i, name in enumerate(tuners)}
    figures = {
        "trials.png": _trials(tuners, colors, title),
        "values.png": _values(tuners, colors, title),
        "activation.png": _activation(tuners, tested, title),
    }
    drawn = []
    for file, figure in figures.items():
        if figure is not None:
            figure.savefig(folder / file, dpi=150)
            drawn.append(file)
            plt.close(figure)
    tables.draw_curves(
        [tables.Trials(name, rate=0.0, histories=found) for name, found in tested.items()],
        title,
        f"Best values of each arm, trained from {study.final.seeds} new seeds.",
        folder / "learning.png",
    )
    return [*drawn, "learning.png"]


def _figure(rows: int, columns: int, size: tuple[float, float], title: str):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(title, fontsize=14)
    for axis in axes.flat:
        axis.grid(color="0.92")
        axis.tick_params(labelsize=10)
    return figure, axes


def _trials(tuners, colors, title):
    """The score of each trial, the range over its seeds, and the best score so far."""
    figure, axes = _figure(1, 1, (9.0, 5.0), title)
    axis = axes[0, 0]
    shown = []
    for name, tuner in tuners.items():
        ended = tuner.oracle.ended()
        best = -np.inf
        curve, failed = [], []
        for i, trial in enumerate(ended, start=1):
            if trial.status != "COMPLETED":
                failed.append(i)
                curve.append(best)
                continue
            best = max(best, trial.score)
            curve.append(best)
            shown.append(trial.score)
            scores = [max(r["val_accuracy"]) for r in results(tuner, trial)]
            if scores:
                axis.plot([i, i], [min(scores), max(scores)], color=colors[name], alpha=0.35)
            axis.plot(i, trial.score, "o", color=colors[name], markersize=4, alpha=0.6)
        places = np.arange(1, len(curve) + 1)
        axis.step(places, curve, where="post", color=colors[name], linewidth=2, label=name)
        for i in failed:
            axis.axvline(i, color=colors[name], linestyle=":", linewidth=1)
    # The axis is not scaled to the worst trials.
    low = np.quantile(shown, 0.15)
    axis.set_ylim(
        low - 0.3 * (max(shown) - low) - 1e-3, max(shown) + 0.1 * (max(shown) - low) + 1e-3
    )
    axis.set_xlabel("trial (dotted: failed; line: best so far)", fontsize=12)
    axis.set_ylabel("validation accuracy", fontsize=12)
    axis.xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, *axis.get_legend_handles_labels())
    return figure


def _values(tuners, colors, title):
    """The score over each hyperparameter with more than one value."""
    found: dict[str, list[tuple[str, Any, float]]] = {}
    scales = {}
    for name, tuner in tuners.items():
        for dimension in tuner.oracle.get_space().space:
            if hasattr(dimension, "sampling"):  # a fixed one has none
                scales[dimension.name] = dimension.sampling
        for trial in tuner.oracle.ended():
            if trial.status == "COMPLETED":
                for key, value in trial.hyperparameters.values.items():
                    if not key.startswith("tuner/"):
                        found.setdefault(key, []).append((name, value, trial.score))
    several = {k: v for k, v in found.items() if len({value for _, value, _ in v}) > 1}
    if not several:
        return None
    columns = min(4, len(several))
    rows = -(-len(several) // columns)
    figure, axes = _figure(rows, columns, (4.2 * columns, 2.8 * rows + 1.0), title)
    scores = [score for points in several.values() for _, _, score in points]
    low, high = np.quantile(scores, 0.1), max(scores)
    margin = 0.15 * (high - low) + 1e-3
    for axis, (key, points) in zip(axes.flat, several.items(), strict=False):
        _panel(axis, points, colors, scales.get(key))
        axis.set_xlabel(key, fontsize=10)
        axis.set_ylim(low - margin, high + margin)
    for axis in axes[:, 0]:
        axis.set_ylabel("validation accuracy", fontsize=10)
    for axis in list(axes.flat)[len(several) :]:
        axis.axis("off")
    handles = [axes[0, 0].plot([], [], "o", color=c)[0] for c in colors.values()]
    _legend(figure, handles, colors)
    return figure


def _legend(figure, handles, labels):
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), fontsize=11, frameon=False
    )


def _panel(axis, points, colors, scale):
    values = [value for _, value, _ in points]
    if all(isinstance(v, float) for v in values):
        for name, value, score in points:
            axis.plot(value, score, "o", color=colors[name], markersize=4, alpha=0.7)
        if scale == "log":
            axis.set_xscale("log")
        return
    labels = list(dict.fromkeys(map(str, values)))
    rng = np.random.default_rng(0)
    for name, value, score in points:
        place = labels.index(str(value)) + rng.uniform(-0.15, 0.15)
        axis.plot(place, score, "o", color=colors[name], markersize=4, alpha=0.7)
    axis.set_xticks(
        range(len(labels)),
        labels,
        rotation=45 if len(labels) > 4 else 0,
        ha="right" if len(labels) > 4 else "center",
    )


def _activation(tuners, tested, title):
    """The best trainable activation: default start, best start, and learned in each layer."""
    from tuning import models

    order = sorted(tuners, key=lambda name: -tuners[name].oracle.get_best_trials()[0].score)
    for name in order:
        tuner = tuners[name]
        (values,) = tuner.get_best_hyperparameters()
        layers = models.activations_of(tuner.hypermodel.build(values.copy()))
        if layers:
            break
    else:
        return None
    first = type(layers[0])
    x = np.linspace(-5.0, 5.0, 401, dtype="float32")
    figure, axes = _figure(1, 1, (8.0, 5.0), f"{title}: {first.__name__}, best of {name}")
    axis = axes[0, 0]
    learned = tested[name][0]["learned"]
    for i, (layer, parameters) in enumerate(zip(layers, learned, strict=True)):
        for weight, value in parameters.items():
            getattr(layer, weight).assign(np.array(value))
        if layer.axis is None:
            label = f"trained, layer {i + 1} of {len(layers)}"
            axis.plot(x, _curve(layer, x), color=f"C{i}", linewidth=1.6, label=label)
    found = models.activations_of(tuner.hypermodel.build(values.copy()))[0]
    if found.axis is None:
        axis.plot(x, _curve(found, x), "k-", linewidth=2, label="best start")
    axis.plot(x, _curve(first(), x), "k--", linewidth=1.6, label="default start")
    axis.set_xlabel("x", fontsize=12)
    axis.set_ylabel(f"{first.__name__}(x)", fontsize=12)
    axis.legend(fontsize=11)
    return figure


def _curve(layer, x):
    return keras.ops.convert_to_numpy(layer(x))
