"""Time and memory of Yat layers and Keras's against batch, width, channels and length.

    python -m benchmarks.scale                                        # all three backends
    python -m benchmarks.scale --backend jax --only dense_batch lstm_length

For each curve and size a row: a training step (forward and backward with gradients of input
and weights) of the Yat layer and of Keras's layer, which ran in turn. Keras's layers: `Dense`
and `Conv2D` with `gelu`, `LSTM`, `MultiHeadAttention` with its fused path off, and `silu` for
SinLU. Seconds are medians over 3 to `--rounds` rounds, "ratio" is the median of the ratios;
memory is the peak in bytes beyond input and weights. Rows are written as they are measured; a
size that runs out of memory has a row without numbers. Float32, JAX under `jit`, TensorFlow in
`tf.function`, torch eager.

Writes CSV, and the curves as PNG beside it. `--markdown` prints the table of
benchmarks/README.md. An exponent is the slope of the logarithms over the last three sizes,
where the overhead of a call matters least.
"""

import argparse
import gc
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import command

FITTED = 3
"""Number of sizes that an exponent is fitted to, the largest ones."""
GROWTH = 1.2
"""A ratio grows if at the largest size it is more than this multiple of that at the smallest."""
SECONDS = 0.8
"""About how long the rounds at one size take."""
HEADS, HEAD_SIZE = 4, 32
MEASURES = {"time": ("seconds", "ratio"), "memory": ("memory", "memory ratio")}
"""The columns of a measure: its values, after "keras" and "yat", and their ratios."""


class Curve(NamedTuple):
    """A layer whose cost is measured at several sizes.

    `shape`, that of the input, and `features`, the units or filters, are None where the size is.
    """

    layer: str
    axis: str
    sizes: tuple[int, ...]
    shape: tuple[int | None, ...]
    features: int | None = None

    def at(self, size: int) -> tuple[tuple[int, ...], int]:
        """The shape and the features at a size."""
        shape = tuple(size if n is None else n for n in self.shape)
        return shape, size if self.features is None else self.features

    def small(self) -> "Curve":
        """The same with tiny sizes, to see that it runs."""
        shape = tuple(n and min(n, 6) for n in self.shape)
        return self._replace(sizes=tuple(range(2, 7)), shape=shape, features=self.features and 4)


