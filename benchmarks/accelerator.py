"""Time, memory, accuracy and a training on a GPU, in less than eight minutes.

    python -m benchmarks.accelerator                        # torch, then JAX
    python -m benchmarks.accelerator --backend jax --only dense accuracy --seconds 60
    python -m benchmarks.accelerator --quick                # tiny sizes, on any device

Float32 with and without TF32, and mixed_bfloat16: dense layer, convolution, attention, LSTM and
activations, over Keras's layers (with `gelu`; `silu` for activations; for attention
`keras.layers.MultiHeadAttention` with its defaults, which may be fused). "forward" and "train" are
medians of ratios of times over rounds in which everything ran once; "memory" is the ratio of the
peaks of "train" beyond input and weights, "peak bytes" this layer's; "step" its seconds. "error" is
the largest relative error of a dense layer's output at a distance from a prototype, "gradient
error" that of the gradients. "failure" is the error of what did not run.

`--seconds` is for everything. What matters most comes first; what is left out is printed. Rows are
written as they are measured. The time that is left is for ResNet-20 on CIFAR-10 on JAX, with ReLU,
SinLU and Yat layers: epochs in turn, in a file beside the CSV, NAME_training.csv. A backend without
an accelerator is left out. `--markdown` prints the tables of benchmarks/README.md.
"""

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks import accelerator_training as training
from benchmarks import command

BACKENDS = ("torch", "jax")
TRAINS = "jax"
SHARES = {"torch": 0.4, "jax": 0.68}
"""The part of the time after which no case of the backend begins, where both run."""
PRECISIONS = ("mixed_bfloat16", "tf32", "float32")
CASES = ("dense", "conv2d", "attention", "accuracy", "lstm", "activations")


class Task(NamedTuple):
    """A measurement: `what` is one of `CASES`, `part` the place among its comparisons."""

    what: str
    part: int
    mode: str
    precision: str


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "accelerator", BACKENDS)
    every = [*CASES, "training"]
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="CASE")
    command.add_modes(parser, ["jit", "eager", "compile"], PRECISIONS)
    shown = "for everything, default: %(default)g"
    parser.add_argument("--seconds", type=float, default=450.0, help=shown)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    # Of the process that starts one for each backend.
    parser.add_argument("--start", type=float, help=argparse.SUPPRESS)
    found = parser.parse_args()
    found.also = [found.csv.with_name(f"{found.csv.stem}_training.csv")]
    found.to_each = ["--start", str(time.time())]
    return found


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, object]]:
    import keras
    from tqdm import tqdm

    from benchmarks import harness

    device = harness.device_name()
    head = {"device": device, "backend": arguments.backend}
    print(f"\n{arguments.backend}, {device}, Keras {keras.__version__}", flush=True)
    if device == "CPU" and not arguments.quick:
        print("Left out: it finds no accelerator. On a CPU use --quick.", flush=True)
        return
    keras.config.disable_traceback_filtering()  # it hides an error's name and first line
    everything, own = budgets(arguments)
    left_out = []
    for task in (bar := tqdm(plan(arguments), leave=False)):
        bar.set_description(f"{task.precision} {task.mode} {task.what}")
        if not own.left():
            left_out.append(task)
            continue
        start = time.perf_counter()
        rows = measured(task, own, arguments.quick)
        seconds = time.perf_counter() - start
        for row in rows:
            settings = {"mode": task.mode, "precision": task.precision}
            yield {**head, **settings, **row, "seconds": seconds}
    if left_out:
        names = dict.fromkeys(f"{task.what} {task.mode} {task.precision}" for task in left_out)
        print(f"Left out, as no time was left: {', '.join(names)}", flush=True)
    if trains(arguments):
        if everything.left():
            epochs = ({**head, **row} for row in training.rows(everything, arguments.quick))
            command.write(epochs, arguments.also[0], arguments.append)
        else:
            print("Left out, as no time was left: training", flush=True)


def trains(arguments: argparse.Namespace) -> bool:
    return arguments.backend == TRAINS and "training" in arguments.only


def budgets(arguments: argparse.Namespace) -> tuple[command.Budget, command.Budget]:
    """That of the whole command, and that of the cases on this backend."""
    alone = arguments.start is None
    start = time.time() if alone else arguments.start
    share = 1.0
    if trains(arguments) or not (alone or arguments.backend == TRAINS):
        share = SHARES[arguments.backend]
    every = command.Budget(start + arguments.seconds)
    return every, command.Budget(start + share * arguments.seconds)


