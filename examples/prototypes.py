"""What the prototypes of a Yat layer can be used for, on images, against Dense + ReLU.

    KERAS_YAT_DATA=data python -m examples.prototypes
    python -m examples.prototypes --data digits --seeds 2 --epochs 2

- Ladder: accuracy of one hidden layer and a linear readout, by the number of prototypes. These
  start at training images, and stay there (frozen) or are trained.
- Classes: networks whose prototypes belong to a class each. Two classes are taught by adding
  prototypes, and one is forgotten by removing them, without training: `add_prototypes` and
  `remove_prototypes`.
- Attribution: the contributions of the prototypes to a logit.
- Elsewhere: images of another data set (`--elsewhere`) are detected by their largest response.
- Calibration: the error of the confidences (ECE), before and after a temperature that is fitted to
  held-out training images.

Rate and epochs are the same for all networks. Test accuracy selects nothing. Intervals are those
of 95 % over the seeds. Results: `examples/PROTOTYPES.md`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options
from examples.image_classifier import grayscale

LADDER = (16, 64, 256)
DRAWN = 16
COUNT = 32
"""Prototypes of each class in networks of classes."""
NAMES = {
    "fashion_mnist": (
        *("T-shirt", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    )
}
PUBLISHED: dict[Any, str] = {
    16: "0.8629",
    256: "0.8884",
    "8, taught": "0.95",
    "9, taught": "0.94",
    "5, before it is forgotten": "0.64",
    "5, after": "0.00",
    "other classes, before": "0.811",
    "other classes, after": "0.813",
    "AUROC": "0.916",
    "Yat": "0.062",
    "ReLU": "0.018",
}
Values = dict[Any, list[float]]


def main(arguments: argparse.Namespace) -> None:
    command.torch_on_one_thread()
    images = data.load(arguments.data)
    print(
        f"{images.origin}: {len(images.x_train)} images to train on, {len(images.x_test)} to test "
        f"on; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(images, elsewhere(arguments.elsewhere, images), arguments, folder)
    print(f"\nSaved tables (.csv) and pictures (.png) in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default, text in (
        ("data", "fashion_mnist", "images to train and test on"),
        ("elsewhere", "mnist", "images of other things"),
    ):
        parser.add_argument(
            f"--{name}", default=default, choices=grayscale(), help=f"{text}; default: %(default)s"
        )
    for name, number in (("seeds", 5), ("epochs", 10)):
        parser.add_argument(
            f"--{name}", type=options.positive, default=number, help="default: %(default)s"
        )
    parser.add_argument(
        "--rate", type=options.rate, default="0.001", help="Adam's learning rate; default: 0.001"
    )
    options.add_common(parser, "prototypes")
    return parser.parse_args()


def elsewhere(name: str, images: Any) -> np.ndarray | None:
    """The test images of another data set, or None, with a line that says why."""
    shape = data.find(name, data.ImageSet).shape
    if shape != images.x_test.shape[1:]:
        print(f"No images from elsewhere: those of {name} have the shape {shape}.")
        return None
    try:
        return data.load(name).x_test
    except SystemExit as error:
        print(f"No images from elsewhere: {error}")
        return None


def study(images: Any, outside: Any, arguments: argparse.Namespace, folder: Path) -> None:
    """Trains and measures the networks of each seed, writes tables and pictures."""
    import keras

    from examples import prototype_networks as networks
    from examples import trials

    kinds = networks.KINDS
    names = NAMES.get(arguments.data, tuple(map(str, np.unique(images.y_train))))
    fewer, x_valid, y_valid = networks.held_out(images)
    steps = arguments.seeds * arguments.epochs * (len(kinds) * len(LADDER) + 1)
    bar = keras.utils.Progbar(steps, unit_name="epoch")
    found = {(m, k): trials.Trials(k, arguments.rate) for m in LADDER for k in kinds}
    measures: dict[str, Values] = {"attribution": {}, "elsewhere": {}, "calibration": {}}
    classes: dict[str, Values] = {}
    for seed in range(arguments.seeds):
        for (units, kind), each in found.items():
            keras.utils.set_random_seed(seed)
            model = networks.ladder(fewer, kind, units, seed)
            before = trials.weights(model.layers[1])
            each.train(model, fewer, arguments.epochs, bar)
            if seed == 0 and units == DRAWN and kind == networks.TRAINED:
                draw_prototypes(model, before, images, names, folder)
            if units == LADDER[-1]:
                measure(model, kind, images, outside, (x_valid, y_valid), measures)
                if seed == 0 and kind == networks.TRAINED:
                    draw_attribution(model, images, names, folder)
        for name, values in teach_and_forget(fewer, outside, seed, arguments, bar).items():
            for key, value in values.items():
                classes.setdefault(name, {}).setdefault(key, []).append(value)
    report(found, classes, measures, names, arguments, folder)


def measure(
    model: Any, kind: str, images: Any, outside: Any, valid: Any, measures: dict[str, Values]
) -> None:
    """Adds the measures of a trained network of the ladder."""
    from examples import prototype_measures as m
    from examples import prototype_networks as networks

    logits = networks.predict(model, images.x_test)
    responses = networks.responses(model, images.x_test)
    readout = np.asarray(model.layers[-1].get_weights()[0])

    def add(table: str, key: Any, value: float) -> None:
        measures[table].setdefault(key, []).append(value)

    add("attribution", (kind, "error"), m.attribution_error(responses, readout, logits))
    add("attribution", (kind, "half"), m.prototypes_for_half(responses, readout, logits))
    if outside is not None:
        others = networks.predict(model, outside), networks.responses(model, outside)
        scores = {
            "largest response": (responses.max(axis=1), others[1].max(axis=1)),
            "largest logit": (logits.max(axis=1), others[0].max(axis=1)),
            "largest probability": tuple(
                m.probabilities(each).max(axis=1) for each in (logits, others[0])
            ),
        }
        for score, pair in scores.items():
            add("elsewhere", (kind, score), m.auroc(*pair))
    heat = m.fitted_temperature(networks.predict(model, valid[0]), valid[1])
    for key, temperature in (("before", 1.0), ("after", heat)):
        ece = m.calibration_error(m.probabilities(logits, temperature), images.y_test)
        add("calibration", (kind, key), ece)
    add("calibration", (kind, "temperature"), heat)


def teach_and_forget(
    images: Any, outside: Any, seed: int, arguments: argparse.Namespace, bar: Any
) -> dict[str, dict[str, float]]:
    """The accuracies of networks of classes, before and after the classes change."""
    from examples import prototype_networks as networks
    from examples import trials

    rows = networks.centres(images, COUNT, seed)
    known = sorted(rows)[:-2]
    variants = {"centres": None, "centres, normalized": "sphere", "centres, then trained": None}
    found = {}
    for name, normalize in variants.items():
        network = networks.Classes(images, rows, known, normalize)
        if name.endswith("trained"):
            few = networks.only(images, known)
            model = network.model(len(known))
            trials.Trials(name, arguments.rate).train(model, few, arguments.epochs, bar)
        found[name] = change_classes(network, images, outside, known)
    return found


def change_classes(network: Any, images: Any, outside: Any, known: list[int]) -> dict[str, float]:
    """Teaches the last two classes, then forgets one in the middle; returns the accuracies."""
    from examples import prototype_measures

    count = len(known) + 2
    taught, forgotten = range(len(known), count), count // 2

    def accuracy(labels: Any) -> float:
        here = np.isin(images.y_test, labels)
        return float(np.mean(predicted[here] == images.y_test[here]))

    predicted = network.logits(images.x_test, count).argmax(axis=1)
    found = {"old classes, before": accuracy(known)}
    for label in taught:
        network.teach(label)
    predicted = network.logits(images.x_test, count).argmax(axis=1)
    found["old classes, after"] = accuracy(known)
    found |= {f"{label}, taught": accuracy([label]) for label in taught}
    found["all classes"] = accuracy(range(count))
    if outside is not None:
        scores = (network.logits(x, count).max(axis=1) for x in (images.x_test, outside))
        found["AUROC"] = prototype_measures.auroc(*scores)
    others = [label for label in range(count) if label != forgotten]
    found[f"{forgotten}, before it is forgotten"] = accuracy([forgotten])
    found["other classes, before"] = accuracy(others)
    network.forget(forgotten)
    predicted = network.logits(images.x_test, count).argmax(axis=1)
    found[f"{forgotten}, after"] = accuracy([forgotten])
    found["other classes, after"] = accuracy(others)
    return found


def draw_prototypes(model: Any, before: np.ndarray, images: Any, names: Any, folder: Path) -> None:
    """Draws the prototypes of a small network before and after training."""
    from examples import prototype_pictures, trials

    votes = np.asarray(model.layers[-1].get_weights()[0]).argmax(axis=1)
    order = np.argsort(votes, kind="stable")
    shape = images.x_test.shape[1:3]
    start, end = (w.T.reshape(-1, *shape)[order] for w in (before, trials.weights(model.layers[1])))
    title = f"{len(votes)} prototypes that start at training images"
    labels = [names[label] for label in votes[order]]
    prototype_pictures.draw_prototypes(start, end, labels, title, folder / "prototypes.png")


def draw_attribution(model: Any, images: Any, names: Any, folder: Path) -> None:
    """Draws test images with the prototypes that contribute most."""
    from examples import prototype_networks as networks
    from examples import prototype_pictures, trials

    few = images.x_test[:1000]
    prototypes = trials.weights(model.layers[1])
    found = {
        "responses": networks.responses(model, few),
        "logits": networks.predict(model, few),
        "readout": np.asarray(model.layers[-1].get_weights()[0]),
        "prototypes": prototypes.T.reshape(-1, *images.x_test.shape[1:3]),
    }
    title = f"Contributions of {prototypes.shape[1]} prototypes to the logit of a prediction"
    pair = (few, images.y_test[:1000])
    prototype_pictures.draw_attribution(pair, found, names, title, folder / "attribution.png")


def report(
    found: Any, classes: Any, measures: Any, names: Any, arguments: Any, folder: Path
) -> None:
    """Writes the tables."""
    from examples import prototype_report as tables

    said = PUBLISHED if arguments.data == "fashion_mnist" else {}
    trained = f"after {arguments.epochs} epochs, {arguments.seeds} seeds"
    wide = f"{LADDER[-1]} units"
    tables.write(
        {
            "ladder": (f"One hidden layer {trained}", tables.ladder(found, said)),
            "classes": (
                f"Classes taught and forgotten, {COUNT} prototypes each",
                tables.classes(classes, names, said),
            ),
            "attribution": (
                f"Attribution of logits, {wide}",
                tables.attribution(measures["attribution"]),
            ),
            "elsewhere": (
                f"{arguments.data} against {arguments.elsewhere}, {wide}",
                tables.elsewhere(measures["elsewhere"], said),
            ),
            "calibration": (
                f"Calibration, {wide}",
                tables.calibration(measures["calibration"], said),
            ),
        },
        folder,
    )


if __name__ == "__main__":
    command.start(parse, main)
