"""Rational: a learned quotient of polynomials without poles (A. Molina et al., 2019)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.gradients import as_parameter
from keras_yat._register import FUNCTIONS, register
from keras_yat._space import Choice, Space
from keras_yat._types import Bounds, Config, LayerOptions, StartingValue, Tensor
from keras_yat.activations import _fit
from keras_yat.activations._base import TrainableActivation
from keras_yat.activations._lookup import get
from keras_yat.activations._rational_fit import fit_rational
from keras_yat.activations._rational_formula import quotient

SCALE = _fit.RANGE[1]
DEGREES = (9, 8)
GELU = (
    [
        *(-4.83057174e-06, 2.99999994, 14.3644806, 26.0813589, 38.4745025),
        *(102.817629, 215.206717, 239.93222, 133.062557, 29.2765265),
    ],
    [2.94852262, 5.85427599, 8.9430084, 3.12391516],
)
"""Numerator and denominator that `fit_rational` finds for GELU with `DEGREES` and `SCALE`."""


@register("rational")
def rational(
    x: Tensor,
    numerator: Sequence[float] | Tensor | None = None,
    denominator: Sequence[float] | Tensor | None = None,
    scale: float = SCALE,
) -> Tensor:
    """Rational: `Σ a_i·t^i / (1 + Σ (b_j·t^j)²)` with t = x / `scale`.

    Args:
        x: A tensor of any shape.
        numerator: The coefficients a_0, a_1 … along the first axis of a tensor or list; further
            axes broadcast with `x`. None, as `denominator`: those that start as GELU.
        denominator: The coefficients b_1, b_2 …, in the same way.
        scale: A number greater than 0, the unit of `x`.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If only one of `numerator` and `denominator` is None, one has no first axis,
            or `scale` is not a number greater than 0.

    Example:

    >>> keras_yat.activations.rational([-1.0, 0.0, 1.0], [0.0, 1.0], [0.5], scale=1.0)

    Reference:
        A. Molina, P. Schramowski, K. Kersting, Padé Activation Units: End-to-end Learning of
        Flexible Activation Functions in Deep Networks, 2019, arXiv:1907.06732.
    """
    if (numerator is None) != (denominator is None):
        _both_or_none(numerator, denominator)
    if numerator is None:
        numerator, denominator = map(np.array, GELU)
    numerator = _checked("numerator", numerator)
    denominator = _checked("denominator", denominator)
    if not ops.is_tensor(scale):
        scale = _validate.number("scale", scale, above=0.0)
    return quotient(x, numerator, denominator, scale)


def _both_or_none(numerator, denominator):
    _validate.invalid_argument(
        "numerator", "be given with `denominator`, or neither", numerator, denominator=denominator
    )


def _checked(name, coefficients):
    coefficients = as_parameter(coefficients)
    if isinstance(coefficients, float) or not coefficients.shape or not coefficients.shape[0]:
        _validate.invalid_argument(name, "have its coefficients along a first axis", coefficients)
    return coefficients


def _checked_degrees(degrees, numerator, denominator):
    """The degrees: those given, else those of lists of coefficients, else the default ones."""
    found = list(DEGREES)
    if _entries(numerator):
        found[0] = _entries(numerator) - 1
    if _entries(denominator):
        found[1] = 2 * _entries(denominator)
    given = found if degrees is None else degrees
    allowed = "be two ints of at least 1 and 2, the second even"
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or len(given) != 2:
        _validate.invalid_argument("degrees", allowed, degrees)
    try:
        chosen = _validate.count("degrees", given[0]), _validate.count("degrees", given[1])
    except ValueError:
        _validate.invalid_argument("degrees", allowed, given)
    if chosen[1] % 2:
        _validate.invalid_argument("degrees", allowed, given)
    return chosen


def _entries(coefficients):
    """The number of coefficients in a list or array, or 0."""
    if isinstance(coefficients, (list, tuple)):
        return len(coefficients)
    return next(iter(getattr(coefficients, "shape", ())), 0)


def _start(like, degrees, scale, limits):
    """Starting values with which the function is like `like`."""
    if like is None:
        _validate.invalid_argument("like", "be given, or else the coefficients", like)
    unbounded = np.all(np.isinf(limits))
    if (like, degrees, scale) == ("gelu", DEGREES, SCALE) and unbounded:
        return GELU
    if isinstance(like, str):
        function = FUNCTIONS[like] if like in FUNCTIONS else get(like, "like")
        return _cached_fit(function, degrees, scale, tuple(map(tuple, limits)))[:2]
    function = get(like, "like")
    if getattr(function, "axis", None) is not None and isinstance(function, TrainableActivation):
        _validate.invalid_argument("like", "have one set of parameters, axis=None", like)
    return fit_rational(function, degrees, scale, limits)[:2]


_cached_fit = functools.lru_cache(maxsize=16)(fit_rational)


@register("rational")
class Rational(TrainableActivation):
    """Rational: `Σ a_i·t^i / (1 + Σ (b_j·t^j)²)` with t = x / `scale`.

    A quotient of polynomials with trained coefficients a, the numerator, and b, the denominator.
    The denominator is at least 1: there are no poles, and all derivatives are continuous. The
    function starts with the least squared difference from `like` on [-scale, scale]. The largest
    differences measured with the default degrees and scale, on [-3, 3], on [-6, 6] and at ±12:

    - gelu: 5e-6, 5e-6, 0.08
    - silu: 1.1e-6, 1.9e-6, 0.01
    - mish: 3.2e-5, 1.1e-4, 0.20
    - elu: 8.8e-4, 8.8e-4, 0.28
    - relu: 9.4e-3, 9.4e-3, 0.48
    - leaky_relu: 7.6e-3, 7.6e-3, 0.39

    Far beyond the range it is linear, if the degree of the numerator is 1 higher, and with the same
    slope on both sides: 0.5 for GELU. Use it behind a normalization, or with a larger `scale`.
    Forward and backward on a CPU take about 10 times as long as SiLU's on JAX, and 60 times on
    torch, which runs each operation by itself.

    Differs from the paper: its denominator is 1 + |Σ b_j·x^j|, with the degrees 5 and 4. There the
    slope jumps where the sum changes its sign, at x = 0 unless b_1 = 0. The best fit of GELU with
    these degrees and a smooth denominator is off by 2.3e-3 on [-3, 3]. The default degrees need as
    many coefficients in the denominator, 4, and 4 more in the numerator. The unit `scale` keeps all
    powers in [-1, 1] where the function is fitted, so that one learning rate suits all
    coefficients: a step of 0.001 in a_9 changes the output there by at most 0.001, and in units
    of x by up to 10 000.

    Args:
        numerator: Starting values of a_0, a_1 …: a list, a number for all, or a Keras initializer
            of the shape (degree + 1,), or (degree + 1, channels) with an `axis`. None, as
            `denominator`: fitted to `like`.
        denominator: Starting values of b_1, b_2 …, half as many as its degree.
        scale: The unit of x, a number greater than 0, not trained; the fit is on [-scale, scale].
        like: What it starts as: a name of Keras or of `keras_yat.activations.names()`, a function
            of one tensor, entry by entry, or a layer, with its present weights. Not used with
            given coefficients. The configuration has the coefficients, and `like` only if it is a
            name: a saved model is not fitted again.
        degrees: Degrees of numerator and denominator; that of the denominator is even. None:
            (9, 8), or those of given lists.
        axis: None for a single set of parameters, or the axis of the channels (int, not 0) for a
            set per channel.
        bounds: Limits of the parameters: a dict from a parameter's name to (low, high), or to None
            for no limits. Either of low and high may be None. Parameters left out keep their
            default bounds.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If `like` is unknown, not finite, or far from every rational function of these
            degrees, only one of `numerator` and `denominator` is None, a starting value is out of
            its bounds, or an argument has another type than described.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Rational(like="silu"))
    >>> per_channel = keras_yat.Rational(like=keras_yat.Mila(beta=0.5), axis=-1)

    Reference:
        A. Molina, P. Schramowski, K. Kersting, Padé Activation Units: End-to-end Learning of
        Flexible Activation Functions in Deep Networks, 2019, arXiv:1907.06732.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(rational)
    search_space: ClassVar[Space] = {
        "like": Choice.of("gelu", "silu", "mish", "relu", "leaky_relu", "tanh")
    }
    numerator: keras.Variable
    denominator: keras.Variable

    def __init__(
        self,
        numerator: StartingValue | None = None,
        denominator: StartingValue | None = None,
        scale: float = SCALE,
        like: str | Callable[..., Any] | None = "gelu",
        degrees: Sequence[int] | None = None,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        scale = _validate.number("scale", scale, above=0.0)
        if (numerator is None) != (denominator is None):
            _both_or_none(numerator, denominator)
        chosen = _checked_degrees(degrees, numerator, denominator)
        if numerator is None or denominator is None:
            limits = _fit.limits(self._all_bounds(("numerator", "denominator"), bounds).values())
            numerator, denominator = _start(like, chosen, scale, limits)
        super().__init__(
            {"numerator": numerator, "denominator": denominator},
            shapes={"numerator": (chosen[0] + 1,), "denominator": (chosen[1] // 2,)},
            axis=axis,
            bounds=bounds,
            **kwargs,
        )
        self.scale: float = scale
        self.degrees: tuple[int, int] = chosen
        self.like: str | None = like if isinstance(like, str) else None

    def _settings(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def starts_like(self, function: Callable[..., Any]) -> tuple[dict[str, Any], float]:
        found = fit_rational(function, self.degrees, self.scale, _fit.limits(self.bounds.values()))
        return {"numerator": found[0], "denominator": found[1], "like": None}, found[2]

    def get_config(self) -> Config:
        return {**super().get_config(), "like": self.like, "degrees": list(self.degrees)}
