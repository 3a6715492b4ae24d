"""Trains the published networks in a sweep over networks, activations and seeds.

    python -m examples.train examples/configs/dnn2.toml
    python -m examples.train examples/configs/dnn?.toml --data fashion_mnist \\
        --activation relu,nami,mila --layers keras,yat --seed 0-4
    python -m examples.train examples/configs/resnet8.toml --share channel --backend torch

Each run has a folder, `OUT/CONFIG-DATA-BACKEND/ACTIVATION/seed_N` (content: `examples/runs.py`).
The same command resumes an interrupted sweep: finished runs are skipped, interrupted ones continue
after their last epoch. Several processes may run the same command: each takes runs that no other
process is training. `--together` trains several seeds of a network in one program of JAX, which is
much faster on an accelerator; interrupted runs then begin again.
`python -m examples.report OUT` writes tables and pictures.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, config, data, durable, options

PLAIN = ("relu", "gelu", "silu")
"""Activations of Keras that `--activation all` includes."""


def main(arguments: argparse.Namespace) -> int:
    command.torch_on_one_thread()
    names = expand_all(arguments.activation)
    recipes = {(path, v): recipe(path, v, arguments) for path, v in _variants(arguments, names)}
    for (path, _), found in recipes.items():
        check(path, found.model)
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    try:
        return sweep(list(plan(recipes, arguments)), arguments.together)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"\nInterrupted. The same command resumes from {arguments.out}, after the last epoch."
        ) from None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "configs", nargs="+", type=Path, help="files of examples/configs, or custom ones"
    )
    parser.add_argument(
        "--activation",
        type=_names,
        help="a name of keras_yat.activations or of Keras, MODULE:NAME of a custom one, several "
        "separated by commas, or all",
    )
    parser.add_argument(
        "--layers",
        type=_layers,
        help="keras, yat (Yat layers without activation), MODULE:CLASS of a custom layer without "
        "activation, or several separated by commas",
    )
    parser.add_argument(
        "--share",
        choices=("network", "layer", "channel"),
        help="one set of activation parameters for the network, each layer or each channel",
    )
    parser.add_argument(
        "--seed", type=_seeds, default="0", help="3, or 0,1,2, or 0-4 (default: %(default)s)"
    )
    parser.add_argument(
        "--data", choices=data.names(data.ImageSet), help="data set, instead of the config's"
    )
    parser.add_argument(
        "--epochs", type=options.positive, help="number of epochs, instead of the config's"
    )
    parser.add_argument(
        "--together",
        type=options.positive,
        nargs="?",
        const=5,
        help="train several seeds in one program, 5 or another number (JAX only)",
    )
    parser.add_argument("--rate", type=options.rate, help="learning rate, instead of the config's")
    options.add_common(parser, "studies")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return text.split(",")


def _layers(text: str) -> list[str]:
    found = text.split(",")
    if not all(name in ("keras", "yat") or ":" in name for name in found):
        raise argparse.ArgumentTypeError(f"must be keras, yat or MODULE:CLASS, not {text!r}")
    return found


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise argparse.ArgumentTypeError(f"must be such as 3, or 0,1,2, or 0-4, not {text!r}")
        last = options.seed(match[2] or match[1])
        found += range(int(match[1]), last + 1)
    return list(dict.fromkeys(found))


def expand_all(names: list[str] | None) -> list[str]:
    """The names, with "all" replaced by the names of all activations."""
    import keras_yat

    found: list[str] = []
    for name in names or []:
        found += [*PLAIN, *keras_yat.activations.names()] if name == "all" else [name]
    return list(dict.fromkeys(found))


def check(path: Path, model: config.Model) -> None:
    """Checks the activation and the layers of a recipe before any training.

    Raises:
        SystemExit: if one of them is unknown.
    """
    from examples import layer_factory

    try:
        layer_factory.check_activation(model.activation)
        layer_factory.layer_classes(model.layers)
    except ValueError as error:
        raise SystemExit(f"{path}: {error}") from error


def _variants(
    arguments: argparse.Namespace, names: list[str]
) -> Iterator[tuple[Path, tuple[str, str | None]]]:
    """For each file, the layers and the activation of each variant; None: those of the file."""
    for path in arguments.configs:
        if not arguments.layers or "keras" in arguments.layers:
            choices: list[str | None] = [*names] or [None]
            for name in choices:
                yield path, ("keras" if arguments.layers or name else "", name)
        for layers in arguments.layers or []:
            if layers != "keras":
                yield path, (layers, None)


def recipe(path: Path, variant: tuple[str, str | None], arguments: Any) -> config.Recipe:
    """The recipe of a file, overridden by the options."""
    layers, activation = variant
    given = {
        "data": {"name": arguments.data},
        "training": {"epochs": arguments.epochs, "learning_rate": arguments.rate},
        "model": {"layers": layers, "activation": activation, "share": arguments.share},
    }
    changes = {
        table: {key: value for key, value in values.items() if value}
        for table, values in given.items()
    }
    return config.load(path, {table: values for table, values in changes.items() if values})


def plan(recipes: dict, arguments: argparse.Namespace) -> Iterator[Any]:
    """All runs, seed by seed, so that an interrupted sweep has runs of each variant."""
    from examples import runs

    for seed in arguments.seed:
        for (path, _), found in recipes.items():
            study = _study(path, found.data.name)
            plain = found.model.layers == "keras"
            name = found.model.activation if plain else found.model.layers
            if arguments.share and plain:
                name = f"{name}-{arguments.share}"
            folder = Path(arguments.out, study, name.replace(":", "."), f"seed_{seed}")
            yield runs.Run(found, seed, folder)


def _study(path: Path, name: str) -> str:
    import keras

    stem = path.stem.removesuffix(f"_{name}")
    return f"{stem}-{name}-{keras.backend.backend()}"


def sweep(todo: list[Any], together: int | None = None) -> int:
    """Trains all unfinished runs; returns the exit status, 1 if a run failed."""
    from tqdm import tqdm

    left = [run for run in todo if not _is_finished(run)]
    print(f"Runs: {len(todo)}, of which {len(todo) - len(left)} are finished.", flush=True)
    bar = tqdm(
        total=sum(run.recipe.training.epochs for run in left),
        unit="epoch",
        dynamic_ncols=True,
        smoothing=0.1,
    )
    loaded: dict[str, Any] = {}
    failed = 0
    with bar:
        if together:
            failed = _train_together(left, together, loaded, bar)
        else:
            failed = sum(not _train(run, loaded, bar) for run in left)
    return min(failed, 1)


def _train_together(left: list[Any], count: int, loaded: dict[str, Any], bar: Any) -> int:
    """Trains the runs, those of a recipe together; returns the number of recipes that failed."""
    from examples import together

    def on_run_end(run: Any, metrics: dict[str, Any]) -> None:
        bar.write(f"{run.label}: test accuracy {metrics['test_accuracy']:.4f}")

    groups: dict[str, list[Any]] = {}
    for run in left:
        groups.setdefault(run.recipe.model_dump_json(), []).append(run)
    failed = 0
    for group in groups.values():
        try:
            together.train(group, _load(group[0], loaded), count, bar.update, on_run_end)
        except (SystemExit, OSError) as error:
            _report(error, group[0], bar)
            failed += 1
    return failed


def _report(error: SystemExit | OSError, run: Any, bar: Any) -> None:
    """Prints the error of a run; raises one that concerns all runs, such as a full disk."""
    from keras_yat import _command

    if _command.is_of_the_machine(error):
        raise error
    bar.write(f"{run.label}: {error}", file=sys.stderr)


def _is_finished(run: Any) -> bool:
    try:
        return run.metrics is not None
    except durable.Damaged:
        return False  # reported when the run is trained


def _load(run: Any, loaded: dict[str, Any]) -> Any:
    """The data of a run; `loaded` has those of the last one."""
    from examples import runs

    key = run.recipe.data.model_dump_json()
    if key not in loaded:
        loaded.clear()
        loaded[key] = runs.load(run.recipe.data)
    return loaded[key]


def _train(run: Any, loaded: dict[str, Any], bar: Any) -> bool:
    """Trains a run; returns whether it succeeded."""
    from examples import runs

    begun, succeeded = bar.n, True

    def on_epoch_end(done: int, metrics: dict[str, float]) -> None:
        bar.set_postfix_str(f"{run.label}: {metrics['val_accuracy']:.4f}", refresh=False)
        bar.update(begun + done - bar.n)

    try:
        metrics = runs.train(run, _load(run, loaded), on_epoch_end)
    except durable.Busy:
        bar.write(f"{run.label}: another process is training it")
    except (SystemExit, OSError) as error:
        _report(error, run, bar)
        succeeded = False
    else:
        bar.write(f"{run.label}: test accuracy {metrics['test_accuracy']:.4f}")
    bar.update(begun + run.recipe.training.epochs - bar.n)
    return succeeded


if __name__ == "__main__":
    command.start(parse, main)
