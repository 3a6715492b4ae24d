"""Tables and pictures of `examples.parameters`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from examples import comparison, trials
from examples.parameters import LEARNED, START

COMPARISONS = {
    "trained (per layer) - frozen at the start": (LEARNED, START),
    "frozen at learned values - frozen at the start": ("frozen at learned values", START),
    "one set for the network - per layer": ("trained, one set", LEARNED),
    "per channel - per layer": ("trained, per channel", LEARNED),
}
"""What the study compares, as pairs of ways."""


def write(files: list[dict[str, Any]], titles: dict[str, str], folder: Path) -> None:
    """Writes `parameters.csv`, `learned.csv`, `tables.md` and a picture of each network."""
    results = [row for file in files for row in file["results"]]
    learned = [row for file in files for row in file["learned"]]
    trials.save(results, folder / "parameters.csv")
    trials.save(learned, folder / "learned.csv")
    sections = []
    for network, title in titles.items():
        found = tests([row for row in results if row["network"] == network])
        rows = table([row for row in results if row["network"] == network], found)
        ends = ends_table([row for row in learned if row["network"] == network])
        trials.report(title, rows)
        trials.report(f"{title}: learned parameters, one set for each layer", ends)
        sections += [f"### {title}", trials.markdown(rows), trials.markdown(ends)]
        draw(found, title, folder / f"{network}.png")
    (folder / "tables.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def read(file: Path) -> list[dict[str, Any]]:
    """The rows of `parameters.csv`."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return [
        {**row, "seed": int(row["seed"]), "test_accuracy": float(row["test_accuracy"])}
        for row in rows
    ]


def accuracies(results: list[dict[str, Any]]) -> dict[str, dict[str, dict[int, float]]]:
    """Test accuracy by activation, way and seed."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in results:
        of = found.setdefault(row["variant"], {}).setdefault(row["way"], {})
        of[row["seed"]] = row["test_accuracy"]
    return found


def tests(results: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, float | None]]:
    """The paired test and the adjusted p-value by activation and comparison."""
    found = {
        (name, comparison_): comparison.paired_test(by_way[ours], by_way[theirs])
        for name, by_way in accuracies(results).items()
        for comparison_, (ours, theirs) in COMPARISONS.items()
    }
    adjusted = comparison.adjust({key: test.p for key, test in found.items()})
    return {key: (test, adjusted.get(key)) for key, test in found.items()}


def table(results: list[dict[str, Any]], found: dict[tuple[str, str], Any]) -> list[dict[str, str]]:
    """A row for each activation: accuracy frozen at the start, and the differences."""
    rows = []
    for name, by_way in accuracies(results).items():
        row = {"activation": name, START: trials.summary(list(by_way[START].values()))}
        for label in COMPARISONS:
            row[label] = cell(*found[name, label])
        rows.append(row)
    return rows


def cell(test: Any, p: float | None) -> str:
    """A difference in points with its interval; an asterisk if it is significant."""
    if p is None:
        return f"{100 * test.difference:+.2f}"
    mark = " *" if p < comparison.LEVEL else ""
    return f"{100 * test.difference:+.2f} ({100 * test.low:+.2f} to {100 * test.high:+.2f}){mark}"


def ends_table(learned: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Start and end of each parameter, with one set for each layer."""
    ends: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in learned:
        if row["way"] == LEARNED:
            ends.setdefault((row["variant"], row["parameter"]), []).append(row)
    return [
        {
            "activation": name,
            "parameter": path,
            "start": f"{found[0]['start']:.4g}",
            "end, mean ± std over seeds": spread([row["end"] for row in found]),
        }
        for (name, path), found in ends.items()
    ]


def spread(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.2g}" if len(values) > 1 else ""
    return f"{np.mean(values):.4g}{deviation}"


def draw(found: dict[tuple[str, str], Any], title: str, path: Path) -> None:
    """The differences with their intervals: a panel for each comparison."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for name, _ in found))
    size = (12, 1.6 + 0.28 * len(names))
    figure, axes = plt.subplots(
        1, len(COMPARISONS), figsize=size, sharey=True, layout="constrained"
    )
    for axis, label in zip(axes, COMPARISONS, strict=True):
        for y, name in enumerate(names):
            test, p = found[name, label]
            significant = p is not None and p < comparison.LEVEL
            color = "0.55" if not significant else "C0" if test.difference > 0 else "C3"
            axis.plot([100 * test.low, 100 * test.high], [y, y], color=color, lw=2)
            axis.plot(100 * test.difference, y, "o", color=color, ms=4)
        axis.axvline(0.0, color="0.4", lw=0.8)
        ours, theirs = label.split(" - ")
        axis.set_title(f"{ours}\nminus {theirs}", fontsize=9)
        axis.grid(axis="x", alpha=0.25)
        axis.tick_params(labelsize=9)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.suptitle(f"{title}: differences of the test accuracy", fontsize=12)
    figure.supxlabel(
        "Percentage points, mean and 95 % interval over paired seeds. "
        "Blue and red: adjusted p < 0.05; grey: not significant.",
        fontsize=9,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)
