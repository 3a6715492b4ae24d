"""The layers of the activations, and arguments for their tests."""

import inspect
import math

import pytest

from keras_yat import activations
from keras_yat._space import Float
from keras_yat.activations._base import TrainableActivation

ALL = {name: type(activations.get(name)) for name in activations.names()}
TRAINABLE = {n: c for n, c in ALL.items() if issubclass(c, TrainableActivation)}
EVERY = pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
EVERY_TRAINABLE = pytest.mark.parametrize("cls", TRAINABLE.values(), ids=TRAINABLE)

# Arguments that the search spaces do not have as numbers.
FURTHER = {
    "lincomb": {"coefficients": [0.5, -0.5], "functions": ["gelu", "nami"]},
    "norm_lincomb": {"coefficients": 0.3, "functions": ["tanh", "relu", "elu"], "norm": "l1"},
    "rational": {
        "numerator": [0.2, 3.0, 5.0, 4.0],
        "denominator": [2.0],
        "scale": 4.0,
        "like": "silu",
        "degrees": [3, 2],
        "bounds": {"denominator": (0.1, None)},
    },
    "softermax": {"axis": 1, "epsilon": 1e-3},
    "xielu": {"beta": 0.3},
}


def arguments_of(name):
    """Arguments of an activation's layer, each other than its default."""
    cls, found = ALL[name], {}
    for parameter, dimension in cls.search_space.items():
        if isinstance(dimension, Float):
            found[parameter] = _inside(dimension, inspect.signature(cls).parameters[parameter])
    if found and name in TRAINABLE:
        first = next(iter(found))
        found["bounds"] = {first: (found[first] - 1e-3, None)}
    return {**found, **FURTHER.get(name, {})}


def _inside(dimension, parameter):
    """A number in the search range, other than the default."""
    low, high = dimension.low, dimension.high
    for part in (0.25, 0.5):
        value = low * (high / low) ** part if dimension.log else low + (high - low) * part
        if not math.isclose(value, parameter.default, abs_tol=1e-3):
            return round(value, 3)
    raise AssertionError(f"{dimension} has its first quarter and its middle at the default")


ARGUMENTS = {name: arguments_of(name) for name in ALL}
