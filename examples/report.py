"""Writes tables and pictures of the networks that `python -m examples.train` has trained.

    python -m examples.report runs/studies
    python -m examples.report runs/studies --baseline silu

For each study (a network, its data and a backend): mean and standard deviation of the test
accuracy over the seeds, and a paired test against the baseline, seed by seed: the mean difference,
its 95 % interval, and the p-value of the t-test, adjusted for the number of comparisons (Benjamini
and Hochberg). The table says "higher" or "lower" only if the adjusted p-value is below 0.05. Then
the learned activation parameters, and pictures of metrics and parameters over the epochs. Networks
that were trained on several backends are compared across backends. Includes finished runs only,
and writes to `OUT/report`.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, durable, options, state


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
        return [state.history(folder) for folder in self.folders.values()]

    def parameter_histories(self) -> list[Any]:
        epochs = self.recipe["training"]["epochs"]
        return [state.parameters(folder, epochs) for folder in self.folders.values()]


def main(arguments: argparse.Namespace) -> int:
    damaged: list[durable.Damaged] = []
    folders = sorted(arguments.runs.iterdir())
    studies = {folder.name: read(folder, damaged) for folder in folders}
    for damage in damaged:
        durable.report(f"Left out: {damage}")
    studies = {name: variants for name, variants in studies.items() if variants}
    if not studies:
        without = "finished and undamaged" if damaged else "finished"
        raise SystemExit(f"No run in {arguments.runs} is {without}.")
    from tqdm import tqdm

    from examples import comparison, trials

    out = arguments.runs / "report"
    sections = []
    for name, variants in tqdm(studies.items(), unit="study", dynamic_ncols=True):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        sections.append(report_study(variants, arguments.baseline, folder))
    if len(studies) > 1:
        tables = {name: read_table(out / name / "accuracy.csv") for name in studies}
        rows = comparison.overview(tables, arguments.baseline, "activation")
        trials.report("All studies", rows)
        sections.insert(0, f"### All studies\n\n{trials.markdown(rows)}")
    sections += report_backends(studies, out)
    (out / "tables.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    print(f"\nSaved tables (.csv, and all of them in tables.md) and pictures in {out}.")
    return 1 if damaged else 0


def read_table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=_folder, help="the folder given to the training as --out")
    parser.add_argument(
        "--baseline", default="relu", help="activation to compare with (default: %(default)s)"
    )
    options.add_backend(parser)
    return parser.parse_args()


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text)


def read(folder: Path, damaged: list[durable.Damaged] | None = None) -> list[Variant]:
    """The finished runs of a study, ordered by name.

    Args:
        folder: The folder of the study.
        damaged: A list that the errors of damaged runs are added to. None: they are raised.

    Raises:
        SystemExit: if the runs are not comparable, as their data or training differ.
    """
    found: dict[str, Variant] = {}
    settings: dict[str, Any] = {}
    for file in sorted(folder.glob("*/seed_*/metrics.json")):
        try:
            run, metrics = _read_run(file.parent)
        except durable.Damaged as damage:
            if damaged is None:
                raise
            damaged.append(damage)
            continue
        of_run = {key: run[key] for key in ("data", "training")}
        for key, old, new in durable.differences(settings or of_run, of_run):
            raise SystemExit(f"{file.parent} has {key} = {new!r}, other runs of {folder} {old!r}.")
        settings = of_run
        name = file.parent.parent.name
        variant = found.setdefault(name, Variant(name, run, {}, {}))
        variant.metrics[run["seed"]] = metrics
        variant.folders[run["seed"]] = file.parent
    return list(found.values())


def _read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and the metrics of a run, after all its files are checked."""
    run = state.settings(folder)
    of = state.fingerprint(run)
    metrics, history = state.metrics(folder, of), state.history(folder, of)
    state.parameters(folder, len(history["loss"]))
    with durable.reading(folder / "history.json"):
        if len(history["loss"]) != run["training"]["epochs"]:
            raise ValueError("it does not have each epoch")
    return run, metrics


def report_study(variants: list[Variant], baseline: str, out: Path) -> str:
    """Writes the tables and pictures of a study; returns the tables in Markdown."""
    from examples import comparison, report_pictures, trials

    recipe = variants[0].recipe
    data = next(iter(variants[0].metrics.values()))["data"]
    epochs = recipe["training"]["epochs"]
    title = f"{recipe['title']}, {recipe['data']['name']}, epochs: {epochs}, {recipe['backend']}"
    rows = comparison.compare(variants, baseline)
    trials.report(title, rows, out / "accuracy.csv")
    section = [f"### {title}", f"Data: {data}.", trials.markdown(rows)]
    if recipe["published"]:
        section.append(f"Published: {recipe['published']['metric']}.")
    learned = list(_learned_parameters(variants))
    if learned:
        trials.report("Learned parameters", learned, out / "parameters.csv")
        section.append(trials.markdown(learned))
    report_pictures.draw(title, variants, baseline, out)
    return "\n\n".join(section)


def report_backends(studies: dict[str, list[Variant]], out: Path) -> list[str]:
    """Compares studies of several backends, in tables and pictures; returns Markdown."""
    from examples import comparison, report_pictures, trials

    found: dict[str, dict[str, list[Variant]]] = {}
    for variants in studies.values():
        run = variants[0].folders[next(iter(variants[0].folders))]
        study, _, backend = run.parent.parent.name.rpartition("-")
        found.setdefault(study, {})[backend] = variants
    sections = []
    for study, by_backend in found.items():
        rows = comparison.agreement(
            {b: {v.name: v.histories() for v in variants} for b, variants in by_backend.items()}
        )
        if rows:
            folder = out / study
            folder.mkdir(exist_ok=True)
            title = f"{study}: {', '.join(by_backend)}"
            trials.report(title, rows, folder / "backends.csv")
            report_pictures.draw_backends(study, by_backend, folder)
            sections += [f"### {title}", trials.markdown(rows)]
    return sections


def _learned_parameters(variants: list[Variant]) -> Iterator[dict[str, str]]:
    """The rows of each parameter: its start, and its final values over the seeds."""
    for variant in variants:
        histories = [recorded.history for recorded in variant.parameter_histories()]
        for path in histories[0]:
            start = np.mean(histories[0][path][0])
            ends = [history[path][-1] for history in histories]
            means = [float(np.mean(end)) for end in ends]
            yield {
                "activation": variant.name,
                "weight": path,
                "numbers": str(np.size(ends[0])),
                "start": f"{start:.3f}",
                "end (mean ± std over seeds)": _mean_and_std(means),
                "from": f"{np.min(ends):.3f}",
                "to": f"{np.max(ends):.3f}",
            }


def _mean_and_std(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    command.start(parse, main)
