"""The report of a study: a table, the best values, the best models and pictures."""

import json
import warnings
from pathlib import Path

import numpy as np

from examples import durable
from examples import trials as tables
from tuning import config, pictures
from tuning.tuner import Tuner, failure, results


def write(study: config.Study, tuners: dict[str, Tuner], tested: dict[str, list], folder: Path):
    """Prints the table, and writes table.csv, trials.csv, best.json, best.keras and pictures."""
    best = {name: tuner.oracle.get_best_trials()[0] for name, tuner in tuners.items()}
    rows = _rows(study, tuners, tested, best)
    tables.report(study.title or folder.name, rows, folder / "table.csv")
    _write_trials(tuners, folder / "trials.csv")
    values = {
        name: {
            "validation accuracy": trial.score,
            "trial": trial.trial_id,
            "values": trial.hyperparameters.values,
        }
        for name, trial in best.items()
    }
    winner = max(best, key=lambda name: best[name].score)
    durable.write(folder / "best.json", {"best arm": winner, "arms": values})
    print(f"\nBest values by validation accuracy ({winner}):")
    for key, value in values[winner]["values"].items():
        print(f"  {key} = {value:.4g}" if isinstance(value, float) else f"  {key} = {value}")
    saved, damaged = _save_models(tuners, winner, folder)
    saved = ["table.csv", "trials.csv", "best.json", *saved]
    saved += pictures.draw(study, tuners, tested, folder)
    print(f"\nSaved {', '.join(saved)} in {folder}.", flush=True)
    if damaged:
        raise SystemExit("\n".join(damaged))


def _rows(study, tuners, tested, best) -> list[dict[str, str]]:
    first = next(iter(tuners))
    rows = []
    for name, tuner in tuners.items():
        ended = tuner.oracle.ended()
        scores = [max(r["val_accuracy"]) for r in results(tuner, best[name])] or [best[name].score]
        accuracies = [found["test_accuracy"] for found in tested[name]]
        rows.append(
            {
                "arm": name,
                "trials": str(len(ended)),
                "failed": str(sum(trial.status != "COMPLETED" for trial in ended)),
                "trainings": str(len(ended) * study.training.seeds),
                "validation accuracy of the best": tables.summary(scores),
                f"test accuracy, {study.final.seeds} new seeds": tables.summary(accuracies),
                f"difference from {first} (95 %)": ""
                if name == first
                else _difference(accuracies, [f["test_accuracy"] for f in tested[first]]),
            }
        )
    return rows


def _difference(one: list[float], other: list[float]) -> str:
    """The difference of the means and its 95 % confidence interval (Welch)."""
    from scipy import stats

    found = f"{np.mean(one) - np.mean(other):+.4f}"
    if min(len(one), len(other)) < 2 or np.ptp(one) == np.ptp(other) == 0.0:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nearly equal accuracies
        interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    return f"{found} ({interval.low:+.4f} to {interval.high:+.4f})"


def _write_trials(tuners, path: Path) -> None:
    """Writes one line per trial: scores by seed, values, and the reason of a failure."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["arm", "trial", "status", "score", "by seed", "values", "reason"])
        for name, tuner in tuners.items():
            for trial in tuner.oracle.ended():
                scores = [f"{max(r['val_accuracy']):.4f}" for r in results(tuner, trial)]
                failed = trial.status != "COMPLETED"
                lines.writerow(
                    [
                        name,
                        trial.trial_id,
                        trial.status,
                        "" if trial.score is None else f"{trial.score:.4f}",
                        " ".join(scores),
                        json.dumps(trial.hyperparameters.values),
                        failure(tuner, trial) if failed else "",
                    ]
                )


def _save_models(tuners, winner: str, folder: Path) -> tuple[list[str], list[str]]:
    """Saves the best model of each arm, that of the winner as best.keras.

    Returns:
        The saved files, and the errors of models whose weights are damaged.
    """
    saved, damaged = [], []
    for name, tuner in tuners.items():
        file = "best.keras" if name == winner else f"best_{config.folder_name(name)}.keras"
        try:
            (model,) = tuner.get_best_models()
        except FileNotFoundError as error:
            print(f"{file} is not saved, as its weights are on a worker's disk: {error}")
            continue
        except durable.Damaged as damage:
            damaged.append(f"{file} is not saved: {damage}")
            continue
        with durable.replacing(folder / file) as part:
            model.save(part)
        saved.append(file)
    return saved, damaged
