"""Test accuracy of Yat networks and of Keras's, at usual learning rates.

    python -m benchmarks.rates
    python -m benchmarks.rates --tasks "MNIST, 2 layers" "digits, LSTM" --seeds 2
    python -m benchmarks.rates --markdown

Each task trains two networks with the same data, batches, optimizer and seeds: Keras's layers with
their usual activation, and the Yat layers that replace them, both with their default arguments.
Rates are constant; Adam and SGD (momentum 0.9) have Keras's default settings otherwise. Images are
standardized by the mean and deviation of all training pixels.

Runs on JAX. Rates and starting values are arguments of one compiled training, so that it is
compiled once for each network and optimizer.
"""

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import command
from examples import data, options

RATES = {"Adam": (1e-4, 3e-4, 1e-3, 3e-3), "SGD": (1e-3, 1e-2, 1e-1)}
NETS = ("keras", "yat")


@dataclass(frozen=True)
class Task:
    """A comparison of two networks.

    Attributes:
        name: In tables and on the command line.
        load: Returns x_train, y_train, x_test, y_test.
        build: Maps one of `NETS` to a model that returns logits.
        epochs: Number of passes over the training data.
        batch: Number of examples in a step.
    """

    name: str
    load: Callable[[], tuple[np.ndarray, ...]]
    build: Callable[[str], Any]
    epochs: int
    batch: int = 128


@functools.cache
def images(name: str, count: int | None = None) -> tuple[np.ndarray, ...]:
    """Standardized images, the first `count` to train on."""
    found = data.load(name)
    x, x_test = found.x_train[:count], found.x_test
    mean, deviation = x.mean(), x.std()
    x, x_test = ((part - mean) / deviation for part in (x, x_test))
    return x, found.y_train[:count], x_test, found.y_test


def digits() -> tuple[np.ndarray, ...]:
    """Images of digits, as sequences of their rows."""
    found = data.load_sequences("digits")
    return found.x_train[0], found.y_train, found.x_test[0], found.y_test


def scaled_images(largest: float) -> tuple[np.ndarray, ...]:
    """12 000 images of digits with pixels from 0 to `largest`."""
    found = data.load("mnist")
    scale = largest / found.x_train.max()
    return found.x_train[:12000] * scale, found.y_train[:12000], found.x_test * scale, found.y_test


def one_hot_digits() -> tuple[np.ndarray, ...]:
    """Digits of 8×8 pixels, each pixel as one of 17 levels."""
    found = data.load("digits")
    highest = found.x_train.max()
    levels = [np.rint(16 / highest * part) for part in (found.x_train, found.x_test)]
    x, x_test = (
        np.eye(17, dtype="float32")[part.astype("int32").reshape(len(part), -1)] for part in levels
    )
    return x, found.y_train, x_test, found.y_test


@functools.cache
def words() -> tuple[np.ndarray, ...]:
    """Snippets of reviews: 1 for each of the 5 000 most frequent words that is there, else 0."""
    found = data.load_reviews("movie_snippets", 40, 5000)
    parts = []
    for tokens, labels in ((found.x_train, found.y_train), (found.x_test, found.y_test)):
        x = np.zeros((len(tokens), 5000), "float32")
        np.put_along_axis(x, tokens, 1.0, axis=1)
        x[:, 0] = 0.0  # padding
        parts += [x, labels]
    return tuple(parts)


CONTEXT, WINDOWS = 64, 6400


@functools.cache
def text() -> tuple[np.ndarray, ...]:
    """Windows of a text, and the characters that follow each character of them."""
    found = data.load_text("tinyshakespeare")
    letters = {letter: i for i, letter in enumerate(sorted(set(found.train + found.test)))}
    train, test = (
        np.array([letters.get(letter, 0) for letter in part], "int32")
        for part in (found.train, found.test)
    )
    some = np.random.default_rng(0).integers(0, len(train) - CONTEXT - 1, WINDOWS)
    every = np.arange(0, len(test) - CONTEXT - 1, CONTEXT)
    parts = []
    for tokens, starts in ((train, some), (test, every)):
        windows = tokens[starts[:, None] + np.arange(CONTEXT + 1)]
        parts += [windows[:, :-1], windows[:, 1:]]
    return tuple(parts)


def dense(
    hidden: Sequence[int], shape: tuple[int, ...] = (28, 28, 1), classes: int = 10
) -> Callable[[str], Any]:
    """Builds a dense network."""

    def build(net):
        import keras

        import keras_yat

        layers = [keras.Input(shape), keras.layers.Flatten()]
        for units in hidden:
            if net == "yat":
                layers.append(keras_yat.YatDense(units))
            else:
                layers.append(keras.layers.Dense(units, activation="relu"))
        return keras.Sequential([*layers, keras.layers.Dense(classes)])

    return build