def plan(arguments: argparse.Namespace) -> list[Task]:
    """All tasks, the most important first."""
    from benchmarks.accelerator_cases import comparisons

    parts = {what: len(found) for what, found in comparisons(arguments.quick).items()}
    tasks = [
        Task(what, part, mode, precision)
        for mode in command.chosen_modes(arguments)
        for precision in PRECISIONS
        for what in CASES
        for part in range(parts.get(what, 1))
        if what in arguments.only and precision in arguments.policy
        if differs(what, mode, precision)
    ]
    return sorted(tasks, key=lambda task: importance(task.what, task.mode))


def differs(what: str, mode: str, precision: str) -> bool:
    """Whether a task is not the same as another: activations have no products."""
    if what == "activations":
        return precision != "tf32"
    return what != "accuracy" or mode in command.UNCOMPILED


def importance(what: str, mode: str) -> int:
    """The place in the order of tasks. torch compiles the steps of a recurrence one by one."""
    if mode == "compile":
        return {"activations": 3, "lstm": 4}.get(what, 1)
    return 2 if what == "activations" else 0


def measured(task: Task, budget: command.Budget, quick: bool) -> list[dict[str, Any]]:
    """The rows of a task. If it fails as a whole, or no time is left, the last has the error."""
    from benchmarks import accelerator_cases as cases

    name = task.what
    rows: list[dict[str, Any]] = []
    try:
        with budget.limit(), cases.products(task.precision):
            if task.what == "accuracy":
                found = cases.near_prototypes(task.precision, quick)
            else:
                case = cases.comparisons(quick)[task.what][task.part]
                name, jit = case.name, command.MODES[cases.harness.BACKEND][task.mode]
                found = cases.compare(case, task.precision, jit)
            for row in found:
                rows.append(row)
    except (Exception, command.OutOfTime) as error:
        rows.append(cases.failed(name, None, error))
    return rows


def markdown(rows: list[dict[str, str]]) -> str:
    epochs = [row for row in rows if "epoch" in row]
    rows = [row for row in rows if "epoch" not in row]
    parts = []
    for device, precision in dict.fromkeys((r["device"], r["precision"]) for r in rows):
        chosen = [r for r in rows if (r["device"], r["precision"]) == (device, precision)]
        parts.append(f"### {device}, {precision}\n")
        parts += table([r for r in chosen if r["train"]], time_cell, ("what", "contestant"))
        parts += table([r for r in chosen if r["error"]], error_cell, ("contestant", "distance"))
        for row in chosen:
            if row["failure"]:
                names = [row[c] for c in ("backend", "mode", "what", "contestant") if row[c]]
                parts.append(f"- {', '.join(names)}: {row['failure']}")
        parts.append("")
    return "\n".join(parts) + training.markdown(epochs)


def table(rows: list[dict[str, str]], cell: Any, keys: tuple[str, str]) -> list[str]:
    """A row for each pair of `keys`, a column for each backend and mode. Bases are left out."""
    places = list(dict.fromkeys((row["backend"], row["mode"]) for row in rows))
    found = {(row[keys[0]], row[keys[1]], row["backend"], row["mode"]): row for row in rows}
    names = list(dict.fromkeys(key[:2] for key in found))
    if not names:
        return []
    heads = [" ".join(place) for place in places]
    lines = [f"| {' | '.join([*keys, *heads])} |", "|---|---|" + "--:|" * len(places)]
    for pair in names:
        cells = [cell(found[*pair, *place]) if (*pair, *place) in found else "" for place in places]
        lines.append(f"| {' | '.join([*pair, *cells])} |")
    return [*lines, ""]


def time_cell(row: dict[str, str]) -> str:
    """Train, forward and memory over the base; the base itself in milliseconds and MiB."""
    memory = f"{float(row['peak bytes']) / 2**20:.0f} MiB" if row["peak bytes"] else ""
    if row["train"] == "1":
        return f"{1e3 * float(row['step']):.3g} ms, {memory}"
    ratio = f", {float(row['memory']):.2f}" if row["memory"] else ""
    return f"{float(row['train']):.2f} ({float(row['forward']):.2f}){ratio}"


def error_cell(row: dict[str, str]) -> str:
    return f"{float(row['error']):.1g} ({float(row['gradient error']):.1g})"


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
