"""Relative errors of the Yat product and its gradients, where x ≈ w most of all.

    python -m benchmarks.accuracy                        # all three backends
    python -m benchmarks.accuracy --backend jax
    python -m benchmarks.accuracy --backend jax --entries 256 --csv FILE

For 64 entries (`--entries`), epsilon 1e-5, and each norm of x, distance of w from x, dtype and
`distance` a row: the median and the largest error over draws of the output, of the
gradient in x and of the gradient in w. Errors are those against the formulas in float64,
on exactly the numbers that the product got: x is rounded to the dtype first, w stays in
float32, so that its distance is the one meant. That of a gradient is the norm of the
difference over the norm. What lies beyond the dtype's range in truth is left out. Writes
CSV; `--markdown` prints the tables of benchmarks/README.md from it.
"""

import argparse
import itertools

import numpy as np

from benchmarks import command

EPSILON = 1e-5
NORMS = (1.0, 10.0, 100.0)
APART = (1e-3, 1e-2, 1e-1, 1.0)
DTYPES = ("float32", "bfloat16", "float16")
DISTANCES = ("expanded", "direct")
RESULTS = ("output", "gradient in x", "gradient in w")


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "accuracy")
    parser.add_argument("--entries", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="16 draws, to see that it runs")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    from tqdm import tqdm

    draws = 16 if arguments.quick else arguments.draws
    tasks = list(itertools.product(DTYPES, DISTANCES))
    rows = []
    for dtype, distance in tqdm(tasks, desc=arguments.backend, leave=False):
        product = differentiated(distance)
        for norm, apart in itertools.product(NORMS, APART):
            row: dict[str, object] = {"backend": arguments.backend, "dtype": dtype}
            row |= {"distance": distance, "norm": norm, "apart": apart}
            found = errors(product, *draw(norm, apart, dtype, draws, arguments.entries), dtype)
            for name, error in zip(RESULTS, found, strict=True):
                row[name] = float(np.median(error)) if error.size else None
                row[f"{name} max"] = float(error.max()) if error.size else None
            rows.append(row)
    print(f"\n{arguments.backend}\n\n{markdown(rows)}", flush=True)
    return rows


def differentiated(distance: str):
    """The Yat product of x and a kernel, with its gradients in both."""
    from benchmarks import harness
    from keras_yat.ops import yat_product

    return harness.with_gradients(
        lambda x, kernel: yat_product(x, kernel, epsilon=EPSILON, distance=distance)
    )


def draw(
    norm: float, apart: float, dtype: str, draws: int, entries: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows x of numbers that `dtype` has, and w in float32 that far from them."""
    from keras import ops

    rng = np.random.default_rng(0)
    x, step = (_unit(rng.normal(size=(draws, entries))) for _ in range(2))
    rounded = ops.cast(ops.convert_to_tensor((norm * x).astype("float32")), dtype)
    x = ops.convert_to_numpy(ops.cast(rounded, "float32"))
    return x, (x + apart * step).astype("float32")


def errors(product, x, w, dtype: str) -> list[np.ndarray]:
    """Of output, gradient in x and gradient in w, one of each for every pair of rows."""
    from keras import ops

    # Each row of x meets its own w alone.
    upstream = ops.cast(ops.eye(len(x)), dtype)
    given = [ops.cast(ops.convert_to_tensor(x), dtype), ops.convert_to_tensor(w.T.copy())]
    value, (of_x, of_w) = product(given, upstream)
    value, of_x, of_w = (
        ops.convert_to_numpy(ops.cast(t, "float32")).astype("float64") for t in (value, of_x, of_w)
    )
    limit = float(np.finfo("float16").max) if dtype == "float16" else np.inf
    truth = reference(x.astype("float64"), w.astype("float64"))
    return [
        _relative(np.diag(value)[:, None], truth[0], limit),
        _relative(of_x, truth[1], limit),
        _relative(of_w.T, truth[2], np.inf),
    ]


def reference(x, w):
    """The Yat product of each pair of rows and its gradients in x and in w."""
    z = np.sum(x * w, axis=-1, keepdims=True)
    ratio = z / (np.sum((w - x) ** 2, axis=-1, keepdims=True) + EPSILON)
    pull = 2.0 * ratio**2 * (w - x)
    return z * ratio, 2.0 * ratio * w + pull, 2.0 * ratio * x - pull


def _relative(found, true, limit):
    inside = np.abs(true).max(axis=-1) <= limit
    with np.errstate(invalid="ignore"):
        off = np.linalg.norm((found - true)[inside], axis=-1)
    # What is not a number is as wrong as can be.
    return np.where(np.isnan(off), np.inf, off) / np.linalg.norm(true[inside], axis=-1)


def _unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def markdown(rows) -> str:
    """A table for each result: median (largest), of the backends the one that is worst."""
    parts = []
    for name in RESULTS:
        heads = [f"‖x − w‖ = {apart:g}" for apart in APART]
        parts.append(f"### {name}\n\n| dtype | distance | ‖x‖ | {' | '.join(heads)} |")
        parts.append("|---|---|--:|" + "--:|" * len(heads))
        for dtype, distance, norm in itertools.product(DTYPES, DISTANCES, NORMS):
            line = [cell(rows, name, (dtype, distance, norm, apart)) for apart in APART]
            parts.append(f"| {dtype} | {distance} | {norm:g} | {' | '.join(line)} |")
        parts.append("")
    return "\n".join(parts)


def cell(rows, name: str, place: tuple) -> str:
    chosen = [
        row
        for row in rows
        if (row["dtype"], row["distance"], float(row["norm"]), float(row["apart"])) == place
    ]
    if any(row[name] in (None, "") for row in chosen):
        return "–"
    middle, largest = (max(float(row[n]) for row in chosen) for n in (name, f"{name} max"))
    return f"{middle:.1g} ({largest:.1g})"


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
