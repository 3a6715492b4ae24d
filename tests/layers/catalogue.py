"""The layers of the activations, for the tests to go through."""

import pytest

from keras_yat import activations
from keras_yat.layers.activation._base import TrainableActivation

ALL = {name: type(activations.get(name)) for name in activations.names()}
TRAINABLE = {n: c for n, c in ALL.items() if issubclass(c, TrainableActivation)}
EVERY = pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
EVERY_TRAINABLE = pytest.mark.parametrize("cls", TRAINABLE.values(), ids=TRAINABLE)

# For each layer, arguments that are all other than the defaults.
ARGUMENTS = {
    "nami": {"w": 0.2, "a": 1.5, "b": 2.0, "bounds": {"w": (0.05, 0.9)}},
    "mila": {"beta": -0.5, "bounds": {"beta": (-2.0, None)}},
    "coslu": {"alpha": 0.5, "beta": 2.0},
    "sinlu": {"alpha": 0.5, "beta": 2.0, "bounds": {"alpha": [None, 3.0]}},
    "delu": {"n": 0.5},
    "helu": {},
    "lincomb": {"coefficients": [0.5, -0.5], "functions": ["gelu", "nami"]},
    "norm_lincomb": {"coefficients": 0.3, "functions": ["tanh", "relu", "elu"], "norm": "l1"},
    "relun": {"n": 0.5, "bounds": {"n": (0.1, 8.0)}},
    "scaled_softsign": {"alpha": 2.0, "beta": 0.5},
    "shilu": {"alpha": 0.5, "beta": -1.0},
    "softermax": {"power": 2.0, "axis": 1, "epsilon": 1e-3},
    "softer_sigmoid": {"power": 2.5},
    "soft_tanh": {"power": 3.0},
    "score_tanh": {"power": 0.5},
}
