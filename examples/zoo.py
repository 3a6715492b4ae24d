"""Trains the networks of `keras_yat.zoo`, and measures them again.

    python -m examples.zoo digits
    KERAS_YAT_DATA=data python -m examples.zoo --backend jax
    python -m examples.zoo --check

Each network is trained from one seed, without the validation data, and saved. The saved file is
loaded again and measured once on the test data, which select nothing. A folder, by default
runs/zoo, gets the file and a card beside it: what the network reads and returns, data, settings,
command, versions and results. A network whose card is already there from the same command is not
trained again. `--install` copies files and cards into the package; `python -m tools.tables` then
writes the table of keras_yat/zoo/README.md.

`--check` trains nothing: it measures the networks of the package on the current backend, and
compares accuracy, loss and the outputs for two fixed inputs with the cards.
"""

import argparse
import hashlib
import importlib.metadata
import json
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

NAMES = ("cifar10", "digits", "fashion_mnist", "mnist", "tinyshakespeare")
LIMIT = 1_000_000
"""Bytes of a file, at most."""
PACKAGE = Path(__file__).resolve().parents[1] / "keras_yat" / "zoo"
# Between backends: of the share of correct answers, of nats, and of logits in units of the largest.
TOLERANCES = {"accuracy": 5e-4, "loss": 1e-3, "outputs": 1e-4}


def main(arguments: argparse.Namespace) -> int:
    command.torch_on_one_thread()
    names = arguments.names or NAMES
    if arguments.check:
        return check(names)
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        make(name, arguments, folder)
    if arguments.install:
        for name in names:
            for ending in ("keras", "json"):
                shutil.copyfile(folder / f"{name}.{ending}", PACKAGE / f"{name}.{ending}")
        print(f"Copied into {PACKAGE.parent.name}/{PACKAGE.name}. Run python -m tools.tables.")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of {', '.join(NAMES)} (default: all)",
    )
    parser.add_argument("--seed", type=options.seed, default=0, help="default: %(default)s")
    parser.add_argument(
        "--epochs",
        type=options.positive,
        help="of tinyshakespeare hundreds of steps (default: those of the recipe)",
    )
    parser.add_argument("--install", action="store_true", help="copy the results into the package")
    parser.add_argument("--check", action="store_true", help="measure the package's networks again")
    options.add_common(parser, "zoo")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"NAME must be any of {', '.join(NAMES)}, not {name!r}")
    return arguments


def make(name: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Trains a network, and writes its file and card, unless the same command has done it."""
    import keras

    from examples import durable, zoo_networks, zoo_recipes

    file, path = folder / f"{name}.keras", folder / f"{name}.json"
    line = _command(name, arguments)
    if file.exists() and path.exists() and durable.read(path)["command"] == line:
        print(f"{name}: is in {folder}.")
        return
    recipe = zoo_networks.RECIPES[name]
    parts = recipe.parts()
    print(f"{name}: {len(parts.train.x)} inputs to train on; {command.versions()}.")
    start = time.perf_counter()
    trained = recipe.train(parts, arguments.seed, arguments.epochs)
    seconds = time.perf_counter() - start
    with durable.replacing(file) as part:
        trained.save(part)
    model = keras.saving.load_model(file, compile=False)
    content = file.read_bytes()
    if len(content) >= LIMIT:
        raise SystemExit(f"{file} has {len(content)} bytes, and must have less than {LIMIT}.")
    found = {
        "name": name,
        "title": recipe.title,
        "input": recipe.input,
        **recipe.meaning(parts),
        "parameters": model.count_params(),
        "layers": _layers(model),
        "test": zoo_recipes.measure(model, parts.test),
        "validation": zoo_recipes.measure(model, parts.validation),
        "command": line,
        "seed": arguments.seed,
        "training": {"examples": parts.train.y.size, **recipe.describe(arguments.epochs)},
        "data": _data(recipe, parts.fingerprint),
        "versions": _versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if parts.vocabulary:
        found["test"]["bits_per_character"] = found["test"]["loss"] / np.log(2.0)
    levels = len(parts.vocabulary) or int(parts.train.x.max()) + 1
    found["sample"] = {"shape": list(recipe.shape), "levels": levels}
    outputs = model.predict(zoo_recipes.sample(found), verbose=0)
    found["sample"]["outputs"] = np.round(np.asarray(outputs, "float64"), 5).tolist()
    with durable.replacing(path) as part:
        part.write_text(_json(found), encoding="utf-8")
    print(f"\n{name}: test {_results(found['test'])}, {len(content)} bytes, {seconds:.0f} s.")


def check(names: Any) -> int:
    """Compares what the networks of the package do here with their cards: 1 for a difference."""
    from examples import trials, zoo_networks, zoo_recipes
    from keras_yat import zoo

    print(command.versions())
    status, rows = 0, []
    for name in names:
        card, model = zoo.card(name), zoo.load(name)
        parts = zoo_networks.RECIPES[name].parts()
        found = zoo_recipes.measure(model, parts.test)
        apart = {key: abs(found[key] - card["test"][key]) for key in ("accuracy", "loss")}
        expected = np.array(card["sample"]["outputs"])
        outputs = np.asarray(model.predict(zoo_recipes.sample(card), verbose=0))
        apart["outputs"] = float(np.max(np.abs(outputs - expected)) / np.max(np.abs(expected)))
        same = parts.fingerprint == card["data"]["fingerprint"]
        # The fixed inputs do not depend on the data.
        wrong = [k for k, v in apart.items() if v > TOLERANCES[k] and (same or k == "outputs")]
        status = 1 if wrong else status
        rows.append(
            {
                "network": name,
                "accuracy": f"{found['accuracy']:.4f}",
                "card": f"{card['test']['accuracy']:.4f}",
                "loss": f"{found['loss']:.4f}",
                "card ": f"{card['test']['loss']:.4f}",
                "outputs differ by": f"{apart['outputs']:.1e}",
                "data": "those of the card" if same else "others than the card's",
                "result": f"differs: {', '.join(wrong)}" if wrong else "as on the card",
            }
        )
    trials.report("Networks of the package, measured again", rows)
    return status


def _command(name: str, arguments: argparse.Namespace) -> str:
    import keras

    epochs = f" --epochs {arguments.epochs}" if arguments.epochs else ""
    backend = keras.backend.backend()
    return f"python -m examples.zoo {name} --seed {arguments.seed}{epochs} --backend {backend}"


def _data(recipe: Any, fingerprint: str) -> dict[str, Any]:
    from examples import zoo_networks

    found = data.find(recipe.data, data.DataSet)
    return {
        "name": found.name,
        "source": found.source,
        "license": found.license or "not stated by the source",
        "fingerprint": fingerprint,
        "note": zoo_networks.COPIES.get(fingerprint, ""),
    }


def _versions() -> dict[str, str]:
    import keras

    import keras_yat

    backend = keras.backend.backend()
    found = {"keras_yat": keras_yat.__version__, "keras": keras.__version__}
    return {**found, "backend": backend, backend: importlib.metadata.version(backend)}


def _layers(model: Any) -> str:
    """The kinds of layers in order, each kind once."""
    kinds = dict.fromkeys(type(layer).__name__ for layer in model.layers)
    return ", ".join(kind for kind in kinds if kind != "InputLayer")


def _results(found: dict[str, Any]) -> str:
    return ", ".join(f"{key} {found[key]:.4f}" for key in found if key != "examples")


def _json(found: dict[str, Any]) -> str:
    """JSON with a key on a line, and the outputs on one."""
    lines = [f'  "{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in found.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    command.start(parse, main)
