"""Tables and pictures of `examples.rates`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from examples import comparison, durable, studies, trials

NUMBERS: dict[str, type] = {
    "rate": float,
    "seed": int,
    "val_accuracy": float,
    "test_accuracy": float,
    "test_crossentropy": float,
    "seconds": float,
}
"""The columns of numbers of `rates.csv`."""
COLUMNS = 5


def read(files: list[Path]) -> list[dict[str, Any]]:
    """The results of several `rates.csv`; a variant of two files is taken from the first.

    Raises:
        SystemExit: if a file cannot be read.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in files:
        of_file: dict[tuple[str, str], list[dict[str, Any]]] = {}
        with durable.reading(file), file.open(encoding="utf-8", newline="") as opened:
            for row in csv.DictReader(opened):
                numbers = {name: convert(row[name]) for name, convert in NUMBERS.items()}
                key = row["network"], row["variant"]
                of_file.setdefault(key, []).append({**row, **numbers})
        found = {**of_file, **found}
    return [row for rows in found.values() for row in rows]


def write(
    results: list[dict[str, Any]], titles: dict[str, str], baseline: str, folder: Path
) -> None:
    """Writes `rates.csv`, `best.csv`, `tables.md`, and a picture of each network."""
    folder.mkdir(parents=True, exist_ok=True)
    trials.save(results, folder / "rates.csv")
    sections, best = [], []
    for network, title in titles.items():
        found = [result for result in results if result["network"] == network]
        rows = table(found, baseline)
        trials.report(title, rows)
        sections.append(f"### {title}\n\n{trials.markdown(rows)}")
        best += [{"network": network, **row} for row in rows]
        draw(found, title, baseline, folder / f"{network}.png")
    by_network = {n: [row for row in best if row["network"] == n] for n in titles}
    overview = comparison.overview(by_network, baseline, "variant")
    sections.insert(0, f"### All networks\n\n{trials.markdown(overview)}")
    (folder / "tables.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    trials.save(best, folder / "best.csv")


def table(results: list[dict[str, Any]], baseline: str) -> list[dict[str, str]]:
    """A row for each variant, ordered by its accuracy at its best rate."""
    new: dict[str, dict[int, float]] = {}
    for each in results:
        if each["stage"] == studies.NEW:
            new.setdefault(each["variant"], {})[each["seed"]] = each["test_accuracy"]
    rates = {r["variant"]: r["rate"] for r in results if r["stage"] == studies.NEW}
    swept = sorted({r["rate"] for r in results})
    compared = comparison.compare_by_seed(new, baseline)
    rows = []
    for name in sorted(new, key=lambda name: -np.mean(list(new[name].values()))):
        at_edge = rates[name] in (swept[0], swept[-1])
        rows.append(
            {
                "variant": name,
                "best rate": f"{rates[name]:g}{' (edge)' if at_edge else ''}",
                "seeds": str(len(new[name])),
                "test accuracy": trials.summary(list(new[name].values())),
                **compared[name],
                f"at {baseline}'s rate": f"{_at(results, name, rates[baseline]):.4f}",
            }
        )
    return rows


def _at(results: list[dict[str, Any]], variant: str, rate: float) -> float:
    """Mean test accuracy in the sweep at a rate."""
    found = [
        each["test_accuracy"]
        for each in results
        if (each["variant"], each["stage"], each["rate"]) == (variant, studies.SWEEP, rate)
    ]
    return float(np.mean(found))


def curve(results: list[dict[str, Any]], variant: str) -> dict[float, list[float]]:
    """Validation accuracies of the sweep by rate."""
    found: dict[float, list[float]] = {}
    for each in results:
        if each["variant"] == variant and each["stage"] == studies.SWEEP:
            found.setdefault(each["rate"], []).append(each["val_accuracy"])
    return dict(sorted(found.items()))


def draw(results: list[dict[str, Any]], title: str, baseline: str, path: Path) -> None:
    """Accuracy against rate, one panel for each variant, the baseline in grey in each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in dict.fromkeys(r["variant"] for r in results) if name != baseline]
    rows = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(11, 1.75 * rows + 0.9), sharex=True, sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    base = curve(results, baseline)
    best = 100 * max(np.mean(each) for name in names for each in curve(results, name).values())
    lowest = 100 * min(np.mean(each) for each in base.values())
    low = lowest - 0.1 * (best - lowest)
    for axis, name in zip(axes.flat, names, strict=False):
        _line(axis, base, "0.6", baseline)
        _line(axis, curve(results, name), "C0", name)
        axis.set_title(name, fontsize=9)
        axis.set_xscale("log")
        axis.set_ylim(low, best + 0.05 * (best - low))
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
    for axis in list(axes.flat)[len(names) :]:
        axis.axis("off")
    figure.suptitle(f"{title}: validation accuracy (%) against learning rate", fontsize=12)
    figure.supxlabel(
        "Learning rate. Lines: mean over the seeds; bands: minimum to maximum; "
        f"point: highest mean. Grey: {baseline}. "
        f"Values below {low:.0f} % are not shown.",
        fontsize=9,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _line(axis: Any, found: dict[float, list[float]], color: str, label: str) -> None:
    rates = list(found)
    values = [100 * np.asarray(each) for each in found.values()]
    means = [each.mean() for each in values]
    axis.plot(rates, means, color=color, lw=1.5, label=label)
    lows, highs = [each.min() for each in values], [each.max() for each in values]
    axis.fill_between(rates, lows, highs, color=color, alpha=0.2, lw=0)
    top = int(np.argmax(means))
    axis.plot(rates[top], means[top], "o", color=color, ms=4)
