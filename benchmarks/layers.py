"""Time and memory of each Yat layer, in turn with the Keras layer followed by `gelu`.

    python -m benchmarks.layers                                  # all three backends
    python -m benchmarks.layers --backend jax --only dense conv2d

For each layer, mode and precision a row: time of the forward pass and of a training step
(forward and backward, gradients of input and weights) over that of the Keras layer with
`gelu`, and the same ratio of peak memory in a training step, beyond input and weights.
Times are medians over rounds in which everything ran once. Where the package `nmn` is
installed its layers run in the same rounds. Writes CSV; `--markdown` prints the tables
of benchmarks/README.md from it.
"""

import argparse

from benchmarks import command

COLUMNS = ("forward", "train", "memory")


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "layers")
    parser.add_argument("--only", nargs="+", metavar="LAYER", help="default: every layer")
    parser.add_argument("--rounds", type=int, default=20, help="default: %(default)s")
    command.add_modes(parser, [*command.UNCOMPILED, "XLA"])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    from benchmarks import harness
    from benchmarks.cases import CASES

    harness.quiet()
    modes = command.chosen_modes(arguments)
    tasks = [
        (name, mode, policy)
        for policy in arguments.policy
        for mode in modes
        for name in arguments.only or CASES
    ]
    print(f"\n{arguments.backend}, Keras {keras.__version__}", flush=True)
    rows = []
    for name, mode, policy in (bar := tqdm(tasks, leave=False)):
        bar.set_description(f"{policy} {mode} {name}")
        case = CASES[name].small() if arguments.quick else CASES[name]
        head = {"layer": name, "backend": arguments.backend, "mode": mode, "precision": policy}
        rows.append({**head, **compare(case, policy, modes[mode], arguments.rounds)})
    print(harness.table(rows), flush=True)
    return rows


def compare(case, policy: str, jit: bool, rounds: int) -> dict[str, object]:
    """The columns of one row: None where `nmn` is not installed or does not run."""
    from benchmarks import harness
    from benchmarks.memory import peak_memory

    harness.forget(on_disk=True)
    forward, train, first = calls(case, policy, jit)
    one = harness.ratios_in_turn(forward, "keras", rounds)
    two = harness.ratios_in_turn(train, "keras", rounds)
    peaks = {name: peak_memory(call) for name, call in train.items()}
    base = peaks["keras"]
    memory = {name: peak / base for name, peak in peaks.items() if peak and base}
    return {
        "forward": one["own"][1],
        "train": two["own"][1],
        "quartiles": f"{two['own'][0]:.2f}-{two['own'][2]:.2f}",
        "memory": memory.get("own"),
        "nmn forward": one["nmn"][1] if "nmn" in one else None,
        "nmn train": two["nmn"][1] if "nmn" in two else None,
        "nmn memory": memory.get("nmn"),
        "first call": first["own"] / first["keras"],
        "Keras MiB": base / 2**20 if base else None,
    }


def calls(case, policy: str, jit: bool):
    """The forward passes and the training steps of those that run, and seconds of the first step.

    In it the function is traced and compiled.
    """
    from keras import ops
    from tqdm import tqdm

    from benchmarks import harness
    from benchmarks.cases import CONTESTANTS

    dtype = "float32" if policy == "float32" else "bfloat16"
    x = harness.tensor(case.shape, dtype, seed=0)
    forward, train, first = {}, {}, {}
    warm_up()
    for name in CONTESTANTS:
        try:
            layer = case.layer(name, policy)
            output = layer(x)
            upstream = ops.cast(harness.tensor(output.shape, "float32", seed=1), output.dtype)
            step = harness.forward_backward(layer, x, upstream, jit)
            first[name] = harness.time_of(step)
        except Exception as error:
            # Not installed, or not ours to mend: the others are still to be measured.
            if name != "nmn":
                raise
            tqdm.write(f"nmn, {case.name}: {type(error).__name__}")
        else:
            forward[name], train[name] = harness.forward(layer, x, jit), step
    return forward, train, first


def warm_up():
    """Compiles something, so that no contestant pays for what happens once."""
    import keras

    from benchmarks import harness

    x = harness.tensor((2, 2), "float32", seed=0)
    harness.forward_backward(keras.layers.Activation("tanh"), x, x, jit=True)()
    harness.forget(on_disk=True)


def markdown(rows: list[dict[str, str]]) -> str:
    parts = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        chosen = [row for row in rows if row["precision"] == precision]
        cells = {(r["layer"], r["backend"], r["mode"]): r for r in chosen}
        modes = list(dict.fromkeys((r["backend"], r["mode"]) for r in chosen))
        heads = [f"{b} {m} {c}" for b, m in modes for c in COLUMNS]
        parts.append(f"### {precision}\n\n| layer | {' | '.join(heads)} |")
        parts.append("|---|" + "--:|" * len(heads))
        for layer in dict.fromkeys(row["layer"] for row in chosen):
            line = [
                cell(cells.get((layer, *mode), {}), column) for mode in modes for column in COLUMNS
            ]
            parts.append(f"| {layer} | {' | '.join(line)} |")
        parts.append("")
    return "\n".join(parts)


def cell(row: dict[str, str], column: str) -> str:
    """The package's ratio, with that of `nmn` in brackets."""
    own, other = row.get(column), row.get(f"nmn {column}")
    bracket = f" ({float(other):.2f})" if other else ""
    return f"{float(own):.2f}{bracket}" if own else ""


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
