"""Definitions of the activations in float64 NumPy, and their slopes by differences.

No code is shared with `keras_yat`: each function is written as its source defines it. Slopes are
fourth-order central differences, accurate to about 1e-10 away from kinks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


def _sigmoid(x):
    return np.where(
        x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    )


def nami(x, w, a, b):
    return np.where(x > 0, np.tanh(a * x), (a / b) * np.sin(w * x))


def mila(x, beta):
    return x * np.tanh(np.logaddexp(0, x + beta))


def coslu(x, alpha, beta):
    return (x + alpha * np.cos(beta * x)) * _sigmoid(x)


def sinlu(x, alpha, beta):
    return (x + alpha * np.sin(beta * x)) * _sigmoid(x)


def snake(x, a):
    return x + np.sin(a * x) ** 2 / a


def rational(x, numerator, denominator, scale=6.0):
    t = x / scale
    # Above and below are divided by size^degree: x^9 would overflow float64.
    size, degree = np.maximum(np.abs(t), 1), 2 * len(denominator)
    unit = t / size
    squares = (
        b**2 * unit ** (2 * j) * size ** (2.0 * j - degree)
        for j, b in enumerate(denominator, start=1)
    )
    above = sum(a * unit**i * size ** (float(i) - degree) for i, a in enumerate(numerator))
    return above / (size ** -float(degree) + sum(squares))


def xielu(x, alpha_p, alpha_n, beta=0.5):
    with np.errstate(over="ignore", invalid="ignore"):
        below = alpha_n * np.expm1(x) - alpha_n * x + beta * x
        return np.where(x > 0, alpha_p * x**2 + beta * x, below)


def delu(x, n):
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(x > 0, (n + 0.5) * x + np.abs(np.exp(-x) - 1), x * _sigmoid(x))


def helu(x):
    return delu(x, 0.0)


def lincomb(x, coefficients):
    relu, softsign = np.maximum(x, 0), x / (1 + np.abs(x))
    functions = (relu, _sigmoid(x), np.tanh(x), softsign)
    return sum(c * f for c, f in zip(coefficients, functions, strict=True))


def norm_lincomb(x, coefficients):
    return lincomb(x, coefficients) / np.sqrt(np.sum(np.square(coefficients), axis=0))


def norm_lincomb_l1(x, coefficients):
    return lincomb(x, coefficients) / np.sum(np.abs(coefficients), axis=0)


def norm_lincomb_sum(x, coefficients):
    return lincomb(x, coefficients) / np.sum(coefficients, axis=0)


def relun(x, n):
    return np.minimum(np.maximum(0, x), n)


def scaled_softsign(x, alpha, beta):
    return alpha * x / (beta + np.abs(x))


def shilu(x, alpha, beta):
    return alpha * np.maximum(x, 0) + beta


def softer_sigmoid(x, power=1):
    z = np.maximum(x, 0) ** power
    return z / (1 + z)


def soft_tanh(x, power=1):
    return softer_sigmoid(x, power) - softer_sigmoid(-x, power)


def score_tanh(x, power=1):
    z = np.maximum(x, 0) ** power
    return (z - 1) / (z + 1)


def softermax(x, power=1, axis=-1, epsilon=1e-12):
    z = np.maximum(x, 0) ** power
    return z / (epsilon + np.sum(z, axis=axis, keepdims=True))


@dataclass(frozen=True)
class Case:
    """A function of `keras_yat.activations` and its definition."""

    name: str
    definition: Callable
    parameters: dict = field(default_factory=dict)
    """Parameters of the tests, other than the starting values."""
    settings: dict = field(default_factory=dict)
    kinks: tuple[float, ...] = ()
    """The x at which the slope jumps."""
    frequency: str | None = None
    """The parameter that is the frequency of a wave, or None."""
    grows: bool = False
    """Whether the slope grows without limit."""

    @property
    def id(self) -> str:
        return "-".join([self.name, *map(str, self.settings.values())])


_MIX = np.array([0.4, -0.3, 0.8, 0.2])

# No function in particular.
_NUMERATOR = np.array([0.2, 3.1, 8.0, -4.0, 20.0, 9.0, -7.0, 2.0, 11.0, 6.0])
_DENOMINATOR = np.array([1.7, -2.6, 0.8, 1.9])

CASES = [
    Case("nami", nami, {"w": 0.4, "a": 0.9, "b": 1.3}, kinks=(0.0,), frequency="w"),
    Case("mila", mila, {"beta": -0.6}),
    Case("coslu", coslu, {"alpha": 0.8, "beta": 1.3}, frequency="beta"),
    Case("sinlu", sinlu, {"alpha": 0.8, "beta": 1.3}, frequency="beta"),
    Case("snake", snake, {"a": 0.7}, frequency="a"),
    Case("rational", rational, {"numerator": _NUMERATOR, "denominator": _DENOMINATOR}),
    Case("xielu", xielu, {"alpha_p": 0.7, "alpha_n": 0.9}, kinks=(0.0,), grows=True),
    Case("delu", delu, {"n": 0.7}, kinks=(0.0,)),
    Case("helu", helu, kinks=(0.0,)),
    Case("lincomb", lincomb, {"coefficients": _MIX}, kinks=(0.0,)),
    Case("norm_lincomb", norm_lincomb, {"coefficients": _MIX}, kinks=(0.0,)),
    Case("norm_lincomb", norm_lincomb_l1, {"coefficients": _MIX}, {"norm": "l1"}, kinks=(0.0,)),
    Case("norm_lincomb", norm_lincomb_sum, {"coefficients": _MIX}, {"norm": "sum"}, kinks=(0.0,)),
    Case("relun", relun, {"n": 2.5}, kinks=(0.0, 2.5)),
    Case("scaled_softsign", scaled_softsign, {"alpha": 1.7, "beta": 0.6}, kinks=(0.0,)),
    Case("shilu", shilu, {"alpha": 0.8, "beta": -0.4}, kinks=(0.0,)),
    *(
        Case(definition.__name__, definition, settings={"power": power}, kinks=(0.0,))
        for definition in (softer_sigmoid, soft_tanh, score_tanh, softermax)
        for power in (1, 2.5, 0.5)
    ),
]


def points(case: Case, low: float = -50.0, high: float = 50.0, count: int = 801) -> np.ndarray:
    """A grid whose differences do not cross a kink."""
    x = np.linspace(low, high, count)
    # float32 numbers: the definition gets the same inputs as the function.
    x = x.astype("float32").astype("float64")
    return x[np.all([np.abs(x - kink) > 4 * STEP for kink in (*case.kinks, np.inf)], axis=0)]


STEP = 1e-3


def slope(function: Callable, at: np.ndarray, step: float = STEP) -> np.ndarray:
    """The derivative of an entrywise `function` at `at`."""
    near = function(at + step) - function(at - step)
    far = function(at + 2 * step) - function(at - 2 * step)
    return (8 * near - far) / (12 * step)
