"""Evaluates trained networks: accuracy overall and for each class.

    python -m examples.evaluate runs/studies/dnn2-mnist-jax/relu/seed_0
    python -m examples.evaluate runs/studies/dnn2-mnist-jax/*/seed_0 --backend torch

Takes folders written by `python -m examples.train`. Every backend loads models of the others.
The table has the accuracy recorded after the training beside the one measured now.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, durable, options, state


def main(arguments: argparse.Namespace) -> int:
    files = [run / "model.keras" for run in arguments.runs]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise SystemExit(f"There is no {', '.join(missing)}: the run is not finished.")
    from examples import trials

    loaded: dict[str, Any] = {}
    rows, damaged = [], []
    for folder in arguments.runs:
        try:
            rows.append({"run": str(folder), **_row(folder, arguments, loaded)})
        except durable.Damaged as damage:
            damaged.append(damage)
            durable.report(damage)
    if rows:
        trials.report(f"Accuracy on {arguments.part} data", rows, arguments.table)
    return 1 if damaged else 0


def _row(folder: Path, arguments: argparse.Namespace, loaded: dict[str, Any]) -> dict[str, str]:
    """The accuracies of a run; `loaded` has the data of the last one."""
    from examples import config, layer_factory, runs

    run = state.settings(folder)
    # Importing the module of a custom activation or layer registers it with Keras.
    try:
        layer_factory.activation(run["model"]["activation"])
        layer_factory.layer_classes(run["model"]["layers"])
    except ValueError as error:
        raise SystemExit(f"{folder}: {error}") from error
    settings = run["data"] | ({"name": arguments.data} if arguments.data else {})
    key = str(settings)
    if key not in loaded:
        loaded.clear()
        loaded[key] = runs.load(config.Data(**settings))
    found = evaluate(folder, loaded[key], arguments.part)
    return {**found, "data": loaded[key].origin}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument(
        "--data", choices=data.names(data.ImageSet), help="another data set of the same shape"
    )
    parser.add_argument(
        "--part",
        default="test",
        choices=("train", "validation", "test"),
        help="default: %(default)s",
    )
    parser.add_argument("--table", type=Path, help="CSV file for the table")
    options.add_backend(parser)
    return parser.parse_args()


def evaluate(folder: Path, splits: Any, split: str) -> dict[str, str]:
    """The accuracy of a run's model on a split of the data, overall and for each class."""
    import keras

    import keras_yat  # noqa: F401 - registers the layers of the saved model

    with durable.reading(folder / "model.keras"):
        model = keras.saving.load_model(folder / "model.keras")
    examples = getattr(splits, split)
    if model.input_shape[1:] != examples.x.shape[1:]:
        raise SystemExit(
            f"--data: {folder} takes inputs of {model.input_shape[1:]}, not {examples.x.shape[1:]}"
        )
    predictions = model.predict(examples.x, batch_size=1000, verbose=0).argmax(axis=-1)
    correct = predictions == examples.y
    metrics = state.metrics(folder)
    recorded = metrics["test_accuracy"] if metrics["data"] == splits.origin else None
    each = {str(c): f"{np.mean(correct[examples.y == c]):.3f}" for c in np.unique(examples.y)}
    return {
        "accuracy": f"{np.mean(correct):.4f}",
        "recorded": f"{recorded:.4f}" if recorded is not None and split == "test" else "",
        **({f"class {c}": value for c, value in each.items()} if len(each) <= 20 else {}),
    }


if __name__ == "__main__":
    command.start(parse, main)
