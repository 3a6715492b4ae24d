"""Differences between the layers of the package `nmn` and those that `from_nmn` returns for them.

    python -m benchmarks.nmn                                  # all three backends
    python -m benchmarks.nmn --backend jax --only torch

Install `nmn` in a separate environment, as its license is the AGPL: `pip install nmn==0.3.5`.
Its front ends need flax, torch, TensorFlow and MLX; those that are missing are left out. For each
layer of `benchmarks/nmn_cases.py` with random weights and inputs a row: the largest difference
between the outputs of the two, relative to each output, or to their median where that is larger.
Writes CSV; `--markdown` prints the table of benchmarks/README.md from it.
"""

import argparse
import importlib.util

import numpy as np

from benchmarks import command

NEEDED = {
    **{"keras": "keras", "nnx": "flax", "linen": "flax", "torch": "torch"},
    **{"tf": "tensorflow", "mlx": "mlx"},
}


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "nmn")
    parser.add_argument("--only", nargs="+", choices=NEEDED, help="default: every front end")
    arguments = parser.parse_args()
    if not arguments.markdown and importlib.util.find_spec("nmn") is None:
        parser.exit(2, "Not installed: nmn. Install it with: python -m pip install nmn==0.3.5\n")
    return arguments


def measure(arguments) -> list[dict]:
    from tqdm import tqdm

    from benchmarks.nmn_cases import cases

    chosen = [name for name in arguments.only or NEEDED if importlib.util.find_spec(NEEDED[name])]
    rows = []
    for case in (bar := tqdm([c for c in cases() if c.framework in chosen], leave=False)):
        bar.set_description(f"{case.framework} {case.cls}")
        row: dict[str, object] = {"backend": arguments.backend, "front end": case.framework}
        row |= {"kind": case.kind, "layer": case.cls, "setting": case.setting}
        rows.append(row | compare(case))
    print(f"\n{arguments.backend}\n\n{markdown(rows)}", flush=True)
    return rows


def compare(case) -> dict[str, object]:
    """The difference, or the reason why one of the two layers does not run."""
    import keras_yat

    x = case.input()
    try:
        layer = case.layer()
        theirs = np.asarray(layer.outputs(x))
    except Exception as error:
        return {"difference": None, "failed": f"nmn: {type(error).__name__}"}
    own = keras_yat.convert.from_nmn(layer.source)
    call = {"attention": lambda: own(x, x), "embedding": lambda: own.score(x)}
    return {"difference": difference(call.get(case.kind, lambda: own(x))(), theirs), "failed": None}


def difference(own, theirs) -> float:
    """The largest difference, relative to the output of `nmn`, or to the median if larger."""
    from keras import ops

    own = ops.convert_to_numpy(own)
    if own.shape != theirs.shape:
        raise ValueError(f"Shapes {own.shape} and {theirs.shape}")
    sizes = np.abs(theirs)
    return float(np.max(np.abs(own - theirs) / np.maximum(sizes, np.median(sizes))))


def markdown(rows) -> str:
    """The largest difference by kind and front end, and the number of layers."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    lines = [f"| front end | {' | '.join(kinds)} |", "|---|" + "--:|" * len(kinds)]
    for name in dict.fromkeys(row["front end"] for row in rows):
        cells = [cell([r for r in rows if (r["front end"], r["kind"]) == (name, k)]) for k in kinds]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    failed = [f"- {r['layer']}, {r['setting']}: {r['failed']}" for r in rows if r["failed"]]
    return "\n".join([*lines, *dict.fromkeys(failed)])


def cell(rows) -> str:
    found = [float(row["difference"]) for row in rows if row["difference"] not in (None, "")]
    return f"{max(found):.1e} ({len(found)})" if found else "–"


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
