"""Tests trained networks once more: their accuracy as a whole, and for each class.

    python -m examples.evaluate runs/studies/dnn2-mnist-jax/relu/seed_0
    python -m examples.evaluate runs/studies/dnn2-mnist-jax/*/seed_0 --backend torch

Takes folders that `python -m examples.train` has made. Any backend loads what another one has
trained; the accuracy that was noted after the training stands beside the one found now.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, durable, options


def main(arguments: argparse.Namespace) -> None:
    files = [run / "model.keras" for run in arguments.runs]
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise SystemExit(f"There is no {', '.join(missing)}: a run that is done has one.")
    from examples import config, models, runs, trials

    loaded: tuple[Any, Any] = (None, None)
    rows = []
    for folder in arguments.runs:
        run = durable.read(folder / "run.json")
        settings = run["data"]
        # What is not of this package is registered when its module is imported.
        try:
            models.activation(run["model"]["activation"])
            models.neurons(run["model"]["layers"])
        except ValueError as error:
            raise SystemExit(f"{folder}: {error}") from error
        if arguments.data:
            settings["name"] = arguments.data
        if settings != loaded[0]:
            loaded = settings, runs.load(config.Data(**settings))
        found = evaluate(folder, loaded[1], arguments.part)
        rows.append({"run": str(folder), **found, "data": loaded[1].origin})
    trials.report(f"Accuracy on {arguments.part} data", rows, arguments.table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs that are done")
    parser.add_argument("--data", help="another data set, of the same shape")
    parser.add_argument(
        "--part",
        default="test",
        choices=("train", "validation", "test"),
        help="default: %(default)s",
    )
    parser.add_argument("--table", type=Path, help="a CSV file to write the table to")
    options.add_backend(parser)
    return parser.parse_args()


def evaluate(folder: Path, parts: Any, which: str) -> dict[str, str]:
    """The accuracy of a run's model on a part of the data, and that of each class."""
    import keras

    import keras_yat  # noqa: F401  (so that its layers are known)

    with durable.reading(folder / "model.keras"):
        model = keras.saving.load_model(folder / "model.keras")
    part = getattr(parts, which)
    if model.input_shape[1:] != part.x.shape[1:]:
        raise SystemExit(
            f"--data: {folder} takes inputs of {model.input_shape[1:]}, not {part.x.shape[1:]}"
        )
    found = model.predict(part.x, batch_size=1000, verbose=0).argmax(axis=-1)
    right = found == part.y
    metrics = durable.read(folder / "metrics.json")
    noted = metrics["test_accuracy"] if metrics["data"] == parts.origin else None
    each = {str(c): f"{np.mean(right[part.y == c]):.3f}" for c in np.unique(part.y)}
    return {
        "accuracy": f"{np.mean(right):.4f}",
        "noted": f"{noted:.4f}" if noted is not None and which == "test" else "",
        **({f"class {c}": value for c, value in each.items()} if len(each) <= 20 else {}),
    }


if __name__ == "__main__":
    command.start(parse, main)
