"""Tables and pictures of what `python -m examples.train` has trained.

    python -m examples.report runs/studies
    python -m examples.report runs/studies --baseline silu

For each study (a network, its data and a backend): mean and standard deviation of the test
accuracy over the seeds, and against the baseline a paired test, seed by seed: the mean difference,
its 95 % interval, and p of the t-test, adjusted for the number of comparisons (Benjamini and
Hochberg). Only where that is below 0.05 does the table say "higher" or "lower". Then what the
activations' parameters became, and pictures of all that over the epochs. Where the same was trained
on several backends, their curves are held against each other. Takes what is done; writes to
`OUT/report`.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, durable, options

LEVEL = 0.05
"""Below this p, adjusted, a difference is called one."""


@dataclass(frozen=True)
class Variant:
    """The runs of a network with one activation, by seed."""

    name: str
    recipe: dict[str, Any]
    metrics: dict[int, dict[str, Any]]
    folders: dict[int, Path]

    @property
    def accuracies(self) -> dict[int, float]:
        return {seed: found["test_accuracy"] for seed, found in self.metrics.items()}

    @property
    def published(self) -> float | None:
        of = self.recipe["published"] or {"accuracy": {}}
        return of["accuracy"].get(self.name)

    def histories(self) -> list[dict[str, list[float]]]:
        files = [folder / "history.json" for folder in self.folders.values()]
        return [durable.read(file) for file in files]

    def recorded(self) -> list[Any]:
        from keras_yat import callbacks

        files = [folder / "parameters.npz" for folder in self.folders.values()]
        found = []
        for file in files:
            with durable.reading(file):
                found.append(callbacks.ParameterHistory.load(file))
        return found


def main(arguments: argparse.Namespace) -> None:
    studies = {folder.name: read(folder) for folder in sorted(arguments.runs.iterdir())}
    studies = {name: variants for name, variants in studies.items() if variants}
    if not studies:
        raise SystemExit(f"No run in {arguments.runs} is done.")
    from tqdm import tqdm

    out = arguments.runs / "report"
    told = []
    for name, variants in tqdm(studies.items(), unit="study", dynamic_ncols=True):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        told.append(tell(variants, arguments.baseline, folder))
    told += across(studies, out)
    (out / "tables.md").write_text("\n\n".join(told) + "\n", encoding="utf-8")
    print(f"\nSaved tables (.csv, and tables.md with all of them) and pictures in {out}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=_folder, help="the folder that was --out of the training")
    parser.add_argument(
        "--baseline", default="relu", help="what the others are held against (default: %(default)s)"
    )
    options.add_backend(parser)
    return parser.parse_args()


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text)


def read(folder: Path) -> list[Variant]:
    """What is done of a study, in the order of the names.

    Raises:
        SystemExit: if its runs cannot be compared: their data or their training differ.
    """
    found: dict[str, Variant] = {}
    settings: dict[str, Any] = {}
    for file in sorted(folder.glob("*/seed_*/metrics.json")):
        run = durable.read(file.parent / "run.json")
        of_run = {key: run[key] for key in ("data", "training")}
        for key, old, new in durable.differences(settings or of_run, of_run):
            raise SystemExit(f"{file.parent} has {key} = {new!r}, other runs of {folder} {old!r}.")
        settings = of_run
        name = file.parent.parent.name
        variant = found.setdefault(name, Variant(name, run, {}, {}))
        variant.metrics[run["seed"]] = durable.read(file)
        variant.folders[run["seed"]] = file.parent
    return list(found.values())


def tell(variants: list[Variant], baseline: str, out: Path) -> str:
    """Prints and saves the tables of a study, draws its pictures; the tables in Markdown."""
    from examples import report_pictures, trials

    recipe = variants[0].recipe
    data = next(iter(variants[0].metrics.values()))["data"]
    epochs = recipe["training"]["epochs"]
    title = f"{recipe['title']}, {recipe['data']['name']}, epochs: {epochs}, {recipe['backend']}"
    rows = compare(variants, baseline)
    trials.report(title, rows, out / "accuracy.csv")
    told = [f"### {title}", f"Data: {data}.", trials.markdown(rows)]
    if recipe["published"]:
        told.append(f"Published: {recipe['published']['metric']}.")
    learned = list(_learned(variants))
    if learned:
        trials.report("What the parameters became", learned, out / "parameters.csv")
        told.append(trials.markdown(learned))
    report_pictures.draw(title, variants, baseline, out)
    return "\n\n".join(told)


def across(studies: dict[str, list[Variant]], out: Path) -> list[str]:
    """Holds what was trained on several backends against each other; the tables in Markdown."""
    from examples import report_pictures, trials

    found: dict[str, dict[str, list[Variant]]] = {}
    for variants in studies.values():
        run = variants[0].folders[next(iter(variants[0].folders))]
        study, _, chosen = run.parent.parent.name.rpartition("-")
        found.setdefault(study, {})[chosen] = variants
    told = []
    for study, of_backend in found.items():
        rows = agreement({b: {v.name: v.histories() for v in vs} for b, vs in of_backend.items()})
        if rows:
            folder = out / study
            folder.mkdir(exist_ok=True)
            title = f"{study}: {', '.join(of_backend)}"
            trials.report(title, rows, folder / "backends.csv")
            report_pictures.draw_backends(study, of_backend, folder)
            told += [f"### {title}", trials.markdown(rows)]
    return told


def agreement(histories: dict[str, dict[str, list[dict]]]) -> list[dict[str, str]]:
    """For each network that several backends have: the validation loss of the last epoch that
    all have, and the smallest p of any epoch that the backends' means are equal (one-way
    analysis of variance).
    """
    from examples import trials

    names = [n for n in next(iter(histories.values())) if all(n in h for h in histories.values())]
    if len(histories) < 2 or not names:
        return []
    curves = {
        (name, b): np.array([history["val_crossentropy"] for history in found[name]])
        for name in names
        for b, found in histories.items()
    }
    epochs = min(found.shape[1] for found in curves.values())
    p = _adjusted({(n, e): v for n in names for e, v in _epochs(n, histories, curves)})
    rows = []
    for name in names:
        row = {"activation": name, "epoch": str(epochs)}
        for b in histories:
            row[f"{b}, {len(curves[name, b])} seeds"] = trials.summary(
                list(curves[name, b][:, epochs - 1])
            )
        smallest = min((value for (n, _), value in p.items() if n == name), default=None)
        told = _told_p(smallest)
        row["smallest p of any epoch, adjusted"] = told
        row["shown"] = "" if smallest is None else "nothing" if smallest >= LEVEL else "different"
        rows.append(row)
    return rows


def _epochs(name: str, histories: Any, curves: Any) -> Iterator[tuple[int, float]]:
    """For each epoch p that the backends' means are equal."""
    from scipy import stats

    groups = [curves[name, b] for b in histories]
    for epoch in range(min(group.shape[1] for group in groups)):
        of_epoch = [group[:, epoch] for group in groups]
        if all(len(values) > 1 for values in of_epoch):
            yield epoch, float(stats.f_oneway(*of_epoch).pvalue)


