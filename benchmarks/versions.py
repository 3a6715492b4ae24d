"""Time of each layer and activation in turn with another version of this package.

    python -m benchmarks.versions --base HEAD~1                # all three backends
    python -m benchmarks.versions --base v0.1.0 --backend jax --only YatDense mila

The other version is a revision of this repository, or a folder: its `keras_yat` is imported beside
this one, under another name. For each row the time of the forward pass and of a training step
(forward and backward, gradients of input and weights) over that of the other version; medians of
the ratios of rounds in which both ran once. Writes CSV; `--markdown` prints a table from it.
"""

import argparse
import functools
import importlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command

ROOT = Path(__file__).parent.parent
OTHER = "keras_yat_before"
ACTIVATION_SHAPE = (64, 32, 32, 16)
SEQUENCES, HIDDEN = (64, 50, 32), 128
POSITIONS, HEADS, HEAD_SIZE = (4, 512, 128), 4, 32
NODES = (4096, 128)


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "versions")
    parser.add_argument("--base", default="HEAD", help="revision or folder (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="layers and activations")
    parser.add_argument("--rounds", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    import keras_yat
    from benchmarks import harness

    harness.quiet()
    with tempfile.TemporaryDirectory() as folder:
        before = imported(arguments.base, Path(folder))
    tasks = cases(arguments.quick)
    names = [n for n in tasks if not arguments.only or n in arguments.only]
    # Those that the other version has too.
    names = [n for n in names if hasattr(before, n) or n in before.activations.names()]
    print(f"\n{arguments.backend}, Keras {keras.__version__}, over {arguments.base}", flush=True)
    rows = []
    for name in (bar := tqdm(names, leave=False)):
        bar.set_description(name)
        shape, make = tasks[name]
        harness.forget()
        layers = {}
        for version, package in (("now", keras_yat), ("before", before)):
            keras.utils.set_random_seed(0)
            layers[version] = make(package)
        times = compare(layers, shape, arguments.rounds)
        rows.append({"name": name, "backend": arguments.backend, **times})
    print(harness.table(rows), flush=True)
    return rows


def imported(revision: str, folder: Path):
    """The package of a revision or folder, as the module `keras_yat_before`."""
    if Path(revision).is_dir():
        shutil.copytree(Path(revision, "keras_yat"), folder / OTHER)
    else:
        archive = subprocess.run(
            ["git", "archive", revision, "keras_yat"], cwd=ROOT, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        (folder / "keras_yat").rename(folder / OTHER)
    for path in (folder / OTHER).rglob("*.py"):
        path.write_text(path.read_text().replace("keras_yat", OTHER))
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(OTHER)
    finally:
        sys.path.remove(str(folder))


def cases(quick: bool) -> dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]]:
    """For each row the shape of an input, and a function of the package that makes a layer."""
    import keras_yat
    from benchmarks.cases import CASES

    found: dict[str, tuple[tuple[int, ...], Callable[[Any], Any]]] = {}
    for case in CASES.values():
        case = case.small() if quick else case

        found[f"Yat{case.name}"] = case.shape, functools.partial(_layer, case)
    hidden = 4 if quick else HIDDEN
    for name in ("YatSimpleRNN", "YatLSTM", "YatGRU"):
        found[name] = (
            (2, 3, 4) if quick else SEQUENCES,
            functools.partial(lambda name, package: getattr(package, name)(hidden), name),
        )
    for name in ("YatMultiHeadAttention", "YatLinearAttention"):
        shape = (2, 4, 8) if quick else POSITIONS
        found[name] = shape, functools.partial(_attention, name)
    for name in ("YatGraphConv", "YatGraphAttention"):
        found[name] = (4, 8) if quick else NODES, functools.partial(_on_ring, name)
    for name in keras_yat.activations.names():
        found[name] = (
            (2, 4) if quick else ACTIVATION_SHAPE,
            functools.partial(lambda name, package: package.activations.get(name), name),
        )
    return found


def _layer(case, package):
    from benchmarks.cases import Scores

    made = getattr(package, f"Yat{case.name}")
    if case.name == "Embedding":
        return Scores(made(case.features, case.shape[-1]), "score")
    return made(case.features, **case.arguments)


def _attention(name, package):
    from benchmarks.cases import SelfAttention

    return SelfAttention(getattr(package, name)(HEADS, HEAD_SIZE))


def _on_ring(name, package):
    import keras
    import numpy as np

    class OnRing(keras.layers.Layer):
        """A graph layer on nodes, each with an edge from the one before."""

        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def call(self, x):
            nodes = np.arange(x.shape[0], dtype="int32")
            edges = np.stack([nodes, np.roll(nodes, 1)])
            return self.layer([x, keras.ops.convert_to_tensor(edges)])

    sizes = (HIDDEN,) if name == "YatGraphConv" else (HEADS, HEAD_SIZE)
    return OnRing(getattr(package, name)(*sizes))


def compare(layers: dict, shape: tuple[int, ...], rounds: int) -> dict[str, object]:
    from keras import ops

    from benchmarks import harness

    x = harness.tensor(shape, "float32", seed=0)
    outputs = [layer(x) for layer in layers.values()]
    upstream = harness.tensor(tuple(ops.shape(outputs[0])), "float32", seed=1)
    forward = {n: harness.forward(layer, x) for n, layer in layers.items()}
    train = {n: harness.forward_backward(layer, x, upstream) for n, layer in layers.items()}
    found: dict[str, object] = {}
    for what, calls in (("forward", forward), ("train", train)):
        first, median, third = harness.ratios_in_turn(calls, "before", rounds)["now"]
        found[what], found[f"{what} quartiles"] = median, f"{first:.2f}-{third:.2f}"
    return found


def markdown(rows: list[dict[str, str]]) -> str:
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    cells = {(row["name"], row["backend"]): row for row in rows}
    heads = [f"{b} {c}" for b in backends for c in ("forward", "train")]
    lines = [f"| layer | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name in dict.fromkeys(row["name"] for row in rows):
        line = [
            f"{float(cells[name, b][c]):.2f}" if (name, b) in cells else ""
            for b in backends
            for c in ("forward", "train")
        ]
        lines.append(f"| {name} | {' | '.join(line)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
