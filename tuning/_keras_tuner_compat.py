"""All private names of Keras Tuner that the studies use.

Tested with Keras Tuner 1.4.8. Keras Tuner writes its files in place and in several steps, and
reads them without checks. If it is killed between two steps, it would lose a trial, repeat a
finished one, or fail to read its state when it resumes. Here files are written atomically, and
`reload` checks them and repairs inconsistent states.
"""

import copy
import functools
import os
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any, Literal

import keras_tuner
from keras_tuner.errors import FatalError
from keras_tuner.src.engine import oracle as locks
from keras_tuner.src.engine.trial import Trial
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from examples import durable

TRIED = ("1.4.8",)
ENDED = ("COMPLETED", "FAILED")
REPEATED = "Trial {} is repeated with the same values; its undamaged seeds are not trained again."


@with_config(ConfigDict(extra="allow"))
class _Oracle(TypedDict):
    """The content of oracle.json that is read."""

    of: str
    values: dict[str, dict[str, Any]]
    hyperparameters: dict[str, Any]
    start_order: list[str]
    end_order: list[str]
    ongoing_trials: dict[str, str]
    retry_queue: list[str]
    run_times: dict[str, int]
    seed: int
    seed_state: int
    tried_so_far: list[str]
    id_to_hash: dict[str, str | None]


class _HyperParameters(TypedDict):
    space: list[dict[str, Any]]
    values: dict[str, Any]


class _Trial(TypedDict):
    """The content of trial.json."""

    of: str
    trial_id: str
    hyperparameters: _HyperParameters
    metrics: dict[str, Any]
    score: float | None
    best_step: int | None
    status: Literal["RUNNING", "INVALID", "COMPLETED", "FAILED"]
    message: str | None


def _releasing(method: Callable) -> Callable:
    """Releases Keras Tuner's lock after an error: other requests would wait for it forever.

    An error of the machine is fatal: of others Keras Tuner may say that the trial has failed.
    """

    @functools.wraps(method)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            self.error = error
            if locks.THREADS[self] == threading.current_thread().name:
                locks.THREADS[self] = None
                locks.LOCKS[self].release()
            if isinstance(error, (OSError, MemoryError)):
                raise FatalError(f"{type(error).__name__}: {error}") from error
            raise

    return request


