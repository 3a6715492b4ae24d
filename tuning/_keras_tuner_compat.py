"""All private names of Keras Tuner that the studies use.

Tested with Keras Tuner 1.4.8. Keras Tuner writes its files in place and in several steps. If it
is killed between two steps, it would lose a trial, repeat a finished one, or fail to read its
state when it resumes. Here files are written atomically, and `reload` repairs inconsistent
states.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner

from examples import durable

TRIED = ("1.4.8",)
ENDED = ("COMPLETED", "FAILED")


class Durable:
    """Mixin for oracles: atomic writes, and a `reload` that repairs inconsistent states."""

    listener: Callable[[Any], None] | None = None
    """Called with each trial that ends."""

    def save(self: Any) -> None:
        durable.write(self._get_oracle_fname(), self.get_state())

    def _save_trial(self: Any, trial: Any) -> None:
        durable.write(Path(self._get_trial_dir(trial.trial_id), "trial.json"), trial.get_state())

    def reload(self: Any) -> None:
        for folder in Path(self._project_dir).glob("trial_*"):
            if not (folder / "trial.json").exists():
                shutil.rmtree(folder)
        with durable.reading(self._project_dir):
            super().reload()  # type: ignore[misc]
        for trial_id in set(self.trials) - set(self.start_order):
            # Unknown to the oracle, which will suggest the same values again.
            del self.trials[trial_id]
            shutil.rmtree(self._get_trial_dir(trial_id))
        for trial_id in dict.fromkeys(self._retry_queue):
            trial = self.trials[trial_id]
            if trial.status in ENDED:
                self._end_again(trial)
            else:
                # The repeated trial reports its metrics again.
                trial.metrics = type(trial.metrics)()

    def _end_again(self: Any, trial: Any) -> None:
        """Repeats `end_trial` for a trial whose end was saved only in part."""
        self.end_order = [i for i in self.end_order if i != trial.trial_id]
        self.end_trial(trial)

    @keras_tuner.synchronized
    def end_trial(self: Any, trial: Any) -> None:
        if trial.trial_id in self.end_order:
            return  # reported by a worker that had been considered lost
        self._retry_queue = [i for i in self._retry_queue if i != trial.trial_id]
        super().end_trial(trial)  # type: ignore[misc]
        # Otherwise the file would list the trial as running until the next one starts.
        self.save()
        if self.listener is not None:
            self.listener(self.trials[trial.trial_id])

    def finished(self: Any) -> bool:
        """Whether `max_trials` trials have ended."""
        return self.max_trials is not None and len(self.end_order) >= self.max_trials

    def ended(self: Any) -> list[Any]:
        """The ended trials, in the order of their ends."""
        return [self.trials[trial_id] for trial_id in self.end_order]


class Random(Durable, keras_tuner.oracles.RandomSearchOracle):
    """Random search."""


class Bayesian(Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Bayesian optimization with a Gaussian process."""


class Grid(Durable, keras_tuner.oracles.GridSearchOracle):
    """Grid search, from the defaults, varying the last hyperparameter first.

    Saves its position on the grid, which Keras Tuner's oracle loses when it resumes.
    """

    def get_state(self) -> dict[str, Any]:
        order, place = [], self._ordered_ids._next_index[None]
        while place is not None:
            order.append(self._ordered_ids._memory[place])
            place = self._ordered_ids._next_index[place]
        return {**super().get_state(), "order": order, "populate_next": self._populate_next}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        for trial_id in state["order"]:
            self._ordered_ids.insert(trial_id)
        self._populate_next = state["populate_next"]


class Hyperband(Durable, keras_tuner.oracles.HyperbandOracle):
    """Hyperband: many short trials, the best of which are trained further."""

    def count(self) -> int:
        """The number of trials."""
        brackets = range(self._get_num_brackets())
        rounds = sum(self._get_size(b, r) for b in brackets for r in range(b + 1))
        return self.hyperband_iterations * rounds


class BaseTuner(keras_tuner.Tuner):
    """Abstract: Keras Tuner's tuner with atomic writes, and one file for each process."""

    def is_worker(self) -> bool:
        return self._is_worker()

    def checkpoint(self, trial_id: str) -> str:
        """The weights of a trial that `get_best_models` loads."""
        return self._get_checkpoint_fname(trial_id)

    def _get_tuner_fname(self) -> str:
        # The same name with and without workers, so that a study can change between them.
        name = f"worker_{self.tuner_id}" if self._is_worker() else "tuner"
        return os.path.join(self.project_dir, f"{name}.json")

    def save(self) -> None:
        if not self._is_worker():
            self.oracle.save()
        durable.write(self._get_tuner_fname(), self.get_state())


def set_patience(seconds: float) -> None:
    """Sets how long a worker waits for an answer of the chief. Default: one hour."""
    from keras_tuner.src.distribute import oracle_client

    oracle_client.TIMEOUT = seconds
