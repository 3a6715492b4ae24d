"""What a training step of each model of `tests/models.py` costs, in counts.

    python -m tests.costs             the counts on this backend that differ from `costs.csv`
    python -m tests.costs --write     writes them there

- operations: equations of the jaxpr on JAX, nodes of the graph on TensorFlow, calls of an
  operation on torch (not compiled), in forward and backward pass.
- kept: bytes that are kept for the backward pass, without what TensorFlow's loops keep, and on
  torch without what a hand-written backward pass keeps beside its arguments: JAX counts that.

Unlike times they are the same in each run, with the same versions.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

from keras import ops
from tqdm import tqdm

from benchmarks import harness
from benchmarks.memory import bytes_kept
from tests.helpers import BACKEND, draw
from tests.models import MODELS, inputs_of

TABLE = Path(__file__).parent / "costs.csv"
COUNTS = ("operations", "kept")
# Nodes of a graph that compute nothing.
FREE = {"Const", "Identity", "IdentityN", "NoOp", "Placeholder"}


def measured(name: str) -> dict[str, int]:
    """The counts of a model."""
    build, shape = MODELS[name]
    model, x = build(), ops.convert_to_tensor(inputs_of(shape))
    upstream = ops.convert_to_tensor(draw((len(x), *model.output_shape[1:])))
    call = harness.forward_backward(model, x, upstream)
    return {"operations": operations(call), "kept": bytes_kept(model, x)}


def operations(call: Any) -> int:
    """The operations of a call of `benchmarks.harness`."""
    return _OPERATIONS[BACKEND](call)


def _operations_on_jax(call):
    return _equations(call.function.trace(*call.arguments).jaxpr.jaxpr)


def _equations(jaxpr):
    """The number of equations, with those of functions and loops in place of their calls."""
    count = 0
    for equation in jaxpr.eqns:
        values = [v for p in equation.params.values() for v in (p if isinstance(p, tuple) else [p])]
        inner = [getattr(value, "jaxpr", value) for value in values]
        inner = [value for value in inner if hasattr(value, "eqns")]
        count += sum(map(_equations, inner)) if inner else 1
    return count


def _operations_on_tensorflow(call):
    graph = call.func.get_concrete_function(*call.args).graph.as_graph_def()
    functions = [function.node_def for function in graph.library.function]
    nodes = [node for nodes in (graph.node, *functions) for node in nodes]
    return sum(node.op not in FREE for node in nodes)


def _operations_on_torch(call):
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.calls += 1
            return function(*args, **(kwargs or {}))

    with Count() as count:
        call()
    return count.calls


_OPERATIONS = {
    "jax": _operations_on_jax,
    "tensorflow": _operations_on_tensorflow,
    "torch": _operations_on_torch,
}


def recorded() -> dict[tuple[str, str], dict[str, int]]:
    """By backend and model the counts of the table."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(r["backend"], r["model"]): {c: int(r[c]) for c in COUNTS} for r in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"to {TABLE.name}")
    write = parser.parse_args().write
    known = recorded() if TABLE.exists() else {}
    found = {(BACKEND, name): measured(name) for name in tqdm(MODELS, leave=False)}
    for (backend, name), counts in found.items():
        before = known.get((backend, name))
        if counts != before:
            print(f"{backend} {name}: {before} -> {counts}")
    if write:
        others = {key: counts for key, counts in known.items() if key[0] != BACKEND}
        every = sorted({**others, **found}.items())
        with TABLE.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["backend", "model", *COUNTS], lineterminator="\n")
            writer.writeheader()
            writer.writerows({"backend": b, "model": m, **counts} for (b, m), counts in every)


if __name__ == "__main__":
    main()
