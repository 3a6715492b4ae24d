"""Continues a periodic signal beyond its data, with Snake and with other activations.

    python -m examples.extrapolation
    python -m examples.extrapolation --data sine --seeds 2 --steps 100

A small network maps the time to the signal. It is trained on the first part of the data and
predicts the rest. Each variant starts from the same kernels of its seed, and trains equally: full
batches, Adam. The table has the root mean square error on both parts, and paired differences over
the seeds of that on the second part.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

UNITS = 64
BASELINE = "SiLU"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    BASELINE: ("silu", {}),
    "ReLU": ("relu", {}),
    "Snake, a = 1": ("snake", {"a": 1.0}),
    "Snake, a = 10": ("snake", {"a": 10.0}),
    "Snake, a = 30": ("snake", {"a": 30.0}),
    "Snake per unit, a = 30": ("snake", {"a": 30.0, "axis": -1}),
}
SINE = "sine"


def main(arguments: argparse.Namespace) -> None:
    series = sine() if arguments.data == SINE else data.load_series(arguments.data)
    trained = series.time < arguments.share * (series.time[-1] + series.time[1])
    print(
        f"{series.origin}: {trained.sum()} values to train on, {np.sum(~trained)} to predict; "
        f"{command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(series, trained, arguments, folder)
    print(f"\nSaved errors.csv and extrapolation.png in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data",
        default="seattle_temperature",
        choices=[*data.names(data.SeriesSet), SINE],
        help="default: %(default)s; sine is made here",
    )
    parser.add_argument(
        "--share",
        type=options.rate,
        default="0.75",
        help="part of the data to train on (default: %(default)s)",
    )
    for name, number, text in (("seeds", 5, "networks"), ("steps", 2_000, "steps of training")):
        parser.add_argument(
            f"--{name}", type=options.positive, default=number, help=f"{text}; default: %(default)s"
        )
    parser.add_argument(
        "--rate", type=options.rate, default="0.001", help="Adam's rate; default: %(default)s"
    )
    options.add_common(parser, "extrapolation")
    return parser.parse_args()


def sine() -> data.Series:
    """Four periods of a sine with noise."""
    time = np.arange(400) / 100
    noise = np.random.default_rng(0).normal(scale=0.1, size=400)
    return data.Series(time, np.sin(2.0 * np.pi * time) + noise, "a sine with noise, made here")


def study(
    series: data.Series, trained: np.ndarray, arguments: argparse.Namespace, folder: Path
) -> None:
    """Trains each variant from each seed, reports the errors, draws the predictions."""
    import keras

    centre, spread = series.values[trained].mean(), series.values[trained].std()
    middle, width = series.time[trained].mean(), series.time[trained].std()
    x = ((series.time - middle) / width)[:, None].astype("float32")
    y = ((series.values - centre) / spread)[:, None].astype("float32")
    bar = keras.utils.Progbar(len(VARIANTS) * arguments.seeds, unit_name="training")
    predicted: dict[str, list[np.ndarray]] = {name: [] for name in VARIANTS}
    counts = {}
    for seed in range(arguments.seeds):
        for name in VARIANTS:
            keras.utils.set_random_seed(seed)
            model = build(name)
            model.compile(keras.optimizers.Adam(arguments.rate), "mse")
            steps, batch = arguments.steps, int(trained.sum())
            model.fit(x[trained], y[trained], batch_size=batch, epochs=steps, verbose=0)
            outputs = model.predict(x, batch_size=len(x), verbose=0)[:, 0]
            predicted[name].append(centre + spread * outputs.astype("float64"))
            counts[name] = model.count_params()
            bar.add(1)
    title = f"{arguments.data}: {arguments.steps} steps of Adam at {arguments.rate:g}"
    report(series, trained, predicted, counts, title, folder)
    unit = "" if arguments.data == SINE else data.find(arguments.data, data.SeriesSet).unit
    draw(series, trained, predicted, title, unit, folder / "extrapolation.png")


def build(name: str) -> Any:
    """The network: two hidden layers, each followed by an activation."""
    import keras

    import keras_yat

    label, settings = VARIANTS[name]
    layers: list[Any] = [keras.Input((1,))]
    for _ in range(2):
        layers.append(keras.layers.Dense(UNITS))
        layers.append(keras_yat.Snake(**settings) if settings else keras.layers.Activation(label))
    return keras.Sequential([*layers, keras.layers.Dense(1)])


def report(
    series: data.Series,
    trained: np.ndarray,
    predicted: dict[str, list[np.ndarray]],
    counts: dict[str, int],
    title: str,
    folder: Path,
) -> None:
    """Writes the errors on both parts, with paired differences of those on the second part."""
    from examples import comparison, trials

    def errors(name, part):
        differences = (outputs[part] - series.values[part] for outputs in predicted[name])
        return [float(np.sqrt(np.mean(np.square(d)))) for d in differences]

    beyond = {name: dict(enumerate(errors(name, ~trained))) for name in predicted}
    compared = comparison.compare_by_seed(beyond, BASELINE)
    rows = [
        {
            "variant": name,
            "parameters": str(counts[name]),
            "error on the data": trials.summary(errors(name, trained)),
            "error beyond": trials.summary(list(values.values())),
            **compared[name],
        }
        for name, values in beyond.items()
    ]
    trials.report(title, rows, folder / "errors.csv")
    beyond_it = np.flatnonzero(~trained)
    period = round(1.0 / (series.time[1] - series.time[0]))
    for name, guess in (
        ("the mean of the data", series.values[trained].mean()),
        ("the value of a period before", series.values[beyond_it - period]),
    ):
        error = np.sqrt(np.mean(np.square(guess - series.values[beyond_it])))
        print(f"Error beyond of {name}: {error:.4f}")


def draw(
    series: data.Series,
    trained: np.ndarray,
    predicted: dict[str, list[np.ndarray]],
    title: str,
    unit: str,
    path: Path,
) -> None:
    """Draws the predictions of every seed, a panel for each variant."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 3
    rows = -(-len(predicted) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(12, 2.8 * rows), sharex=True, sharey=True, layout="constrained"
    )
    margin = 0.3 * np.ptp(series.values)
    for axis, (name, outputs) in zip(axes.flat, predicted.items(), strict=False):
        axis.plot(series.time, series.values, ".", color="0.8", markersize=2)
        for seed, values in enumerate(outputs):
            axis.plot(series.time, values, linewidth=1.2, color=f"C{seed % 10}")
        axis.axvline(series.time[~trained][0], color="0.3", linestyle="--", linewidth=1)
        axis.set_title(name, fontsize=11)
        axis.set_ylim(series.values.min() - margin, series.values.max() + margin)
    figure.suptitle(f"{title}. A line for each seed; beyond the dashed line no data was seen.")
    figure.supxlabel("years", fontsize=10)
    figure.supylabel(unit, fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    command.start(parse, main)