CURVES = {
    "dense_batch": Curve("dense", "batch", (64, 256, 1024, 4096, 16384), (None, 512), 512),
    "dense_width": Curve("dense", "width", (256, 512, 1024, 2048, 4096), (256, None)),
    "conv2d_batch": Curve("conv2d", "batch", (1, 4, 16, 64, 256), (None, 16, 16, 64), 64),
    "conv2d_channels": Curve("conv2d", "channels", (16, 32, 64, 128, 256), (16, 16, 16, None)),
    "lstm_length": Curve("lstm", "length", (16, 32, 64, 128, 256), (32, None, 64), 64),
    "lstm_width": Curve("lstm", "width", (32, 64, 128, 256, 512), (32, 32, None)),
    "attention_length": Curve(
        "attention", "length", (256, 512, 1024, 2048, 4096), (1, None, HEADS * HEAD_SIZE)
    ),
    "sinlu_entries": Curve("sinlu", "entries", tuple(4**i for i in range(8, 13)), (None,)),
}


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "scale")
    parser.add_argument("--only", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--rounds", type=int, default=15, help="at most; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    import keras
    from tqdm import tqdm

    from benchmarks import harness

    harness.quiet()
    print(f"\n{arguments.backend}, Keras {keras.__version__}", flush=True)
    curves = [CURVES[name] for name in arguments.only]
    curves = [curve.small() for curve in curves] if arguments.quick else curves
    rows = []
    for curve, size in (bar := tqdm([(c, n) for c in curves for n in c.sizes], leave=False)):
        bar.set_description(f"{curve.layer}, {curve.axis} {size}")
        head = {"layer": curve.layer, "axis": curve.axis, "size": size}
        rows.append({**head, "backend": arguments.backend, **at(curve, size, arguments.rounds)})
        yield rows[-1]
    print(harness.table(rows), flush=True)
    draw(command.read(arguments.csv), arguments.csv.with_suffix(".png"))


COLUMNS = (
    *("input", "keras seconds", "yat seconds", "ratio", "quartiles"),
    *("keras memory", "yat memory", "memory ratio"),
)


def at(curve: Curve, size: int, rounds: int) -> dict[str, object]:
    """The columns of one size, without numbers if it needs more memory than there is."""
    gc.collect()
    shape, features = curve.at(size)
    row = {**dict.fromkeys(COLUMNS), "input": "×".join(map(str, shape))}
    try:
        return {**row, **compare(curve.layer, shape, features, rounds)}
    except Exception as error:
        if not out_of_memory(error):
            raise
        return row


def out_of_memory(error: Exception) -> bool:
    """Whether an error is that of a backend which got no memory."""
    texts = ("resource_exhausted", "resourceexhausted", "outofmemory", "can't allocate memory")
    found = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(text in found for text in texts)


def compare(layer: str, shape: tuple[int, ...], features: int, rounds: int) -> dict[str, object]:
    import keras

    from benchmarks import harness
    from benchmarks.memory import peak_memory

    layers = contestants(layer, shape, features)
    x = harness.tensor(shape, "float32", seed=0)
    outputs = [own(keras.Input(batch_shape=shape)) for own in layers.values()]
    upstream = harness.tensor(outputs[0].shape, "float32", seed=1)
    steps = {n: harness.forward_backward(own, x, upstream) for n, own in layers.items()}
    peaks = {n: peak_memory(step) for n, step in steps.items()}  # and warms up
    times = harness.times_in_turn(steps, harness.rounds_in(SECONDS, steps, rounds))
    first, median, third = harness.ratios(times, "keras")["yat"]
    base, peak = peaks["keras"], peaks["yat"]
    return {
        **{f"{n} seconds": statistics.median(seconds) for n, seconds in times.items()},
        "ratio": median,
        "quartiles": f"{first:.2f}-{third:.2f}",
        **{f"{n} memory": found for n, found in peaks.items()},
        "memory ratio": peak / base if peak and base else None,
    }


def contestants(layer: str, shape: tuple[int, ...], features: int) -> dict[str, Any]:
    from dataclasses import replace

    import keras

    import keras_yat
    from benchmarks import activations, cases

    if layer == "lstm":
        return {"keras": keras.layers.LSTM(features), "yat": keras_yat.YatLSTM(features)}
    if layer == "attention":
        stock = keras.layers.MultiHeadAttention(HEADS, HEAD_SIZE)
        yat = keras_yat.YatMultiHeadAttention(HEADS, HEAD_SIZE)
        # Who asks for the scores gets the path that has them.
        unfused = cases.SelfAttention(stock, return_attention_scores=True)
        return {"keras": unfused, "yat": cases.SelfAttention(yat)}
    if layer == "sinlu":
        return {"keras": keras.layers.Activation("silu"), "yat": activations.own(layer, "float32")}
    case = replace(cases.CASES[layer], shape=shape, features=features)
    return {"keras": case.layer("keras", "float32"), "yat": case.layer("own", "float32")}


class Growth(NamedTuple):
    """How a measure grows with the size on one curve, None where there are too few numbers."""

    keras: float | None
    """Exponent of Keras's layer."""
    yat: float | None
    """Exponent of the Yat layer."""
    first: float | None
    """Yat layer over Keras's layer at the smallest size."""
    last: float | None
    """The same at the largest size."""

    @property
    def grows(self) -> bool:
        return bool(self.first and self.last and self.last > GROWTH * self.first)


def growths(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str, str], dict[str, Growth]]:
    """By layer, axis and backend, then by measure."""
    curves: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        curves.setdefault((row["layer"], row["axis"], row["backend"]), []).append(row)
    return {
        key: {what: growth(own, *columns) for what, columns in MEASURES.items()}
        for key, own in curves.items()
    }


