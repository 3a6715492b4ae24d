"""Starting values with which an activation is like another function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_yat.activations._base import TrainableActivation
from keras_yat.activations._combination import Combination
from keras_yat.convert._freeze import frozen
from keras_yat.convert._rewrite.activations import Found

RANGE = (-6.0, 6.0)
"""Where functions are compared: covers normalized inputs."""

_POINTS = 1201


class Start(NamedTuple):
    """How an activation starts.

    Attributes:
        kind: `"exact"`, `"least squares"` or `"default"`.
        arguments: Those of the layer that differ from the template's.
        residual: The root mean square of the difference over `RANGE`, or None.
    """

    kind: str
    arguments: dict[str, Any]
    residual: float | None = None


DEFAULT = Start("default", {})


def start_like(template: keras.layers.Layer, old: Found) -> Start:
    """The starting values of a layer like `template` with which it is nearest to `old`."""
    if not isinstance(template, TrainableActivation) or old.function is None:
        return DEFAULT
    if isinstance(template, Combination):
        if isinstance(old.function, keras.Operation) and old.layer is None:
            return DEFAULT  # no file can name it
        learned = old.layer if isinstance(old.layer, TrainableActivation) else None
        return _selecting(template, frozen(learned) if learned else old.function)
    for name in old.names:
        values = template.special_cases.get(name)
        if values is not None and _allowed(template, values):
            return Start("exact", dict(values), 0.0)
    return _fitted(template, old.function)


def _selecting(template, function):
    """The function itself is among those that are combined, and the only one with a weight."""
    functions = list(template.functions)
    if function not in functions:
        functions.insert(0, function)
    coefficients = [float(f == function) for f in functions]
    if not _allowed(template, {"coefficients": coefficients}):
        return DEFAULT
    serialized = [keras.activations.serialize(f) for f in functions]
    return Start("exact", {"functions": serialized, "coefficients": coefficients}, 0.0)


def _allowed(template, values):
    for name, value in values.items():
        low, high = _limits(template, name)
        if np.min(value) < low or np.max(value) > high:
            return False
    return True


def _limits(template, name):
    low, high = template.bounds[name]
    return (-np.inf if low is None else low), (np.inf if high is None else high)


def _fitted(template, function: Callable[..., Any]) -> Start:
    from scipy import optimize  # half a second

    names = list(template.bounds)
    defaults = type(template)(bounds=template.bounds).get_config()
    limits = np.transpose([_limits(template, name) for name in names])
    first = np.clip([defaults[name] for name in names], *limits)
    x = ops.convert_to_tensor(np.linspace(*RANGE, _POINTS), "float32")
    wanted = _numbers(function(x))

    def difference(values):
        values = [ops.convert_to_tensor(v, "float32") for v in values]
        return _numbers(type(template).function(x, *values)) - wanted

    # Float32 values: smaller steps would be rounding.
    best = optimize.least_squares(difference, first, bounds=limits, diff_step=1e-3)
    residual = float(np.sqrt(np.mean(np.square(best.fun))))
    return Start("least squares", dict(zip(names, best.x.tolist(), strict=True)), residual)


def _numbers(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32")).astype("float64")
