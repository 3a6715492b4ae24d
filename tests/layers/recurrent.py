"""Recurrent Yat layers and cells and their loops in NumPy, for several test modules."""

import keras
import numpy as np
import pytest

import keras_yat
from tests import reference_recurrent
from tests.helpers import to_numpy
from tests.reference_recurrent import Loop

KINDS = pytest.mark.parametrize("kind", reference_recurrent.KINDS)
# Without gates errors grow from step to step. With JAX's optimizations they stay in the tolerance.
TO_MANY_DIGITS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.optimized if kind == "SimpleRNN" else ())
        for kind in reference_recurrent.KINDS
    ],
)
MASK = np.array([[True] * 5, [True, True, False, True, False], [False, False, True, True, True]])


def layer_of(kind, units=3, **arguments):
    return getattr(keras_yat, f"Yat{kind}")(units, **arguments)


def cell_of(kind, units=3, **arguments):
    return getattr(keras_yat, f"Yat{kind}Cell")(units, **arguments)


def loop_of(layer, **settings):
    """The loop in NumPy with the functions of a layer or cell."""

    def name(function):
        function = getattr(type(function), "function", function)
        return function.__name__

    kind = type(layer).__name__.removeprefix("Yat").removesuffix("Cell")
    if hasattr(layer, "recurrent_activation"):
        settings["s"] = name(layer.recurrent_activation)
    return Loop(kind, t=name(layer.activation), **settings)


def randomized(cell, seed=0):
    """Sets the weights of a built cell to values for which every term matters."""
    rng = np.random.default_rng(seed)
    scales = {"kernel": cell.multiplier, "recurrent_kernel": cell.recurrent_multiplier, "bias": 1.0}
    for name, scale in scales.items():
        weight = getattr(cell, name)
        if weight is not None:
            weight.assign(rng.normal(size=weight.shape) / scale)
    for name, value in {"alpha": 1.3, "recurrent_alpha": 0.7, "epsilon": 0.4}.items():
        if isinstance(getattr(cell, name), keras.Variable):
            getattr(cell, name).assign(value)
    if isinstance(cell.recurrent_epsilon, keras.Variable):
        cell.recurrent_epsilon.assign(0.2)
    for weight in further_weights(cell).values():
        weight.assign(0.5 * rng.normal(size=weight.shape))


SCALES = ("alpha", "recurrent_alpha", "epsilon", "recurrent_epsilon")


def further_weights(cell):
    """The weights of a cell beyond those of its base, by name."""
    known = ("kernel", "recurrent_kernel", "bias", *SCALES)
    found = {weight.path.rsplit("/", 1)[-1]: weight for weight in cell.weights}
    return {name: weight for name, weight in found.items() if name not in known}


def values(cell):
    """The cell's weights by name, in float64, and the constant alphas, epsilons and bias."""
    names = ("kernel", "recurrent_kernel", "bias")
    found = {n: getattr(cell, n) for n in names if getattr(cell, n) is not None}
    found |= further_weights(cell)
    found |= {n: getattr(cell, n) for n in ("multiplier", "recurrent_multiplier")}
    for name in SCALES:
        scale = getattr(cell, name)
        found[name] = 1.0 if scale is None else scale
    if cell.constant_bias is not None:
        found["bias"] = cell.constant_bias
    return {n: np.asarray(to_numpy(w), "float64") for n, w in found.items()}


def assert_near(found, truth, tolerance=1e-5):
    """Asserts errors within `tolerance` of the largest value, or of 0.1: sums may cancel."""
    scale = max(np.max(np.abs(truth)), 0.1)
    np.testing.assert_allclose(to_numpy(found), truth, rtol=0, atol=tolerance * scale)