def growth(rows: Sequence[Mapping[str, str]], values: str, ratio: str) -> Growth:
    _, ratios = points(rows, ratio)
    first, last = (ratios[0], ratios[-1]) if ratios else (None, None)
    return Growth(exponent(rows, f"keras {values}"), exponent(rows, f"yat {values}"), first, last)


def points(rows: Sequence[Mapping[str, str]], column: str) -> tuple[list[float], list[float]]:
    """Sizes and values, without the sizes that have none."""
    own = [row for row in rows if row[column] and float(row[column]) > 0.0]
    return [float(row["size"]) for row in own], [float(row[column]) for row in own]


def exponent(rows: Sequence[Mapping[str, str]], column: str) -> float | None:
    """The slope of the logarithm of a column over that of the size, at the largest sizes."""
    import numpy as np

    sizes, values = (found[-FITTED:] for found in points(rows, column))
    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def markdown(rows: list[dict[str, str]]) -> str:
    heads = ["layer", "axis", "backend"]
    for what in MEASURES:
        heads += [f"{what}: Keras", "Yat", "difference", "ratio"]
    lines = [f"| {' | '.join(heads)} | grows |", "|---|---|---|" + "--:|" * 8 + "---|"]
    for key, found in growths(rows).items():
        cells = list(key)
        for own in found.values():
            if own.keras is None or own.yat is None:
                cells += ["", "", "", ""]
            else:
                exponents = [f"{own.keras:.2f}", f"{own.yat:.2f}", f"{own.yat - own.keras:+.2f}"]
                cells += [*exponents, arrow(own)]
        cells.append(", ".join(what for what, own in found.items() if own.grows) or "no")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def arrow(found: Growth) -> str:
    """The ratios at the smallest and at the largest size."""
    return f"{found.first:.2f} → {found.last:.2f}" if found.last else ""


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """A row of panels for each backend, a column for each curve."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = growths(rows)
    backends = list(dict.fromkeys(backend for *_, backend in found))
    curves = list(dict.fromkeys((layer, axis) for layer, axis, _ in found))
    width, height = 1.6 * len(curves) + 0.8, 1.8 * len(backends) + 1.2
    shared = {"sharex": "col", "sharey": True, "squeeze": False, "layout": "constrained"}
    size = (max(width, 7.5), height)
    figure, axes = plt.subplots(len(backends), len(curves), figsize=size, **shared)
    for backend, line in zip(backends, axes, strict=True):
        line[0].set_ylabel(backend, fontsize=12)
        for (layer, along), axis in zip(curves, line, strict=True):
            key = (layer, along, backend)
            own = [row for row in rows if (row["layer"], row["axis"], row["backend"]) == key]
            for who, style, color in (("keras", "o--", "0.5"), ("yat", "o-", "C0")):
                axis.loglog(*points(own, f"{who} seconds"), style, color=color, markersize=3.5)
            scales(axis, [int(row["size"]) for row in own])
            axis.set_title(arrow(found[key]["time"]) if key in found else "", fontsize=11)
    for (layer, along), column in zip(curves, axes.T, strict=True):
        column[0].set_title(f"{layer}\n{column[0].get_title()}", fontsize=11)
        column[-1].set_xlabel(along, fontsize=12)
    title = "Training step: seconds, and Yat / Keras at the smallest → largest size"
    figure.suptitle(title, fontsize=14)
    options = {"loc": "outside lower center", "ncols": 2, "fontsize": 12, "frameon": False}
    figure.legend(axes[0, 0].lines[:2], ["Keras", "Yat"], **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=145)
    plt.close(figure)


def scales(axis: Any, sizes: Sequence[int]) -> None:
    """Labels the smallest, the middle and the largest size, and times with their units."""
    from matplotlib import ticker

    if sizes:
        shown = [sizes[0], sizes[len(sizes) // 2], sizes[-1]]
        labels = [f"{n >> 20}Mi" if n >= 2**20 else n for n in shown]
        axis.set_xticks(shown, labels)
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.yaxis.set_major_formatter(ticker.EngFormatter(unit="s"))
    axis.tick_params(labelsize=10)
    axis.grid(color="0.9")


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
