"""Training: learning curves of several activations and seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_yat import _validate
from keras_yat._plot import _panels
from keras_yat._plot._panels import Plot

FEW = 4
"""Of more names only the validation is drawn: two lines each could not be told apart."""


def learning(
    histories: Mapping[str, Any],
    *,
    metrics: Sequence[str] = ("loss", "accuracy"),
    baseline: str | None = None,
    title: str | None = None,
) -> _panels.Plot:
    """Draws metrics against the epoch, a panel each: training dashed, validation solid.

    A line is the mean over the seeds, the band goes from the smallest to the largest. With
    more than four names only validation is drawn where there is any. A loss that spans more
    than a factor of 10 gets a logarithmic axis. Elsewhere the axis has the range of the later
    epochs, where the first tenth would widen it by more than half. Of five names or more those
    that end ten times as far from the others as these are from each other are left out of it,
    and named.

    Args:
        histories: A dict from a name (of an activation) to a history, or to a list of them,
            one a seed: each a `History` of Keras, or its `history`, a dict of lists.
        metrics: The names of what is drawn, without "val_".
        baseline: The name that is drawn in black, or None.
        title: The title, or None.

    Returns:
        A `Plot`, `(figure, arrays)`, with arrays of shape (seeds, epochs) by name and
        metric, as "mila/val_loss", for what is drawn.

    Raises:
        ValueError: if a metric is missing, seeds have numbers of epochs that differ, or
            `baseline` is none of the names.
        ImportError: without Matplotlib.

    Example:

    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5]}
    >>> figure, arrays = keras_yat.plot.learning({"mila": history}, metrics=["loss"])
    >>> arrays["mila/val_loss"].shape
    (1, 3)

    Reference:
        The figures of E. Pishchik, Trainable Activations for Image Classification, 2023:
        losses against the epoch, of one activation and of all.
    """
    runs = _runs(histories, baseline)
    metrics = _names("metrics", metrics)
    found = {m: {n: _parts(n, r, m, len(runs) > FEW) for n, r in runs.items()} for m in metrics}
    figure, axes = _panels.panels(len(metrics), title, width=max(7.0, 5.5 * len(metrics)))
    looks = _looks(runs, baseline)
    for axis, (metric, parts) in zip(axes, found.items(), strict=True):
        for name in parts:
            _draw_parts(axis, parts[name], looks[name])
        _finish(axis, metric, parts)
    _legend(figure, looks, found)
    return Plot(figure, _arrays(found))


def pairs(
    histories: Mapping[str, Any], baseline: str, *, metric: str = "loss", title: str | None = None
) -> _panels.Plot:
    """Draws a metric of each against that of a baseline, a panel each, on the same axes.

    The baseline is black, the other coloured; training is dashed, validation solid. A line is
    the mean over the seeds, the band goes from the smallest to the largest.

    Args:
        histories: A dict from a name (of an activation) to a history, or to a list of them,
            one a seed: each a `History` of Keras, or its `history`, a dict of lists.
        baseline: The name that the others are held against.
        metric: What is drawn: "loss" for training and, where it is there, validation;
            "val_loss" for validation alone.
        title: The title, or None.

    Returns:
        A `Plot`, `(figure, arrays)`, with arrays of shape (seeds, epochs) by name and
        metric, as "mila/val_loss", for what is drawn.

    Raises:
        ValueError: if the metric is missing, seeds have numbers of epochs that differ,
            `baseline` is none of the names, or the only one.
        ImportError: without Matplotlib.

    Example:

    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5]}
    >>> histories = {"relu": history, "mila": history, "nami": history}
    >>> figure, arrays = keras_yat.plot.pairs(histories, "relu")

    Reference:
        The figures of E. Pishchik, Trainable Activations for Image Classification, 2023:
        losses of each activation next to those of ReLU.
    """
    _validate.one_of("baseline", baseline, _runs(histories, None))
    runs = _runs(histories, baseline)
    if len(runs) < 2:
        _validate.invalid_argument("histories", "have another name than the baseline", list(runs))
    (metric,) = _names("metrics", [metric])
    parts = {name: _parts(name, seeds, metric, False) for name, seeds in runs.items()}
    looks = _looks(runs, baseline)
    # A panel each: no two are told apart by their dashes.
    looks = {name: {"color": look["color"]} for name, look in looks.items()}
    others = [name for name in runs if name != baseline]
    columns = min(4, len(others))
    figure, axes = _panels.panels(
        len(others), title, columns=columns, width=max(7.0, 3.0 * columns), height=2.9, shared=True
    )
    for axis, name in zip(axes, others, strict=True):
        for each in (baseline, name):
            _draw_parts(axis, parts[each], looks[each])
        _finish(axis, metric, parts, name)
    _panels.outer_labels(axes)
    _legend(figure, {baseline: looks[baseline]}, {metric: parts})
    return Plot(figure, _arrays({metric: parts}))


Runs = dict[str, list[Mapping[str, Sequence[float]]]]
Parts = dict[str, np.ndarray]


def _runs(histories: Any, baseline: Any) -> Runs:
    """Lists of histories by their names."""
    allowed = "be a dict from a name to a history (a dict of lists) or to a list of them"
    if not isinstance(histories, Mapping) or not histories:
        _validate.invalid_argument("histories", allowed, histories)
    if baseline is not None:
        _validate.one_of("baseline", baseline, histories)
    runs = {}
    for name, given in histories.items():
        one = isinstance(given, Mapping) or hasattr(given, "history")
        if not one and (isinstance(given, str) or not isinstance(given, Iterable)):
            _validate.invalid_argument("histories", allowed, given, of=name)
        seeds = [getattr(seed, "history", seed) for seed in ([given] if one else given)]
        if not seeds or not all(isinstance(seed, Mapping) for seed in seeds):
            _validate.invalid_argument("histories", allowed, given, of=name)
        runs[str(name)] = seeds
    return runs


def _names(name: str, value: Any) -> list[str]:
    allowed = "be a non-empty list of names of metrics"
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        _validate.invalid_argument(name, allowed, value)
    if not all(isinstance(each, str) for each in value):
        _validate.invalid_argument(name, allowed, value)
    return list(dict.fromkeys(value))


def _parts(name: str, seeds: list, metric: str, only_validation: bool) -> Parts:
    """What there is of a metric, training before validation, rows being seeds."""
    keys = [k for k in (metric, f"val_{metric}") if all(k in seed for seed in seeds)]
    if not keys:
        known = ", ".join(seeds[0]) or "nothing"
        _validate.invalid_argument("metrics", f"be in every history; {name} has {known}", metric)
    parts = {}
    for key in keys[-1:] if only_validation else keys:
        lengths = [len(seed[key]) for seed in seeds]
        if len(set(lengths)) > 1 or not lengths[0]:
            allowed = "have the same number of epochs, at least 1, for all seeds of a name"
            _validate.invalid_argument("histories", allowed, lengths, of=name)
        parts[key] = np.array([seed[key] for seed in seeds], dtype="float64")
    return parts


def _looks(runs: Runs, baseline: str | None) -> dict[str, dict[str, Any]]:
    others = [name for name in runs if name != baseline]
    looks = dict(zip(others, _panels.styles(len(others)), strict=True))
    return {name: looks.get(name, {"color": "black"}) for name in runs}


def _draw_parts(axis: Any, parts: Parts, look: dict[str, Any]) -> None:
    for key, rows in parts.items():
        training = len(parts) > 1 and not key.startswith("val_")
        dashed = {"linestyle": "--", "markerfacecolor": "white"} if training else {}
        epochs = np.arange(1, rows.shape[1] + 1)
        _panels.draw_seeds(axis, epochs, rows, **{**look, **dashed})


def _finish(axis: Any, metric: str, parts: dict[str, Parts], title: str = "") -> None:
    far = _far(parts)
    every = [rows for n, of_name in parts.items() for rows in of_name.values() if n not in far]
    _scale(axis, "loss" in metric, every)
    _panels.whole_epochs(axis, 1, max(rows.shape[1] for rows in every))
    keys = {key for of_name in parts.values() for key in of_name}
    text = metric.removeprefix("val_").replace("_", " ")
    if all(key.startswith("val_") for key in keys):
        text = f"validation {text}"
    elif keys == {metric}:
        text = f"training {text}"
    if title in far:
        title = f"{title} (out of range)"
    told = f" (out of range: {', '.join(far)})" if far and not title else ""
    _panels.label(axis, f"epoch{told}", text, title)


def _far(parts: dict[str, Parts]) -> list[str]:
    """Names that end so far from the others that these could not be told apart."""
    ends = {name: [*of_name.values()][-1][:, -1].mean() for name, of_name in parts.items()}
    known = np.array([end for end in ends.values() if np.isfinite(end)])
    if len(known) < 5:
        return []
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    room = 10.0 * max(high - low, 1e-3 * abs(middle))
    return [name for name, end in ends.items() if end < low - room or end > high + room]


def _scale(axis: Any, may_be_log: bool, every: list[np.ndarray]) -> None:
    """Limits that the first epochs do not spoil; logarithmic for a loss of wide range."""
    found = np.concatenate([rows.ravel() for rows in every])
    found = found[np.isfinite(found)]
    if not found.size:
        return
    low, high = float(found.min()), float(found.max())
    if may_be_log and low > 0.0 and high > 10.0 * low:
        _panels.logarithmic(axis)
        axis.set_ylim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
        return
    late = np.concatenate([_late(rows) for rows in every])
    late = late[np.isfinite(late)]
    if late.size and high - low > 1.5 * np.ptp(late):
        low, high = float(late.min()), float(late.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    axis.set_ylim(low - margin, high + margin)


def _late(rows: np.ndarray) -> np.ndarray:
    """What is behind the first tenth of the epochs: none of fewer than five is left out."""
    count = rows.shape[1]
    return rows[:, -(-count // 10) if count >= 5 else 0 :].ravel()


def _legend(figure: Any, looks: dict[str, dict], found: dict[str, dict[str, Parts]]) -> None:
    axis = figure.axes[0]
    lines = dict(looks)
    if any(len(parts) > 1 for names in found.values() for parts in names.values()):
        lines["training"] = {"color": "0.4", "linestyle": "--"}
        lines["validation"] = {"color": "0.4"}
    handles = [axis.plot([], [], linewidth=1.8, **look)[0] for look in lines.values()]
    _panels.legend(figure, handles, list(lines))


def _arrays(found: dict[str, dict[str, Parts]]) -> dict[str, np.ndarray]:
    return {
        f"{name}/{key}": rows
        for names in found.values()
        for name, parts in names.items()
        for key, rows in parts.items()
    }
