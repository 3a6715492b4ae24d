"""Learning curves of several activations and seeds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_yat import _validate
from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Drawing, Line, Look, Panel, Plot

FEW = 4
"""With more names only validation is drawn: two lines each would be too many to distinguish."""


def learning(
    histories: Mapping[str, Any],
    *,
    metrics: Sequence[str] = ("loss", "accuracy"),
    baseline: str | None = None,
    title: str | None = None,
) -> Plot:
    """Draws metrics against the epoch, a panel each: training dashed, validation solid.

    A line is the mean over the seeds; the band spans the smallest to the largest value. With
    more than four names only validation is drawn, if it was recorded.

    The y axis is logarithmic for a loss that spans more than a factor of 10. Otherwise, if
    the first tenth of the epochs would widen the axis by more than half, it has the range of
    the later epochs. With five names or more the axis ignores outliers: names whose last
    value is farther from the quartiles of all names than 10 interquartile ranges. The plot
    lists them as out of range.

    Args:
        histories: A dict from a name (of an activation) to a history, or to a list of
            histories, one per seed. A history is a `keras.callbacks.History` or its
            `history`, a dict of lists.
        metrics: Names of the metrics to draw, without "val_".
        baseline: The name to draw in black, or None.
        title: The title, or None.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are the drawn values, of shape
        (seeds, epochs), by name and metric, such as "mila/val_loss".

    Raises:
        ValueError: If a metric is missing, seeds of a name differ in their number of epochs,
            or `baseline` is not among the names.
        ImportError: If Matplotlib is not installed.

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
    looks = _looks(runs, baseline)
    panels = [_panel(metric, parts, looks, list(parts)) for metric, parts in found.items()]
    legend = _legend(looks, found)
    drawing = Drawing(panels, title, legend, width=max(7.0, 5.5 * len(metrics)))
    return _drawing.plot(drawing, _arrays(found))


def pairs(
    histories: Mapping[str, Any], baseline: str, *, metric: str = "loss", title: str | None = None
) -> Plot:
    """Compares each name with a baseline: one panel per name, all with the same axes.

    The baseline is black, the other line coloured; training is dashed, validation solid. A
    line is the mean over the seeds; the band spans the smallest to the largest value.

    Args:
        histories: A dict from a name (of an activation) to a history, or to a list of
            histories, one per seed. A history is a `keras.callbacks.History` or its
            `history`, a dict of lists.
        baseline: The name with which the others are compared.
        metric: Name of the metric: "loss" for training and, if recorded, validation;
            "val_loss" for validation alone.
        title: The title, or None.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are the drawn values, of shape
        (seeds, epochs), by name and metric, such as "mila/val_loss".

    Raises:
        ValueError: If the metric is missing, seeds of a name differ in their number of
            epochs, or `baseline` is not among the names or is the only one.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5]}
    >>> histories = {"relu": history, "mila": history, "nami": history}
    >>> figure, arrays = keras_yat.plot.pairs(histories, "relu")

    Reference:
        The figures of E. Pishchik, Trainable Activations for Image Classification, 2023:
        losses of each activation beside those of ReLU.
    """
    _validate.one_of("baseline", baseline, _runs(histories, None))
    runs = _runs(histories, baseline)
    if len(runs) < 2:
        _validate.invalid_argument("histories", "have another name than the baseline", list(runs))
    (metric,) = _names("metrics", [metric])
    parts = {name: _parts(name, seeds, metric, False) for name, seeds in runs.items()}
    looks = _looks(runs, baseline)
    # Each panel has one other name: colours alone distinguish the lines, without dashes.
    looks = {name: Look(look.color) for name, look in looks.items()}
    others = [name for name in runs if name != baseline]
    panels = [_panel(metric, parts, looks, [baseline, name], name) for name in others]
    columns = min(4, len(others))
    size: dict[str, Any] = {"width": max(7.0, 3.0 * columns), "height": 2.9}
    legend = _legend({baseline: looks[baseline]}, {metric: parts})
    drawing = Drawing(panels, title, legend, columns, shared=True, **size)
    return _drawing.plot(drawing, _arrays({metric: parts}))


Runs = dict[str, list[Mapping[str, Sequence[float]]]]
Parts = dict[str, np.ndarray]


