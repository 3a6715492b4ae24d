"""Starting values with which an activation is like another function."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_yat.activations._base import TrainableActivation
from keras_yat.activations._combination import Combination
from keras_yat.activations._fit import limits
from keras_yat.convert._freeze import frozen
from keras_yat.convert._rewrite.activations import Found


class Start(NamedTuple):
    """How an activation starts.

    Attributes:
        kind: `"exact"`, `"least squares"` or `"default"`.
        arguments: Those of the layer that differ from the template's.
        residual: The root mean square of the difference where they are
            compared, [-6, 6] but for `Rational` with another scale, or None.
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
    return Start("least squares", *template.starts_like(old.function))


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
    lowest, highest = limits(template.bounds[name] for name in values)
    return all(
        low <= np.min(value) and np.max(value) <= high
        for low, high, value in zip(lowest, highest, values.values(), strict=True)
    )
