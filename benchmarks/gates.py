"""Which gates and which activation a recurrent Yat layer trains best with.

    KERAS_YAT_DATA=… python -m benchmarks.gates --backend jax

Trains each recurrent layer with each combination on two tasks, scikit-learn's digits
read pixel by pixel (64 steps) and, from `$KERAS_YAT_DATA`, the Japanese vowels (7 to 29
steps with a mask), from several seeds, with Keras's own layer beside them. A row has the
test accuracies and the training losses after the last epoch. This is what the defaults
of `YatSimpleRNN`, `YatLSTM` and `YatGRU` were chosen by. Writes CSV; `--markdown` prints
the tables of benchmarks/README.md from it.
"""

import argparse
import statistics

from benchmarks import command

GATES = ("softer_sigmoid", "sigmoid")
ACTIVATIONS = ("score_tanh", "soft_tanh", "tanh")
LAYERS = ("SimpleRNN", "LSTM", "GRU")
EPOCHS = {"digits": 30, "japanese_vowels": 40}
UNITS = 32
RATE = 0.003


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "gates")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--tasks", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=LAYERS)
    parser.add_argument("--quick", action="store_true", help="one epoch, to see that it runs")
    return parser.parse_args()


def measure(arguments) -> list[dict]:
    from tqdm import tqdm

    from examples import data

    tasks = {name: data.load_sequences(name) for name in arguments.tasks}
    if "digits" in tasks:
        tasks["digits"] = pixel_by_pixel(tasks["digits"])
    plan = [
        (task, layer, *pair)
        for task in tasks
        for layer in arguments.layers
        for pair in combinations(layer)
    ]
    rows = []
    for task, layer, gate, activation in (bar := tqdm(plan)):
        bar.set_description(f"{task} {layer} {gate} {activation}")
        epochs = 1 if arguments.quick else EPOCHS[task]
        found = trained(tasks[task], layer, gate, activation, epochs, arguments.seeds)
        accuracies, losses = zip(*found, strict=True)
        rows.append(
            {
                "task": task,
                "layer": layer,
                "gates": gate,
                "activation": activation,
                "accuracy": statistics.mean(accuracies),
                "spread": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
                "loss": statistics.mean(losses),
                "backend": arguments.backend,
                "seeds": arguments.seeds,
            }
        )
    return rows


def combinations(layer: str) -> list[tuple[str, str]]:
    """Gates and activation of each variant; of Keras's own layer "" and "Keras"."""
    gates = ("",) if layer == "SimpleRNN" else GATES
    return [*((g, a) for g in gates for a in ACTIVATIONS), ("", "Keras")]


def pixel_by_pixel(sequences):
    from dataclasses import replace

    def spread(parts):
        return [x.reshape(len(x), -1, 1) for x in parts]

    return replace(sequences, x_train=spread(sequences.x_train), x_test=spread(sequences.x_test))


def trained(sequences, layer: str, gate: str, activation: str, epochs: int, seeds: int):
    """(test accuracy, training loss) for each seed."""
    import keras

    from examples import trials

    class NoBar:
        def add(self, count):
            pass

    found = trials.Trials(f"{layer} {gate} {activation}", RATE)
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        found.train(build(sequences, layer, gate, activation), sequences, epochs, NoBar())
    losses = [history["loss"][-1] for history in found.histories]
    return list(zip(found.accuracies, losses, strict=True))


def build(sequences, layer: str, gate: str, activation: str):
    import keras
    import numpy as np

    import keras_yat

    arguments = {"activation": activation, **({"recurrent_activation": gate} if gate else {})}
    if activation == "Keras":
        recurrent = getattr(keras.layers, layer)(UNITS)
    else:
        recurrent = getattr(keras_yat, f"Yat{layer}")(UNITS, **arguments)
    x, *mask = sequences.x_train
    inputs = [keras.Input(x.shape[1:]), *(keras.Input(m.shape[1:], dtype="bool") for m in mask)]
    states = recurrent(inputs[0], mask=inputs[1] if mask else None)
    classes = len(np.unique(sequences.y_train))
    return keras.Model(inputs, keras.layers.Dense(classes)(states))


def markdown(rows: list[dict[str, str]]) -> str:
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = [f"| layer | gates | activation | {' | '.join(f'{t} | loss' for t in tasks)} |"]
    lines.append("|---|---|---|" + "--:|" * 2 * len(tasks))
    cells = {(r["layer"], r["gates"], r["activation"], r["task"]): r for r in rows}
    for key in dict.fromkeys(k[:3] for k in cells):
        line = [_cell(cells.get((*key, task))) for task in tasks]
        lines.append(f"| {' | '.join(key)} | {' | '.join(line)} |")
    return "\n".join(lines)


def _cell(row):
    if row is None:
        return " | "
    spread = f" ± {float(row['spread']):.3f}" if row["spread"] else ""
    return f"{float(row['accuracy']):.3f}{spread} | {float(row['loss']):.3f}"


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=1)
