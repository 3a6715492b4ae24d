"""The search spaces under Optuna."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from keras_yat import _validate


class OptunaHyperParameters:
    """The methods of `keras_tuner.HyperParameters` that search spaces call, by an Optuna trial.

    `from_optuna` makes it.
    """

    # The names and arguments are those of Keras Tuner.

    def __init__(self, trial: Any) -> None:
        self._trial = trial
        self._active = True
        self.values: dict[str, Any] = {}
        """The values of active hyperparameters, by name."""

    def Float(  # noqa: N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str = "linear",
        default: float | None = None,
    ) -> Any:
        """A number in [min_value, max_value], or None in an inactive scope."""
        log = _validate.one_of("sampling", sampling, ("linear", "log")) == "log"
        return self._suggested("float", name, min_value, max_value, step=step, log=log)

    def Int(  # noqa: N802
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str = "linear",
        default: int | None = None,
    ) -> Any:
        """An int in [min_value, max_value], or None in an inactive scope."""
        log = _validate.one_of("sampling", sampling, ("linear", "log")) == "log"
        return self._suggested("int", name, min_value, max_value, step=step or 1, log=log)

    def Boolean(self, name: str, default: bool = False) -> Any:  # noqa: N802
        """True or False, or None in an inactive scope."""
        return self._suggested("categorical", name, (False, True))

    def Choice(self, name: str, values: Sequence[Any], default: Any = None) -> Any:  # noqa: N802
        """One of `values`, or None in an inactive scope."""
        return self._suggested("categorical", name, tuple(values))

    def Fixed(self, name: str, value: Any) -> Any:  # noqa: N802
        """The value, or None in an inactive scope."""
        if not self._active:
            return None
        self.values[name] = value
        return value

    @contextlib.contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """A scope that is active where the hyperparameter `parent_name` has one of these values."""
        many = isinstance(parent_values, (list, tuple))
        before = self._active
        self._active = before and self.values.get(parent_name) in (
            parent_values if many else [parent_values]
        )
        try:
            yield
        finally:
            self._active = before

    def get(self, name: str) -> Any:
        """The value of an active hyperparameter."""
        return self.values[name]

    def _suggested(self, kind, name, *bounds, **options):
        if not self._active:
            return None
        value = getattr(self._trial, f"suggest_{kind}")(name, *bounds, **options)
        self.values[name] = value
        return value


def from_optuna(trial: Any) -> OptunaHyperParameters:
    """The `hp` of a model-building function, from an Optuna trial.

    Every search space of `keras_yat.search` then runs under Optuna. Optuna has no defaults: the
    first configuration is a sampled one, unless `study.enqueue_trial` gives another.

    A finished trial, such as `study.best_trial`, builds its model again, and so does
    `optuna.trial.FixedTrial(values)`. That is how Ray Tune uses it: `OptunaSearch(space)` calls
    `space(trial)`, which builds the layers to declare the hyperparameters, and the trainable gets
    their values.

    Args:
        trial: An `optuna.trial.Trial`, `FrozenTrial` or `FixedTrial`.

    Returns:
        An object with the methods `Float`, `Int`, `Boolean`, `Choice`, `Fixed`, `conditional_scope`
        and `get` of `keras_tuner.HyperParameters`. Hyperparameters of an option that is not chosen
        are None, and not part of the trial.

    Raises:
        ValueError: If `trial` has no methods `suggest_float`, `suggest_int` and
            `suggest_categorical`.

    Example:

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> def objective(trial):
    ...     hp = keras_yat.search.from_optuna(trial)
    ...     layer = keras_yat.search.yat_dense(hp, 4)
    ...     return layer.epsilon
    >>> study = optuna.create_study()
    >>> study.optimize(objective, n_trials=3)
    >>> best = keras_yat.search.yat_dense(keras_yat.search.from_optuna(study.best_trial), 4)
    >>> best.epsilon == study.best_value
    True

    Reference:
        T. Akiba et al., Optuna: A Next-generation Hyperparameter Optimization Framework, 2019,
        arXiv:1907.10902.
    """
    kinds = ("float", "int", "categorical")
    if not all(callable(getattr(trial, f"suggest_{kind}", None)) for kind in kinds):
        _validate.invalid_argument("trial", "be an Optuna trial", trial)
    return OptunaHyperParameters(trial)
