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
from benchmarks.command import BACKENDS

SHAPE = (64, 32, 32, 16)


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "activations")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="default: every activation")
    parser.add_argument("--rounds", type=int, default=40, help="default: %(default)s")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    import keras_yat
    from benchmarks import harness, memory

    if arguments.backend == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # one function for each layer is meant
    names = arguments.only or keras_yat.activations.names()
    policies = ("float32", "mixed_bfloat16")
    rows = []
    print(f"\n{arguments.backend}, input {SHAPE}, Keras {keras.__version__}", flush=True)
    for policy in policies:
        dtype = "float32" if policy == "float32" else "bfloat16"
        x, upstream = (harness.tensor(SHAPE, dtype, seed) for seed in (0, 1))
        stock = {n: keras.layers.Activation(n, dtype=policy) for n in ("silu", "relu")}
        for name in tqdm(names, desc=policy, leave=False):
            layers = {**stock, "own": own(name, policy), "plain": plain(name, policy)}
            for layer in layers.values():
                layer(x)
            one = harness.ratios_in_turn(
                {n: harness.forward(layer, x) for n, layer in layers.items()},
                "silu",
                arguments.rounds,
            )
            both = {n: harness.forward_backward(layer, x, upstream) for n, layer in layers.items()}
            two = harness.ratios_in_turn(both, "silu", arguments.rounds)
            versus = harness.ratios_in_turn(
                {n: both[n] for n in ("plain", "own")}, "plain", arguments.rounds
            )
            kept = {n: memory.kept_for_backward(layer, x) for n, layer in layers.items()}
            rows.append(
                {
                    "activation": name,
                    "backend": arguments.backend,
                    "precision": policy,
                    "forward/silu": one["own"][1],
                    "train/silu": two["own"][1],
                    "quartiles": f"{two['own'][0]:.2f}-{two['own'][2]:.2f}",
                    "relu/silu": two["relu"][1],
                    "train/plain": versus["own"][1],
                    "kept": kept["own"],
                    "kept plain": kept["plain"],
                    "kept silu": kept["silu"],
                }
            )
    print(harness.table(rows), flush=True)
    return rows


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

    def call_without_custom_gradient(self, inputs):
        config.disable_custom_gradient()
        try:
            return cls.call(self, inputs)
        finally:
            config.enable_custom_gradient()

    chosen = call if name in COMPOSITIONS else call_without_custom_gradient
    return type("Plain", (cls,), {"call": chosen})(dtype=policy)


def markdown(rows: list[dict[str, str]]) -> str:
    parts = []
    backends = [b for b in BACKENDS if any(row["backend"] == b for row in rows)]
    for precision in dict.fromkeys(row["precision"] for row in rows):
        cells = {(r["activation"], r["backend"]): r for r in rows if r["precision"] == precision}
        names = list(dict.fromkeys(name for name, _ in cells))
        heads = [f"{b} {c}" for b in backends for c in ("/ silu", "/ plain", "kept")]
        parts.append(f"### {precision}\n\n| activation | {' | '.join(heads)} |")
        parts.append("|---|" + "--:|" * len(heads))
        for name in names:
            line = [
                f"{float(cells[name, b][column]):.2f}" + suffix
                for b in backends
                for column, suffix in (
                    ("train/silu", ""),
                    ("train/plain", ""),
                    ("kept", f" (of {float(cells[name, b]['kept plain']):.1f})"),
                )
            ]
            parts.append(f"| {name} | {' | '.join(line)} |")
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    # One thread for each: what is compared is the arithmetic, not the thread pools.
    command.run(parse, measure, markdown, threads=1)
