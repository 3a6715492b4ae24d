"""The trainings of `benchmarks.accelerator`: ResNet-20 on CIFAR-10, in turn epoch by epoch."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import command

CONFIG = Path(__file__).parents[1] / "examples" / "configs" / "resnet20.toml"
PRECISION = "mixed_bfloat16"
CONTESTANTS = {
    "ReLU": {"activation": "relu"},
    "SinLU": {"activation": "sinlu"},
    "Yat": {"layers": "yat"},
}


def rows(budget: command.Budget, quick: bool) -> Iterator[dict[str, object]]:
    """A row for each epoch of each network, until the budget ends. None if there are no data."""
    from tqdm import tqdm

    try:
        recipes = {name: recipe(changes, quick) for name, changes in CONTESTANTS.items()}
        splits = load(recipes["ReLU"].data, budget, quick)
    except (ImportError, SystemExit, command.OutOfTime) as error:
        reason = str(error).splitlines()[0]
        file = "KERAS_YAT_DATA names the folder of cifar10.npz."
        print(f"The training is left out: {reason} {file}", flush=True)
        return
    trainings = {name: Training(found, splits) for name, found in recipes.items()}
    took = dict.fromkeys(trainings, 0.0)
    with tqdm(unit="epoch", leave=False) as bar:
        for epoch in itertools.count():
            for name, training in list(trainings.items()):
                bar.set_description(f"{name}, epoch {epoch + 1}")
                if not budget.left(took[name]):
                    return
                row: dict[str, object] = {"network": training.title, "precision": PRECISION}
                row |= {"contestant": name, "epoch": epoch + 1}
                start = time.perf_counter()
                try:
                    with budget.limit():
                        found = training(epoch)
                except command.OutOfTime:
                    bar.write(f"No time was left in epoch {epoch + 1} of {name}.")
                    return
                except Exception as error:
                    found = {"failure": f"{type(error).__name__}: {error}"[:160]}
                    del trainings[name]
                # The first epoch says nothing of the next one: its program is compiled in it.
                took[name] = time.perf_counter() - start if epoch else 0.0
                empty = dict.fromkeys(("test accuracy", "loss", "seconds", "failure"))
                yield {**row, **empty, **found}
                bar.update()
            if quick or not trainings:
                return


def recipe(changes: dict[str, Any], quick: bool) -> Any:
    from examples import config

    tables: dict[str, dict[str, Any]] = {"model": changes, "training": {"precision": PRECISION}}
    if quick:
        tables = {**tables, "model": {**changes, "depth": 8}, "data": {"name": "digits"}}
    return config.load(CONFIG, tables)


def load(settings: Any, budget: command.Budget, quick: bool) -> Any:
    """Training and test data. 64 images of each for `quick`."""
    from examples import runs

    with budget.limit():
        splits = runs.load(settings)
    if not quick:
        return splits
    train, test = (runs.Split(s.x[:64], s.y[:64]) for s in (splits.train, splits.test))
    return replace(splits, train=train, test=test)


class Training:
    """The training of one network, which begins with the first epoch."""

    def __init__(self, recipe: Any, splits: Any):
        self.recipe, self.splits = recipe, splits
        self.title = f"ResNet-{recipe.model.depth}"
        self.model: Any = None

    def __call__(self, epoch: int) -> dict[str, object]:
        """Trains an epoch. Returns accuracy on the test data, training loss and seconds."""
        import keras

        from examples import runs

        train, test = self.splits.train, self.splits.test
        settings = self.recipe.training.batch_size, 0, epoch, self.recipe.data.augment
        batches = runs.Batches(train, *settings)
        if self.model is None:
            keras.utils.set_random_seed(0)
            shape = train.x.shape[1:]
            self.model = runs.build(self.recipe, shape, self.splits.classes, len(batches))
        start = time.perf_counter()
        history = self.model.fit(batches, shuffle=False, verbose=0).history
        seconds = time.perf_counter() - start
        found = self.model.evaluate(test.x, test.y, batch_size=1000, verbose=0, return_dict=True)
        loss = history["crossentropy"][-1]
        return {"test accuracy": found["accuracy"], "loss": float(loss), "seconds": seconds}


def markdown(rows: list[dict[str, str]]) -> str:
    """A table of test accuracies: a row for each network, a column for each epoch."""
    epochs = sorted({int(row["epoch"]) for row in rows})
    networks = list(dict.fromkeys((r["device"], r["backend"], r["network"]) for r in rows))
    parts = []
    for network in networks:
        own = [r for r in rows if (r["device"], r["backend"], r["network"]) == network]
        heads = " | ".join(f"epoch {epoch}" for epoch in epochs)
        title = f"{network[2]}, {own[0]['precision']}, {network[1]}, {network[0]}"
        parts += [f"| {title} | s/epoch | {heads} |", "|---|--:|" + "--:|" * len(epochs)]
        for name in dict.fromkeys(row["contestant"] for row in own):
            found = {int(r["epoch"]): r for r in own if r["contestant"] == name}
            cells = [_accuracy(found.get(epoch)) for epoch in epochs]
            seconds = found[max(found)]["seconds"]
            parts.append(f"| {name} | {seconds} | {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def _accuracy(row):
    if row is None:
        return ""
    return f"{100 * float(row['test accuracy']):.1f}" if row["test accuracy"] else row["failure"]
