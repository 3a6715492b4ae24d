"""Time and memory of Yat attention, in turn with Keras's, and of decoding with a cache.

    python -m benchmarks.attention                              # all three backends
    python -m benchmarks.attention --backend jax --lengths 512

Self-attention of 4 heads of 32, about 4096 positions in a batch. For each length and
contestant a row, everything over `keras.layers.MultiHeadAttention` with its fused path
off: that layer with it on, which is what it does by default (a kernel that keeps no scores
on torch, plain operations elsewhere); the Yat layer with all queries at once (plain), and
as it is by default, in blocks beyond 512; with a softermax; with a causal mask, and then with a
window of 256 and 16 global tokens; and linear attention, without a mask and causal. "train" is
forward and backward with gradients of input and weights, "forward" without them, medians over
rounds in which everything ran once; "memory" is the peak of "train" beyond input and weights,
"MiB" the same in MiB. The rows "cache" are the time of one more position with a cache of
that length, over a pass over all of it by the same layer; they have "forward" only. JAX
under `jit`, TensorFlow in `tf.function`, torch eager. Writes CSV; `--markdown` prints the
tables of benchmarks/README.md from it.
"""

import argparse
from collections.abc import Sequence

from benchmarks import command

LENGTHS = (128, 512, 2048, 8192)
HEADS, SIZE = 4, 32
POSITIONS = 4096
WINDOW = 256
BASE = "Keras"
CONTESTANTS = (
    *(BASE, "Keras, fused", "Yat, plain", "Yat", "Yat, softermax", "Yat, causal", "Yat, window"),
    *("Yat, linear", "Yat, linear, causal", "cache"),
)


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "attention")
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    return parser.parse_args()


def contestants() -> dict:
    import keras

    import keras_yat
    from benchmarks.cases import SelfAttention

    def yat(kind=keras_yat.YatMultiHeadAttention, causal=False, **arguments):
        called = {"use_causal_mask": True} if causal else {}
        return SelfAttention(kind(HEADS, SIZE, **arguments), **called)

    stock = keras.layers.MultiHeadAttention
    return {
        # Who asks for the scores gets the path that has them.
        BASE: SelfAttention(stock(HEADS, SIZE), return_attention_scores=True),
        "Keras, fused": SelfAttention(stock(HEADS, SIZE)),
        "Yat, plain": yat(block_size=None),
        "Yat": yat(),
        "Yat, softermax": yat(normalization="softermax"),
        "Yat, causal": yat(causal=True),
        "Yat, window": yat(causal=True, sliding_window=WINDOW, num_global_tokens=16),
        "Yat, linear": yat(keras_yat.YatLinearAttention),
        "Yat, linear, causal": yat(keras_yat.YatLinearAttention, causal=True),
    }


def measure(arguments) -> list[dict]:
    import keras
    from tqdm import tqdm

    from benchmarks import harness

    harness.quiet()
    print(f"\n{arguments.backend}, Keras {keras.__version__}", flush=True)
    rows = []
    for length in (bar := tqdm(arguments.lengths, leave=False)):
        bar.set_description(str(length))
        # Where all takes long, the clock is no trouble.
        rounds = max(3, min(arguments.rounds, arguments.rounds * 2048 // length))
        head = {"backend": arguments.backend, "length": length}
        found = compare(length, rounds, arguments.contestants)
        found += [decode(length, rounds)] if "cache" in arguments.contestants else []
        rows += [{**head, **row} for row in found]
    print(harness.table(rows), flush=True)
    return rows


def compare(length: int, rounds: int, chosen: Sequence[str]) -> list[dict[str, object]]:
    from benchmarks import harness
    from benchmarks.memory import peak_memory

    shape = (max(1, POSITIONS // length), length, HEADS * SIZE)
    x = harness.tensor(shape, "float32", seed=0)
    upstream = harness.tensor(shape, "float32", seed=1)
    layers = {n: layer for n, layer in contestants().items() if n in (BASE, *chosen)}
    for layer in layers.values():
        layer(x[:1, :2])
    train = {n: harness.forward_backward(layer, x, upstream) for n, layer in layers.items()}
    times = harness.ratios_in_turn(train, BASE, rounds, warm_up=1)
    peaks = {n: peak_memory(call) for n, call in train.items()}
    forward = {n: harness.forward(layer, x) for n, layer in layers.items()}
    times_forward = harness.ratios_in_turn(forward, BASE, rounds, warm_up=1)
    base = peaks[BASE]
    rows = []
    for name, peak in peaks.items():
        first, median, third = times[name]
        row = {"layer": name, "train": median, "forward": times_forward[name][1]}
        row["memory"] = peak / base if peak and base else None
        row["MiB"] = peak / 2**20 if peak else None
        rows.append({**row, "train quartiles": f"{first:.2f}-{third:.2f}"})
    return rows


def decode(length: int, rounds: int) -> dict[str, object]:
    """The last of `length` positions with a cache, over all of them at once."""
    import keras

    import keras_yat
    from benchmarks import harness

    class Step(keras.layers.Layer):
        def __init__(self, attention):
            super().__init__()
            self.attention = attention

        def call(self, inputs):
            x, *cache = inputs
            options = {"cache": tuple(cache), "cache_update_index": length - 1}
            return self.attention(x, x, **options)[0] if cache else self.all(x)

        def all(self, x):
            return self.attention(x, x, use_causal_mask=True)

    attention = keras_yat.YatMultiHeadAttention(HEADS, SIZE, rope_max_wavelength=1e4)
    x = harness.tensor((1, length, HEADS * SIZE), "float32", seed=0)
    cache = [harness.tensor((1, length, HEADS, SIZE), "float32", seed=i) for i in (1, 2)]
    attention.build(x.shape, x.shape)
    calls = {
        "all": harness.forward(Step(attention), [x]),
        "cache": harness.forward(Step(attention), [x[:, -1:], *cache]),
    }
    ratio = harness.ratios_in_turn(calls, "all", rounds, warm_up=1)["cache"][1]
    row: dict[str, object] = dict.fromkeys(["train", "forward", "memory", "MiB"])
    return {"layer": "cache", **row, "forward": ratio, "train quartiles": None}


def markdown(rows: list[dict[str, str]]) -> str:
    """A table of each measure: a row for each contestant and backend, a column for each length."""
    lengths = list(dict.fromkeys(row["length"] for row in rows))
    found = {(r["backend"], r["layer"], r["length"]): r for r in rows}
    names = list(dict.fromkeys((r["backend"], r["layer"]) for r in rows))
    lines = []
    for measure in ("train", "forward", "memory", "MiB"):
        digits = 0 if measure == "MiB" else 2 if measure != "memory" else 3
        lines += [f"| {measure} | | {' | '.join(lengths)} |", "|---|---|" + "--:|" * len(lengths)]
        for backend, layer in names:
            cells = [found[backend, layer, n][measure] for n in lengths]
            if any(cells):
                values = [f"{float(c):.{digits}f}" if c else "" for c in cells]
                lines.append(f"| {backend} | {layer} | {' | '.join(values)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