def convolutions(net: str) -> Any:
    """Builds a convolutional network."""
    import keras

    import keras_yat

    layers = [keras.Input((32, 32, 3))]
    for filters, strides in ((16, 2), (32, 1), (32, 2), (64, 1)):
        if net == "yat":
            layers.append(keras_yat.YatConv2D(filters, 3, strides, "same"))
        else:
            layers.append(keras.layers.Conv2D(filters, 3, strides, "same", activation="relu"))
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential(layers)


def transposed(net: str) -> Any:
    """Builds a network of transposed convolutions."""
    import keras

    import keras_yat

    layers = [keras.Input((8, 8, 1))]
    for filters, strides in ((16, 2), (16, 1)):
        if net == "yat":
            layers.append(keras_yat.YatConv2DTranspose(filters, 3, strides, "same"))
        else:
            layers.append(
                keras.layers.Conv2DTranspose(filters, 3, strides, "same", activation="relu")
            )
    layers += [keras.layers.Flatten(), keras.layers.Dense(10)]
    return keras.Sequential(layers)


def recurrent(name: str) -> Callable[[str], Any]:
    """Builds a recurrent network."""

    def build(net):
        import keras

        import keras_yat

        layer = getattr(keras_yat, f"Yat{name}") if net == "yat" else getattr(keras.layers, name)
        return keras.Sequential([keras.Input((8, 8)), layer(32), keras.layers.Dense(10)])

    return build


def transformer(net: str) -> Any:
    """Builds a language model as `language_model` does, of Yat layers or Keras's."""
    return language_model("Yat" if net == "yat" else "Keras, rotary")


def language_model(variant: str) -> Any:
    """Builds the language model of `examples/tiny_gpt.py`, with two smaller blocks."""
    from examples.language_model import LanguageModel
    from examples.transformer import Size

    letters = int(max(part.max() for part in text())) + 1
    return LanguageModel(variant, Size(CONTEXT, 64, 4, 2, 128), letters, "dense").model


HIDDEN = {2: (256, 128), 3: (256, 128, 128), 5: (256, 128, 128, 128, 128)}
TASKS = [
    *(
        Task(f"{title}, {depth} layers", functools.partial(images, name), dense(hidden), 2)
        for title, name in (("MNIST", "mnist"), ("Fashion-MNIST", "fashion_mnist"))
        for depth, hidden in HIDDEN.items()
    ),
    Task("CIFAR-10, convolutions", functools.partial(images, "cifar10", 12000), convolutions, 3),
    Task("digits, LSTM", digits, recurrent("LSTM"), 30, 32),
    Task("digits, GRU", digits, recurrent("GRU"), 30, 32),
    Task("tiny_gpt", text, transformer, 1, 16),
    Task("digits, transposed", functools.partial(images, "digits"), transposed, 15),
    # Inputs whose rms is not 1.
    Task("MNIST, 0 to 1", functools.partial(scaled_images, 1), dense((64,)), 4),
    Task("MNIST, 0 to 255", functools.partial(scaled_images, 255), dense((64,)), 4),
    Task("digits, one-hot", one_hot_digits, dense((64,), (64, 17)), 30),
    Task("reviews, words as 0 or 1", words, dense((64,), (5000,), 2), 6),
]


def parse() -> argparse.Namespace:
    parser = command.parser(__doc__.split("\n")[0], "rates")
    names = [task.name for task in TASKS]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, metavar="TASK")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--seeds", type=options.positive, default=5, help="default: %(default)s")
    parser.set_defaults(backend="jax")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> list[dict]:
    from tqdm import tqdm

    chosen = [task for task in TASKS if task.name in arguments.tasks]
    count = sum(len(rates) for rates in RATES.values()) * len(arguments.nets) * arguments.seeds
    rows = []
    with tqdm(total=len(chosen) * count, unit="training") as bar:
        for task in chosen:
            for net in arguments.nets:
                rows += accuracies(task, net, arguments.seeds, bar)
            bar.write("\n" + markdown([row for row in rows if row["task"] == task.name]))
    return rows


