"""The tables of `examples/prototypes.py`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from examples import comparison, trials
from examples.prototype_networks import RELU

Values = dict[Any, list[float]]


def interval(values: Sequence[float], digits: int = 4) -> str:
    """The mean, and its 95 % interval of Student's t over the seeds."""
    found = comparison.paired_test(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))
    bounds = f" ({found.low:.{digits}f} to {found.high:.{digits}f})"
    return f"{found.difference:.{digits}f}" + ("" if np.isnan(found.low) else bounds)


def ladder(found: dict[tuple[int, str], Any], published: dict[Any, str]) -> list[dict[str, str]]:
    """Accuracy by width, with differences from Dense + ReLU, paired by seed."""
    by_seed = {key: dict(enumerate(each.accuracies)) for key, each in found.items()}
    tests = {
        (units, kind): comparison.paired_test(values, by_seed[units, RELU])
        for (units, kind), values in by_seed.items()
        if kind != RELU
    }
    adjusted = comparison.adjust({key: test.p for key, test in tests.items()})
    rows = []
    for (units, kind), each in found.items():
        key = (units, kind)
        rows.append(
            {
                "units": str(units),
                "network": kind,
                "parameters": str(each.parameters),
                "test accuracy (95 %)": interval(each.accuracies),
                **comparison.difference_columns(tests.get(key), adjusted.get(key), RELU),
                "published": published.get(units, "") if kind != RELU else "",
            }
        )
    return rows


def classes(
    found: dict[str, Values], names: Sequence[str], published: dict[Any, str]
) -> list[dict[str, str]]:
    """Accuracies before and after classes are taught and forgotten, a column for each network."""
    rows = []
    for key in next(iter(found.values())):
        label, _, rest = key.partition(", ")
        shown = f"{names[int(label)]}, {rest}" if label.isdigit() else key
        shown = "(images from elsewhere: AUROC)" if key == "AUROC" else shown
        columns = {name: interval(values[key]) for name, values in found.items()}
        rows.append({"accuracy": shown, **columns, "published": published.get(key, "")})
    return rows


def attribution(values: Values) -> list[dict[str, str]]:
    """Errors of the sums, and the number of prototypes for half of a logit."""
    kinds = dict.fromkeys(kind for kind, _ in values)
    return [
        {
            "network": kind,
            "largest error of a sum, relative": f"{max(values[kind, 'error']):.1e}",
            "units for half of the logit": interval(values[kind, "half"], 1),
        }
        for kind in kinds
    ]


def elsewhere(values: Values, published: dict[Any, str]) -> list[dict[str, str]]:
    """AUROC by network and score."""
    rows = []
    for (kind, score), each in values.items():
        own = kind != RELU and score == "largest response"
        known = published.get("AUROC", "") if own else ""
        rows.append(
            {"network": kind, "score": score, "AUROC (95 %)": interval(each), "published": known}
        )
    return rows


def calibration(values: Values, published: dict[Any, str]) -> list[dict[str, str]]:
    """ECE before and after the temperature, with differences from Dense + ReLU."""
    rows = []
    for kind in dict.fromkeys(kind for kind, _ in values):
        row = {"network": kind}
        for part, name in (("before", "ECE"), ("after", "ECE, with temperature")):
            row[f"{name} (95 %)"] = interval(values[kind, part])
            ours, theirs = (dict(enumerate(values[k, part])) for k in (kind, RELU))
            test = comparison.paired_test(ours, theirs)
            shown = f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})"
            row[f"{name}, difference from {RELU}"] = "" if kind == RELU else shown
        row["temperature"] = interval(values[kind, "temperature"], 2)
        row["ECE, published"] = published.get("ReLU" if kind == RELU else "Yat", "")
        rows.append(row)
    return rows


def write(tables: dict[str, tuple[str, list[dict[str, str]]]], folder: Path) -> None:
    """Prints each table, and saves it; a table without rows is left out."""
    for name, (title, rows) in tables.items():
        if rows:
            trials.report(title, rows, folder / f"{name}.csv")
