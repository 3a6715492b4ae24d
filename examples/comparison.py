"""Statistics of a report: paired tests against a baseline, and agreement of backends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples import trials

LEVEL = 0.05
"""Adjusted p-values below this level are significant."""


@dataclass(frozen=True)
class PairedTest:
    """Mean difference, 95 % confidence interval and p-value; NaN if undefined."""

    difference: float
    low: float
    high: float
    p: float


def paired_test(ours: dict[int, float], theirs: dict[int, float]) -> PairedTest:
    """The paired t-test of two results by seed. Seeds of only one of them are ignored."""
    from scipy import stats

    seeds = sorted(set(ours) & set(theirs))
    differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
    mean = float(np.mean(differences)) if seeds else np.nan
    if len(seeds) < 2 or np.ptp(differences) == 0.0:
        return PairedTest(mean, np.nan, np.nan, np.nan)
    found = stats.ttest_1samp(differences, 0.0)
    interval = found.confidence_interval(0.95)
    return PairedTest(mean, float(interval.low), float(interval.high), float(found.pvalue))


def compare(variants: list[Any], baseline: str) -> list[dict[str, str]]:
    """The rows of a table that compares each variant with the baseline."""
    base = next((v for v in variants if v.name == baseline), None)
    compared = compare_by_seed({v.name: v.accuracies for v in variants}, baseline) if base else {}
    shows_published = any(v.published is not None for v in variants)
    rows = []
    for variant in variants:
        row = {
            "activation": variant.name,
            "seeds": str(len(variant.metrics)),
            "parameters": f"{next(iter(variant.metrics.values()))['parameters']:,}",
            "test accuracy": trials.summary(list(variant.accuracies.values())),
        }
        row |= compared.get(variant.name, {})
        if shows_published:
            row |= published_columns(variant, base, row.get("shown"))
        rows.append(row)
    return rows


def compare_by_seed(
    values: dict[str, dict[int, float]], baseline: str
) -> dict[str, dict[str, str]]:
    """The columns of a comparison for each variant, from its results by seed."""
    tests = {
        name: paired_test(found, values[baseline])
        for name, found in values.items()
        if name != baseline
    }
    adjusted = adjust({name: test.p for name, test in tests.items()})
    return {
        name: difference_columns(tests.get(name), adjusted.get(name), baseline) for name in values
    }


def published_columns(variant: Any, base: Any, shown: str | None) -> dict[str, str]:
    """The published accuracy, its difference from the baseline, and whether that holds here.

    `shown` is the entry of `difference_columns`. A published difference holds if one of the same
    sign is significant.
    """
    columns = {"published": "" if variant.published is None else f"{variant.published:.4f}"}
    if base is None or base.published is None:
        return columns
    columns |= {"published difference": "", "holds": ""}
    if variant.published is None or variant is base:
        return columns
    difference = variant.published - base.published
    expected = "higher" if difference > 0 else "lower"
    holds = {"nothing": "not shown", expected: "yes"}.get(shown or "", "opposite")
    return {
        **columns,
        "published difference": f"{difference:+.4f}",
        "holds": holds if abs(difference) > 1e-9 else "",
    }


def difference_columns(test: PairedTest | None, p: float | None, baseline: str) -> dict[str, str]:
    """The columns of a comparison; empty for the baseline, whose `test` is None."""
    difference, adjusted, shown = f"difference from {baseline} (95 %)", "p, adjusted", "shown"
    if test is None:
        return {difference: "", adjusted: "", shown: ""}
    if p is None:
        return {difference: f"{test.difference:+.4f}", adjusted: "", shown: "nothing"}
    direction = "higher" if test.difference > 0 else "lower"
    return {
        difference: f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})",
        adjusted: format_p(p),
        shown: direction if p < LEVEL else "nothing",
    }


def overview(tables: dict[str, list[dict[str, str]]], baseline: str, key: str) -> list[Any]:
    """The rows of a table of several studies: for each variant its difference in each of them.

    Differences are in points, significant ones bold, with their 95 % intervals; then the best rate
    or the published difference, if a table has it.

    Args:
        tables: By study, rows with the columns of `difference_columns`.
        baseline: The variant that the others are compared with.
        key: The column with the name of the variant.
    """
    cells = {(row[key], study): _cell(row, baseline) for study in tables for row in tables[study]}
    order = sorted({name for name, _ in cells}, key=lambda name: (name != baseline, name))
    return [{key: n, **{study: cells.get((n, study), "") for study in tables}} for n in order]


def _cell(row: dict[str, str], baseline: str) -> str:
    difference, _, interval = row[f"difference from {baseline} (95 %)"].partition(" ")
    mark = "**" if row["shown"] in ("higher", "lower") else ""
    parts = [f"{mark}{_points(difference)}{mark}" if difference else row["test accuracy"]]
    if interval:
        low, _, high = interval.strip("()").partition(" to ")
        parts.append(f"({_points(low)} to {_points(high)})")
    if row.get("best rate"):
        parts.append(f"at {row['best rate']}")
    if row.get("published difference"):
        parts.append(f"[{_points(row['published difference'])}: {row['holds'] or 'none'}]")
    return " ".join(parts)


def _points(number: str) -> str:
    return f"{100 * float(number):+.2f}"


def agreement(histories: dict[str, dict[str, list[dict]]]) -> list[dict[str, str]]:
    """The rows of a table that compares backends, one row for each network of all backends.

    A row has the validation loss at the last epoch common to all backends, and the smallest
    p-value over the epochs of a one-way analysis of variance between backends.

    Args:
        histories: By backend and network, the histories of the seeds.
    """
    names = [n for n in next(iter(histories.values())) if all(n in h for h in histories.values())]
    if len(histories) < 2 or not names:
        return []
    curves = {
        (name, b): np.array([history["val_crossentropy"] for history in found[name]])
        for name in names
        for b, found in histories.items()
    }
    epochs = min(found.shape[1] for found in curves.values())
    p = adjust(
        {
            (name, epoch): value
            for name in names
            for epoch, value in _epoch_tests([curves[name, b] for b in histories])
        }
    )
    rows = []
    for name in names:
        row = {"activation": name, "epoch": str(epochs)}
        for b in histories:
            row[f"{b}, {len(curves[name, b])} seeds"] = trials.summary(
                list(curves[name, b][:, epochs - 1])
            )
        smallest = min((value for (n, _), value in p.items() if n == name), default=None)
        row["smallest p of any epoch, adjusted"] = format_p(smallest)
        row["shown"] = "" if smallest is None else "nothing" if smallest >= LEVEL else "different"
        rows.append(row)
    return rows


def _epoch_tests(groups: list[np.ndarray]) -> Iterator[tuple[int, float]]:
    """For each epoch, the p-value of equal means over the groups of seeds."""
    from scipy import stats

    for epoch in range(min(group.shape[1] for group in groups)):
        values = [group[:, epoch] for group in groups]
        if all(len(each) > 1 for each in values):
            yield epoch, float(stats.f_oneway(*values).pvalue)


def adjust(p: dict[Any, float]) -> dict[Any, float]:
    """The p-values adjusted by Benjamini and Hochberg; undefined ones are left out."""
    from scipy import stats

    known = {name: value for name, value in p.items() if np.isfinite(value)}
    if not known:
        return {}
    return dict(zip(known, stats.false_discovery_control(list(known.values())), strict=True))


def format_p(p: float | None) -> str:
    """A p-value with three decimals; empty for None."""
    if p is None:
        return ""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