def accuracies(
    task: Task, net: str, seeds: int, bar: Any, every: Mapping[str, Sequence[float]] = RATES
) -> list[dict]:
    """A row for each optimizer, each of its rates in `every`, and each seed."""
    import keras

    rows = []
    for name, rates in every.items():
        starts = []
        for seed in range(seeds):
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            model = task.build(net)
            variables = model.trainable_variables, model.non_trainable_variables
            starts.append([_values(part) for part in variables])
        settings = {"momentum": 0.9} if name == "SGD" else {}
        training = Training(model, getattr(keras.optimizers, name)(**settings), task)
        for rate in rates:
            for seed, start in enumerate(starts):
                accuracy, loss = training(start, rate, seed)
                row = {"task": task.name, "net": net, "optimizer": name, "rate": rate}
                rows.append({**row, "seed": seed, "accuracy": accuracy, "loss": loss})
                bar.update()
    return rows


class Training:
    """The training of one network with one optimizer."""

    def __init__(self, model: Any, optimizer: Any, task: Task):
        import jax
        from jax import numpy as jnp

        self.task = task
        self.x, self.y, self.x_test, self.y_test = map(jnp.asarray, task.load())
        optimizer.build(model.trainable_variables)
        self.start = _values(optimizer.variables)
        self.place = next(
            i for i, v in enumerate(optimizer.variables) if v.path.endswith("learning_rate")
        )

        def loss_of(weights, state, x, y):
            logits, state = model.stateless_call(weights, state, x, training=True)
            return _cross_entropy(logits, y), state

        def step(carry, places):
            weights, state, own = carry
            (_, state), slopes = jax.value_and_grad(loss_of, has_aux=True)(
                weights, state, self.x[places], self.y[places]
            )
            weights, own = optimizer.stateless_apply(own, slopes, weights)
            return weights, state, own

        def evaluate(weights, state, x, y):
            logits, _ = model.stateless_call(weights, state, x, training=False)
            return jnp.mean(jnp.argmax(logits, axis=-1) == y), _cross_entropy(logits, y)

        # No scan: within it XLA's convolutions are 20 times slower on CPUs.
        self.step = jax.jit(step)
        self.evaluate = jax.jit(evaluate)

    def __call__(self, start: list, rate: float, seed: int) -> tuple[float, float]:
        """Test accuracy and loss after a training from `start`."""
        rng, task = np.random.default_rng(seed), self.task
        own = [np.float32(rate) if i == self.place else v for i, v in enumerate(self.start)]
        carry = (*start, own)
        places = np.concatenate([rng.permutation(len(self.x)) for _ in range(task.epochs)])
        places = places[: len(places) // task.batch * task.batch].reshape(-1, task.batch)
        for batch in places:
            carry = self.step(carry, batch)
        weights, state, _ = carry
        found, sizes = [], []
        for first in range(0, len(self.x_test), 1000):
            part = slice(first, first + 1000)
            found.append(self.evaluate(weights, state, self.x_test[part], self.y_test[part]))
            sizes.append(len(self.x_test[part]))
        accuracy, loss = np.average(np.array(found, "float64"), axis=0, weights=sizes)
        return float(accuracy), float(loss)


def _values(variables):
    return [np.asarray(variable.value) for variable in variables]


def _cross_entropy(logits, y):
    import keras

    loss = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
    return keras.ops.mean(loss)


def markdown(rows: Sequence[dict]) -> str:
    """A table for each task: mean accuracy by net and rate, and the difference with its error."""
    columns = [(name, rate) for name, rates in RATES.items() for rate in rates]
    parts = []
    for task in dict.fromkeys(row["task"] for row in rows):
        heads = [f"{name} {rate:g}" for name, rate in columns]
        parts.append(f"| {task} | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}")
        found = {
            (row["net"], row["optimizer"], float(row["rate"]), int(row["seed"])): row
            for row in rows
            if row["task"] == task
        }
        seeds = sorted({key[-1] for key in found})
        by_net = {
            net: [
                np.array([100 * float(found[net, *column, seed]["accuracy"]) for seed in seeds])
                for column in columns
            ]
            for net in NETS
            if any(key[0] == net for key in found)
        }
        lines = {net: [f"{np.mean(c):.2f}" for c in cells] for net, cells in by_net.items()}
        if len(by_net) == len(NETS):
            pairs = [yat - stock for stock, yat in zip(*by_net.values(), strict=True)]
            lines["difference"] = [f"{np.mean(p):+.2f} ± {_error_of_mean(p):.2f}" for p in pairs]
        parts += [f"| {name} | {' | '.join(line)} |" for name, line in lines.items()]
        parts.append("")
    return "\n".join(parts)


def _error_of_mean(values):
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


if __name__ == "__main__":
    command.run(parse, measure, markdown, threads=2)