def _runs(histories: Any, baseline: Any) -> Runs:
    """A dict from names to lists of histories, one per seed."""
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
    """The recorded values of a metric, (seeds, epochs), training before validation."""
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


def _looks(runs: Runs, baseline: str | None) -> dict[str, Look]:
    others = [name for name in runs if name != baseline]
    looks = dict(zip(others, _drawing.styles(len(others)), strict=True))
    return {name: looks.get(name, Look("black")) for name in runs}


def _lines(name: str, parts: Parts, look: Look) -> list[Line]:
    lines = []
    for key, rows in parts.items():
        epochs = np.arange(1, rows.shape[1] + 1)
        if len(parts) == 1:
            lines.append(_drawing.seeds_line(epochs, rows, look, name))
            continue
        training = not key.startswith("val_")
        note = "training" if training else "validation"
        style = Look(look.color, "dash") if training else look
        line = _drawing.seeds_line(epochs, rows, style, name, note=note, hollow=training)
        lines.append(line)
    return lines


def _panel(
    metric: str,
    parts: dict[str, Parts],
    looks: dict[str, Look],
    names: Sequence[str],
    title: str = "",
) -> Panel:
    """The panel of a metric with the lines of `names`; its axes suit all of `parts`."""
    outliers = _outliers(parts)
    every = [rows for n, of_name in parts.items() for rows in of_name.values() if n not in outliers]
    log, y_range = _scale("loss" in metric, every)
    keys = {key for of_name in parts.values() for key in of_name}
    text = metric.removeprefix("val_").replace("_", " ")
    if all(key.startswith("val_") for key in keys):
        text = f"validation {text}"
    elif keys == {metric}:
        text = f"training {text}"
    if title in outliers:
        title = f"{title} (out of range)"
    note = f" (out of range: {', '.join(outliers)})" if outliers and not title else ""
    lines = [line for name in names for line in _lines(name, parts[name], looks[name])]
    epochs = 1, max(rows.shape[1] for rows in every)
    return Panel(f"epoch{note}", text, title, [*lines], y_range=y_range, log=log, epochs=epochs)


def _outliers(parts: dict[str, Parts]) -> list[str]:
    """Names whose last value would compress the range of all others."""
    ends = {name: [*of_name.values()][-1][:, -1].mean() for name, of_name in parts.items()}
    known = np.array([end for end in ends.values() if np.isfinite(end)])
    if len(known) < 5:
        return []
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    room = 10.0 * max(high - low, 1e-3 * abs(middle))
    return [name for name, end in ends.items() if end < low - room or end > high + room]


def _scale(may_be_log: bool, every: list[np.ndarray]) -> tuple[bool, tuple[float, float] | None]:
    """Whether the y axis is logarithmic, for a loss of wide range; and its range.

    The range of a linear axis leaves out early outliers.
    """
    found = np.concatenate([rows.ravel() for rows in every])
    found = found[np.isfinite(found)]
    if not found.size:
        return False, None
    low, high = float(found.min()), float(found.max())
    if may_be_log and low > 0.0 and high > 10.0 * low:
        return True, (low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    late = np.concatenate([_late(rows) for rows in every])
    late = late[np.isfinite(late)]
    if late.size and high - low > 1.5 * np.ptp(late):
        low, high = float(late.min()), float(late.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return False, (low - margin, high + margin)


def _late(rows: np.ndarray) -> np.ndarray:
    """The values after the first tenth of the epochs; with fewer than five epochs, all."""
    count = rows.shape[1]
    return rows[:, -(-count // 10) if count >= 5 else 0 :].ravel()


def _legend(looks: dict[str, Look], found: dict[str, dict[str, Parts]]) -> dict[str, Look]:
    several = any(len(parts) > 1 for names in found.values() for parts in names.values())
    keys = {"training": Look("0.4", "dash"), "validation": Look("0.4")}
    return {**looks, **(keys if several else {})}


def _arrays(found: dict[str, dict[str, Parts]]) -> dict[str, np.ndarray]:
    return {
        f"{name}/{key}": rows
        for names in found.values()
        for name, parts in names.items()
        for key, rows in parts.items()
    }