def _told_p(p: float | None) -> str:
    if p is None:
        return ""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def compare(variants: list[Variant], baseline: str) -> list[dict[str, str]]:
    """The rows of the table: each variant, held against the baseline."""
    from examples import trials

    base = next((v for v in variants if v.name == baseline), None)
    tests = {v.name: paired(v.accuracies, base.accuracies) for v in variants if base and v != base}
    adjusted = _adjusted({name: test.p for name, test in tests.items()})
    shows_published = any(v.published is not None for v in variants)
    rows = []
    for variant in variants:
        row = {
            "activation": variant.name,
            "seeds": str(len(variant.metrics)),
            "parameters": f"{next(iter(variant.metrics.values()))['parameters']:,}",
            "test accuracy": trials.summary(list(variant.accuracies.values())),
        }
        if base:
            row |= _told(tests.get(variant.name), adjusted.get(variant.name), baseline)
        if shows_published:
            row["published"] = "" if variant.published is None else f"{variant.published:.4f}"
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Test:
    """A paired test: the mean difference, its 95 % interval and p; NaN where there is none."""

    difference: float
    low: float
    high: float
    p: float


def paired(ours: dict[int, float], theirs: dict[int, float]) -> Test:
    """The t-test of the differences of what has the same seed."""
    from scipy import stats

    seeds = sorted(set(ours) & set(theirs))
    differences = np.array([ours[seed] - theirs[seed] for seed in seeds])
    mean = float(np.mean(differences)) if seeds else np.nan
    if len(seeds) < 2 or np.ptp(differences) == 0.0:
        return Test(mean, np.nan, np.nan, np.nan)
    found = stats.ttest_1samp(differences, 0.0)
    interval = found.confidence_interval(0.95)
    return Test(mean, float(interval.low), float(interval.high), float(found.pvalue))


def _adjusted(p: dict[Any, float]) -> dict[Any, float]:
    """The same, adjusted for how many they are; without those that are not known."""
    from scipy import stats

    known = {name: value for name, value in p.items() if np.isfinite(value)}
    if not known:
        return {}
    return dict(zip(known, stats.false_discovery_control(list(known.values())), strict=True))


def _told(test: Test | None, p: float | None, baseline: str) -> dict[str, str]:
    against, adjusted, verdict = f"difference from {baseline} (95 %)", "p, adjusted", "shown"
    if test is None:
        return {against: "", adjusted: "", verdict: ""}
    if p is None:
        return {against: f"{test.difference:+.4f}", adjusted: "", verdict: "nothing"}
    word = ("higher" if test.difference > 0 else "lower") if p < LEVEL else "nothing"
    return {
        against: f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})",
        adjusted: _told_p(p),
        verdict: word,
    }


def _learned(variants: list[Variant]) -> Iterator[dict[str, str]]:
    """Each parameter of each variant: before the training, and after it over the seeds."""
    for variant in variants:
        histories = [recorded.history for recorded in variant.recorded()]
        for path in histories[0]:
            start = np.mean(histories[0][path][0])
            ends = [history[path][-1] for history in histories]
            means = [float(np.mean(end)) for end in ends]
            yield {
                "activation": variant.name,
                "weight": path,
                "numbers": str(np.size(ends[0])),
                "start": f"{start:.3f}",
                "end (mean ± std over seeds)": _spread(means),
                "from": f"{np.min(ends):.3f}",
                "to": f"{np.max(ends):.3f}",
            }


def _spread(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    command.start(parse, main)
