"""Trains copies of a network with other seeds and rates as one program of JAX.

All data stay on the device, and several copies are trained in each operation (`jax.vmap`). A copy
gets the initial weights, the batches and the rates that `examples.runs` gives it: the results
differ by rounding only. For small networks this is many times faster on an accelerator, whose time
is otherwise spent on starting operations.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np

import keras_yat
from examples import config, programs, runs
from examples.batches import Split, draw


class Copy(NamedTuple):
    """The seed of the initial weights and of the batches, and the learning rate."""

    seed: int
    rate: float


@dataclass
class Result:
    """What was measured of a copy.

    Attributes:
        copy: Its seed and rate.
        history: Metrics after each epoch, named as `fit` names them, and the `"seconds"`: the time
            of an epoch of all copies of the program, divided by their number.
        metrics: Metrics on the test data after the last epoch.
        parameters: The activation parameters before the training and after each epoch.
        weights: The trained weights, in the order of `model.weights`.
        optimizer: The optimizer's state without its rate.
    """

    copy: Copy
    parameters: Any
    history: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    weights: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)


class Program:
    """The training of a network, compiled once for all seeds and rates.

    Args:
        recipe: The network, its data and its training.
        splits: The data.
        prepare: Called with each initialized model and its seed, before the training: sets
            weights, or freezes layers, the same ones for each seed.
        together: Copies in one call. Fewer are filled up with the last one.

    Raises:
        SystemExit: if the backend is not JAX, or with loss scaling.
    """

    def __init__(
        self,
        recipe: config.Recipe,
        splits: runs.Splits,
        prepare: Callable[[Any, int], None] | None = None,
        together: int = 5,
    ):
        if keras.backend.backend() != "jax":
            raise SystemExit(
                "Training several seeds together needs JAX: use --backend jax. "
                f"Received: {keras.backend.backend()}"
            )
        if recipe.training.precision == "mixed_float16":
            raise SystemExit("precision: mixed_float16 cannot be trained together.")
        import jax

        self._recipe, self._splits, self._prepare = recipe, splits, prepare
        self._together = together
        self._steps = -(-len(splits.train.y) // recipe.training.batch_size)
        self.model = self._build(0)
        constant = recipe.training.model_copy(update={"schedule": "constant", "at": []})
        self._optimizer = runs.optimizer(constant, self._steps)
        self._optimizer.build(self.model.trainable_variables)
        self._rate_index = [v.name for v in self._optimizer.variables].index("learning_rate")
        self._data = {
            name: (jax.device_put(split.x), jax.device_put(split.y))
            for name, split in vars(splits).items()
            if isinstance(split, Split)
        }
        self._compiled = programs.Steps(
            self.model, self._optimizer, self._rate_index, recipe.training.batch_size
        )

    def train(
        self, copies: list[Copy], on_epoch_end: Callable[[int], None] = lambda count: None
    ) -> Iterator[Result]:
        """Trains the copies and yields the result of each, a program at a time.

        Args:
            copies: Seeds and rates.
            on_epoch_end: Called with the number of copies that have finished an epoch.
        """
        for start in range(0, len(copies), self._together):
            yield from self._train(copies[start : start + self._together], on_epoch_end)

    def _train(self, copies, on_epoch_end):
        padded = [*copies, *copies[-1:] * (self._together - len(copies))]
        state = self._start(padded)
        results = []
        for i, copy in enumerate(copies):
            record = keras_yat.callbacks.ParameterHistory(log=False)
            record.set_model(self.model)
            results.append(Result(copy, record))
            self._assign(state, i)
            record.on_train_begin()
            record.on_epoch_begin(0)
        for epoch in range(self._recipe.training.epochs):
            begun = time.perf_counter()
            draws, rates = self._draws(padded, epoch), self._rates(padded, epoch)
            state, sums = self._compiled.epoch(state, *self._data["train"], draws, rates)
            found = {name: np.asarray(value) for name, value in sums.items()}
            seconds = (time.perf_counter() - begun) / len(copies)
            tested = self._metrics(state, "validation", "val_")
            for i, result in enumerate(results):
                values = {name: float(each[i]) for name, each in {**found, **tested}.items()}
                for name, value in {**values, "seconds": seconds}.items():
                    result.history.setdefault(name, []).append(value)
                self._assign(state, i)
                result.parameters.on_epoch_end(epoch)
            on_epoch_end(len(copies))
        tested = self._metrics(state, "test", "test_")
        for i, result in enumerate(results):
            result.metrics = {name: float(value[i]) for name, value in tested.items()}
            self._assign(state, i)
            result.weights = self.model.get_weights()
            result.optimizer = [
                np.asarray(value[i]) for value in self._without_rate(state.optimizer)
            ]
            yield result

    def restore(self, result: Result) -> Any:
        """The model with the trained weights and the optimizer's state of a result."""
        self.model.set_weights(result.weights)
        self.model.optimizer.build(self.model.trainable_variables)
        variables = [v for v in self.model.optimizer.variables if v.name != "learning_rate"]
        for variable, value in zip(variables, result.optimizer, strict=True):
            variable.assign(value)
        return self.model

    def _without_rate(self, values: list[Any]) -> list[Any]:
        return [value for i, value in enumerate(values) if i != self._rate_index]

    def _build(self, seed: int) -> Any:
        """The model that the run of this seed starts from."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        shape = self._splits.train.x.shape[1:]
        model = runs.build(self._recipe, shape, self._splits.classes, self._steps)
        if self._prepare is not None:
            self._prepare(model, seed)
        return model

    def _start(self, copies: list[Copy]) -> programs.State:
        import jax

        models: dict[int, Any] = {}
        for copy in copies:
            if copy.seed not in models:
                models[copy.seed] = self._build(copy.seed)
        self._optimizer.iterations.assign(0)
        states = [
            programs.State(
                [v.value for v in models[copy.seed].trainable_variables],
                [v.value for v in models[copy.seed].non_trainable_variables],
                [v.value for v in self._optimizer.variables],
            )
            for copy in copies
        ]
        return jax.tree.map(lambda *values: jax.numpy.stack(values), *states)

    def _assign(self, state: programs.State, i: int) -> None:
        """Gives the model the values of copy `i`."""
        for variables, values in (
            (self.model.trainable_variables, state.trainable),
            (self.model.non_trainable_variables, state.others),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value[i])

    def _draws(self, copies: list[Copy], epoch: int) -> dict[str, np.ndarray]:
        count = len(self._splits.train.y)
        draws = [draw(copy.seed, epoch, count) for copy in copies]
        names = {"order": "order", "crop": "moves", "flip": "flips"}
        needed = ("order", *self._recipe.data.augment)
        return {key: np.stack([getattr(each, names[key]) for each in draws]) for key in needed}

    def _rates(self, copies: list[Copy], epoch: int) -> np.ndarray:
        """The rate of each step of an epoch, by the schedule of the recipe."""
        found = []
        for rate in (copy.rate for copy in copies):
            training = self._recipe.training.model_copy(update={"learning_rate": rate})
            schedule = runs.schedule(training, self._steps)
            steps = np.arange(epoch * self._steps, (epoch + 1) * self._steps)
            found.append(schedule(steps) if callable(schedule) else np.full(len(steps), schedule))
        return np.asarray(found, "float32")

    def _metrics(self, state: programs.State, part: str, prefix: str) -> dict[str, np.ndarray]:
        found = self._compiled.test(state.trainable, state.others, *self._data[part])
        return {prefix + name: np.asarray(value) for name, value in found.items()}


def device() -> str:
    """The name of the device, such as "NVIDIA H100" or "cpu"."""
    import jax

    return jax.devices()[0].device_kind