class Durable:
    """Mixin for oracles: atomic writes, and a `reload` that repairs inconsistent states."""

    of = ""
    """The fingerprint of the study and the arm, which marks their files."""
    listener: Callable[[Any], None] | None = None
    """Called with each trial that ends."""
    error: BaseException | None = None
    """The error of a request, after which the state in memory is not that of the files."""

    def get_state(self: Any) -> dict[str, Any]:
        values = {i: dict(trial.hyperparameters.values) for i, trial in self.trials.items()}
        return {**super().get_state(), "of": self.of, "values": values}  # type: ignore[misc]

    def save(self: Any) -> None:
        durable.write(self._get_oracle_fname(), self.get_state())

    def _save_trial(self: Any, trial: Any) -> None:
        content = {**trial.get_state(), "of": self.of}
        durable.write(Path(self._get_trial_dir(trial.trial_id), "trial.json"), content)

    def reload(self: Any) -> None:
        file = self._get_oracle_fname()
        state = durable.read(file, _Oracle, self.of)
        with durable.reading(file):
            # Reading the configuration changes it.
            space = keras_tuner.HyperParameters.from_config(copy.deepcopy(state["hyperparameters"]))
            # A trial that is not in `start_order` will be suggested again.
            self.trials = {i: Trial(space.copy(), i) for i in state["start_order"]}
            for trial_id, trial in self.trials.items():
                trial.hyperparameters.values = state["values"][trial_id]
            self.set_state(state)
            self._retry_queue += [trial.trial_id for trial in self.ongoing_trials.values()]
            self.ongoing_trials.clear()
            if unknown := {*self.end_order, *self._retry_queue} - set(self.trials):
                raise ValueError(f"it does not have trial {min(unknown)}")
        for trial_id, trial in self.trials.items():
            self._read_trial(trial_id, trial)
        for trial_id in [i for i in self.end_order if self.trials[i].status not in ENDED]:
            self.repeat(trial_id)
        for trial_id in dict.fromkeys(self._retry_queue):
            trial = self.trials[trial_id]
            if trial.status in ENDED:
                self._end_again(trial)
            else:
                # The repeated trial reports its metrics again.
                trial.metrics = type(trial.metrics)()

    def _read_trial(self: Any, trial_id: str, trial: Any) -> None:
        """Reads the state of a trial; if its file is damaged, the trial has its values only."""
        file = Path(self._get_trial_dir(trial_id), "trial.json")
        try:
            state = durable.read(file, _Trial, self.of)
            with durable.reading(file):
                if state["trial_id"] != trial_id:
                    raise ValueError("it belongs to another trial")
                self.trials[trial_id] = Trial.from_state(state)
        except durable.Damaged as damage:
            durable.report(f"{damage.what} {REPEATED.format(trial_id)}")

    def repeat(self: Any, trial_id: str) -> None:
        """Queues an ended trial again, with the same values."""
        trial = self.trials[trial_id]
        trial.status, trial.score, trial.metrics = "RUNNING", None, type(trial.metrics)()
        self.end_order = [i for i in self.end_order if i != trial_id]
        self._retry_queue = [*self._retry_queue, trial_id]

    def _end_again(self: Any, trial: Any) -> None:
        """Repeats `end_trial` for a trial whose end was saved only in part."""
        self.end_order = [i for i in self.end_order if i != trial.trial_id]
        self.end_trial(trial)

    @_releasing
    def create_trial(self: Any, tuner_id: str) -> Any:
        return super().create_trial(tuner_id)  # type: ignore[misc]

    @_releasing
    def update_trial(self: Any, *args: Any, **kwargs: Any) -> Any:
        return super().update_trial(*args, **kwargs)  # type: ignore[misc]

    @_releasing
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

    def waiting(self: Any) -> bool:
        """Whether trials are to be repeated."""
        return bool(self._retry_queue)

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
    """Abstract: Keras Tuner's tuner, without a state besides the oracle's."""

    def is_worker(self) -> bool:
        return self._is_worker()

    def checkpoint(self, trial_id: str) -> Path:
        """The weights of a trial that `get_best_models` loads."""
        return Path(self._get_checkpoint_fname(trial_id))

    def _get_tuner_fname(self) -> str:
        """The file whose existence tells Keras Tuner to resume."""
        file = Path(self.project_dir, "oracle.json")
        if not self._is_worker() and next(file.parent.glob("trial_*/trial.json"), None):
            with durable.reading(file):
                file.stat()
        return str(file)

    def save(self) -> None:
        if not self._is_worker():
            self.oracle.save()

    def reload(self) -> None:
        if not self._is_worker():
            self.oracle.reload()

    def serve(self, on_second: Callable[[], None]) -> None:
        """Answers the workers until the search has ended, or a request has failed."""
        import grpc
        from keras_tuner.src import protos
        from keras_tuner.src.distribute import oracle_chief

        self.save()
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        servicer = oracle_chief.OracleServicer(self.oracle)
        protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
        address = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
        server.add_insecure_port(":".join(address))
        server.start()
        try:
            while not (servicer.stop_triggered and oracle_chief.exit_chief(self.oracle)):
                time.sleep(1.0)
                on_second()
                if self.oracle.error is not None:
                    raise self.oracle.error
        finally:
            server.stop(grace=2.0).wait()


def set_patience(seconds: float) -> None:
    """Sets how long a worker waits for an answer of the chief. Default: one hour."""
    from keras_tuner.src.distribute import oracle_client

    oracle_client.TIMEOUT = seconds
