"""Time and memory of the recurrent Yat layers, in turn with Keras's.

    python -m benchmarks.recurrent                              # all three backends
    python -m benchmarks.recurrent --backend jax --only LSTM

For each layer and size a row, everything in it over `keras.layers.RNN` with Keras's own
cell: Keras's layer, which may have a fused loop; the Yat layer; and its cell in
`keras.layers.RNN`. "train" is forward and backward with gradients of input and weights,
"forward" without them, medians over rounds in which everything ran once; "memory" is the
peak of "train" beyond input and weights. JAX under `jit`, TensorFlow in `tf.function`,
torch eager. Writes CSV; `--markdown` prints the table of benchmarks/README.md from it.
"""

import argparse

from benchmarks import command

LAYERS = ("SimpleRNN", "LSTM", "GRU")
SHAPES = ((64, 50, 32), (32, 400, 64))
HIDDEN = 128
BASE = "RNN(cell)"


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "recurrent")
    parser.add_argument("--only", nargs="+", choices=LAYERS, default=LAYERS)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    from benchmarks import harness

    harness.quiet()
    shapes = ((2, 3, 4),) if arguments.quick else SHAPES
    print(f"\n{arguments.backend}, Keras {keras.__version__}", flush=True)
    rows = []
    tasks = [(name, shape) for name in arguments.only for shape in shapes]
    for name, shape in (bar := tqdm(tasks, leave=False)):
        bar.set_description(f"{name} {shape}")
        size = "×".join(map(str, shape))
        head = {"layer": name, "size": size, "backend": arguments.backend}
        rows.append({**head, **compare(name, shape, arguments.rounds)})
    print(harness.table(rows), flush=True)
    return rows


def contestants(name: str) -> dict:
    """The base, Keras's layer, the Yat layer, and its cell."""
    import keras

    import keras_yat

    return {
        BASE: keras.layers.RNN(getattr(keras.layers, f"{name}Cell")(HIDDEN)),
        "Keras": getattr(keras.layers, name)(HIDDEN),
        "Yat": getattr(keras_yat, f"Yat{name}")(HIDDEN),
        "RNN(Yat cell)": keras.layers.RNN(getattr(keras_yat, f"Yat{name}Cell")(HIDDEN)),
    }


def compare(name: str, shape: tuple[int, ...], rounds: int) -> dict[str, object]:
    from benchmarks import harness
    from benchmarks.memory import peak_memory

    x = harness.tensor(shape, "float32", seed=0)
    upstream = harness.tensor((shape[0], HIDDEN), "float32", seed=1)
    layers = contestants(name)
    for layer in layers.values():
        layer(x)
    train = {n: harness.forward_backward(layer, x, upstream) for n, layer in layers.items()}
    forward = {n: harness.forward(layer, x) for n, layer in layers.items()}
    times = harness.ratios_in_turn(train, BASE, rounds)
    times_forward = harness.ratios_in_turn(forward, BASE, rounds)
    peaks = {n: peak_memory(call) for n, call in train.items()}
    found: dict[str, object] = {}
    for n in list(layers)[1:]:
        found[f"{n} train"] = times[n][1]
        found[f"{n} forward"] = times_forward[n][1]
        own, base = peaks[n], peaks[BASE]
        found[f"{n} memory"] = own / base if own and base else None
    found["cell over layer"] = times["RNN(Yat cell)"][1] / times["Yat"][1]
    found["Yat quartiles"] = f"{times['Yat'][0]:.2f}-{times['Yat'][2]:.2f}"
    return found


def markdown(rows: list[dict[str, str]]) -> str:
    ours = ("Yat train", "Yat forward", "Yat memory", "RNN(Yat cell) train", "cell over layer")
    columns = ("Keras train", *ours)
    lines = [f"| layer | size | backend | {' | '.join(columns)} |"]
    lines.append("|---|---|---|" + "--:|" * len(columns))
    for row in rows:
        cells = [f"{float(row[c]):.2f}" if row[c] else "" for c in columns]
        lines.append(f"| {row['layer']} | {row['size']} | {row['backend']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
