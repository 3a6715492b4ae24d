"""Time and memory of each activation, in turn with Keras's `silu` and `relu`.

    python -m benchmarks.activations                     # all three backends
    python -m benchmarks.activations --backend jax --only nami mila

For each activation and precision a table row: forward and forward+backward time over
that of `silu` on the same tensor, the same over the plain composition of `keras.ops`,
and what is kept for the backward pass in multiples of the input's size. Ratios are
medians over rounds in which everything ran once. Writes CSV; `--markdown` prints the
tables of benchmarks/README.md from it.
"""

import argparse

from benchmarks import command

SHAPE = (64, 32, 32, 16)


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "activations")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="default: every activation")
    parser.add_argument("--rounds", type=int, default=40, help="default: %(default)s")
    command.add_modes(parser, command.UNCOMPILED)
    passes = ("speed", "memory")
    help = "setting of keras_yat.config.set_backward_pass; default: %(default)s"
    parser.add_argument("--backward-pass", choices=passes, default=passes[0], help=help)
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    import keras_yat
    from benchmarks import harness

    harness.quiet()
    keras_yat.config.set_backward_pass(arguments.backward_pass)
    names = arguments.only or keras_yat.activations.names()
    modes = command.chosen_modes(arguments)
    tasks = [(n, mode, policy) for policy in arguments.policy for mode in modes for n in names]
    rows = []
    print(f"\n{arguments.backend}, input {SHAPE}, Keras {keras.__version__}", flush=True)
    for name, mode, policy in (bar := tqdm(tasks, leave=False)):
        bar.set_description(f"{policy} {mode} {name}")
        head = {"activation": name, "backend": arguments.backend, "mode": mode}
        columns = compare(name, policy, modes[mode], arguments.rounds)
        if mode == "compile":
            # What was counted is kept without the compiler; with it, see tests/test_graphs.py.
            columns.update({c: None for c in columns if c.startswith("kept")})
        rows.append({**head, "precision": policy, **columns})
    print(harness.table(rows), flush=True)
    return rows


def compare(name: str, policy: str, jit: bool, rounds: int) -> dict[str, object]:
    """The columns of one row."""
    import keras

    from benchmarks import harness, memory

    harness.forget()
    dtype = "float32" if policy == "float32" else "bfloat16"
    x, upstream = (harness.tensor(SHAPE, dtype, seed) for seed in (0, 1))
    stock = {n: keras.layers.Activation(n, dtype=policy) for n in ("silu", "relu")}
    layers = {**stock, "own": own(name, policy), "plain": plain(name, policy)}
    for layer in layers.values():
        layer(x)
    kept = {n: memory.kept_for_backward(layer, x) for n, layer in layers.items()}
    forward = {n: harness.forward(layer, x, jit) for n, layer in layers.items()}
    train = {n: harness.forward_backward(layer, x, upstream, jit) for n, layer in layers.items()}
    one = harness.ratios_in_turn(forward, "silu", rounds)
    two = harness.ratios_in_turn(train, "silu", rounds)
    versus = harness.ratios_in_turn({n: train[n] for n in ("plain", "own")}, "plain", rounds)
    return {
        "forward/silu": one["own"][1],
        "train/silu": two["own"][1],
        "quartiles": f"{two['own'][0]:.2f}-{two['own'][2]:.2f}",
        "relu/silu": two["relu"][1],
        "train/plain": versus["own"][1],
        "plain quartiles": f"{versus['own'][0]:.2f}-{versus['own'][2]:.2f}",
        "kept": kept["own"],
        "kept plain": kept["plain"],
        "kept silu": kept["silu"],
    }


def own(name, policy):
    import keras_yat

    return type(keras_yat.activations.get(name))(dtype=policy)


def plain(name, policy):
    """The layer as a composition of `keras.ops`, in the same precision.

    The one of `benchmarks.compositions` if there is one, else the formula of the layer without a
    custom gradient.
    """
    from keras import ops

    from benchmarks.compositions import COMPOSITIONS
    from keras_yat import config

    cls = type(own(name, policy))

    def call(self, inputs):
        parameters = [ops.convert_to_tensor(weight) for weight in self.weights]
        value = COMPOSITIONS[name](ops.cast(inputs, "float32"), *parameters)
        return ops.cast(value, self.compute_dtype)

    def call_with_derived_gradient(self, inputs):
        before = config.backward_pass()
        config.set_backward_pass("derived")
        try:
            return cls.call(self, inputs)
        finally:
            config.set_backward_pass(before)

    chosen = call if name in COMPOSITIONS else call_with_derived_gradient
    return type("Plain", (cls,), {"call": chosen})(dtype=policy)


def markdown(rows: list[dict[str, str]]) -> str:
    parts = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        chosen = [row for row in rows if row["precision"] == precision]
        cells = {(r["activation"], r["backend"], r["mode"]): r for r in chosen}
        modes = list(dict.fromkeys((r["backend"], r["mode"]) for r in chosen))
        names = list(dict.fromkeys(name for name, *_ in cells))
        columns = {mode: shown(cells[names[0], *mode]) for mode in modes}
        heads = [f"{b} {m} {c}" for (b, m), found in columns.items() for c in found]
        parts.append(f"### {precision}\n\n| activation | {' | '.join(heads)} |")
        parts.append("|---|" + "--:|" * len(heads))
        for name in names:
            line = [cell for mode in modes for cell in shown(cells[name, *mode]).values()]
            parts.append(f"| {name} | {' | '.join(line)} |")
        parts.append("")
    return "\n".join(parts)


def shown(row: dict[str, str]) -> dict[str, str]:
    """The cells of a row by the ends of their headings."""
    found = {f"/ {base}": f"{float(row[f'train/{base}']):.2f}" for base in ("silu", "plain")}
    if row["kept"]:
        found["kept"] = f"{float(row['kept']):.2f} (of {float(row['kept plain']):.1f})"
    return found


if __name__ == "__main__":
    # One thread for each: what is compared is the arithmetic, not the thread pools.
    command.run(parse, measure, markdown, threads=1)
