"""Trains small networks, and writes the record that the documentation's training page plays.

    python -m tools.playground_training              docs/_static/playground/training-data.js
    python -m tools.playground_training --epochs 1 --data digits --out runs/training-data.js

One network for each of `ACTIVATIONS`, with a set of parameters for each hidden layer. The record
has the parameters and the accuracy on the test data before training and after each epoch.
"""

import argparse
from pathlib import Path
from typing import Any

from examples import command, config, data, options
from tools.playground import FOLDER, script

ACTIVATIONS = ("sinlu", "mila", "nami", "shilu", "scaled_softsign")
CONFIG = Path(config.__file__).parent / "configs" / "parameters_dnn3.toml"
EPOCHS = 16
RATE = 2e-3
SEED = 0
OUT = FOLDER / "training-data.js"
VARIABLE = "trainingData"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default="fashion_mnist", choices=data.names(data.ImageSet))
    parser.add_argument(
        "--epochs", type=options.positive, default=EPOCHS, help="default: %(default)s"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="default: %(default)s")
    options.add_backend(parser)
    return parser.parse_args()


def main(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from examples import runs

    command.torch_on_one_thread()
    with tqdm(total=len(ACTIVATIONS) * arguments.epochs, unit="epoch") as bar:
        recipes = [recipe(name, arguments.data, arguments.epochs) for name in ACTIVATIONS]
        splits = runs.load(recipes[0].data)
        found = [train(each, splits, bar) for each in recipes]
    record = {
        "data": splits.origin,
        "images": len(splits.train.x),
        "testImages": len(splits.test.x),
        "units": recipes[0].model.units,
        "batch": recipes[0].training.batch_size,
        "rate": RATE,
        "seed": SEED,
        "versions": command.versions(),
        "trainings": found,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(script(VARIABLE, record, "tools.playground_training"))
    print(f"Wrote {arguments.out}.")


def recipe(activation: str, data_set: str, epochs: int) -> config.Recipe:
    """The recipe of a training."""
    changes: dict[str, dict[str, Any]] = {
        "data": {"name": data_set},
        "model": {"activation": activation, "share": "layer"},
        "training": {"epochs": epochs, "learning_rate": RATE},
    }
    return config.load(CONFIG, changes)


def train(settings: config.Recipe, splits: Any, bar: Any) -> dict[str, Any]:
    """Trains a network; returns the parameters and the test accuracy of each epoch."""
    import keras

    from examples import runs
    from examples.batches import Batches
    from keras_yat import callbacks

    keras.utils.clear_session()
    keras.utils.set_random_seed(SEED)
    training = settings.training
    batches = Batches(splits.train, training.batch_size, SEED, 0, [*settings.data.augment])
    model = runs.build(settings, splits.train.x.shape[1:], splits.classes, len(batches))
    test = {"x": splits.test.x, "y": splits.test.y}
    start = model.evaluate(**test, batch_size=1000, verbose=0, return_dict=True)["accuracy"]
    recorded = callbacks.ParameterHistory(log=False)
    update = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.update())
    history = model.fit(
        batches,
        validation_data=(splits.test.x, splits.test.y),
        validation_batch_size=1000,
        shuffle=False,
        epochs=training.epochs,
        verbose=0,
        callbacks=[recorded, update],
    ).history
    layers: dict[str, dict[str, list[float]]] = {}
    for path, values in recorded.history.items():
        layer, _, parameter = path.rpartition("/")
        layers.setdefault(layer, {})[parameter] = [round(float(v), 5) for v in values]
    return {
        "activation": settings.model.activation,
        "accuracy": [round(float(a), 4) for a in [start, *history["val_accuracy"]]],
        "layers": list(layers.values()),
    }


if __name__ == "__main__":
    command.start(parse, main)
