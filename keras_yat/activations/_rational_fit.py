"""The coefficients of a rational function that is like another function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_yat import _validate
from keras_yat.activations._fit import POINTS, least_squares, outputs_of

Limits = tuple[list[float], list[float]]

_STARTS = (1.0, 2.0)
"""Denominators from which the search starts, as the base of their powers."""


def fit_rational(
    function: Callable[..., Any], degrees: tuple[int, int], scale: float, bounds: Limits
) -> tuple[list[float], list[float], float]:
    """Numerator, denominator, and the root mean square of the difference on [-scale, scale].

    For each denominator the best numerator solves a linear problem: only the denominator is
    searched.
    """
    t = np.linspace(-1.0, 1.0, POINTS)
    wanted = _checked_outputs(function, scale * t)
    powers = t[:, None] ** np.arange(degrees[0] + 1)
    squares = t[:, None] ** np.arange(2, degrees[1] + 1, 2)
    (low, low_below), (high, high_below) = bounds

    def solved(denominator):
        terms = powers / (1.0 + squares @ np.square(denominator))[:, None]
        return terms, _solution(terms, wanted, low, high)

    def difference(denominator):
        terms, numerator = solved(denominator)
        return terms @ numerator - wanted

    starts = [base ** np.arange(1.0, 1.0 + squares.shape[1]) for base in _STARTS]
    denominator, residual = least_squares(difference, starts, (low_below, high_below))
    if residual > max(0.5 * np.std(wanted), 1e-6):
        _validate.invalid_argument(
            "like",
            f"be close to a rational function of the degrees {degrees} on "
            f"[{-scale:g}, {scale:g}]; the least root mean square of the difference is "
            f"{residual:.2g}",
            function,
        )
    return solved(denominator)[1].tolist(), denominator.tolist(), residual


def _solution(terms, wanted, low, high):
    if np.isinf(low) and np.isinf(high):
        return np.linalg.lstsq(terms, wanted, rcond=None)[0]
    from scipy import optimize

    return optimize.lsq_linear(terms, wanted, (low, high)).x


def _checked_outputs(function, x):
    allowed = f"be a function of a tensor, entry by entry, finite on [{x[0]:g}, {x[-1]:g}]"
    try:
        outputs, half = outputs_of(function, x), outputs_of(function, x[::2])
    except Exception as error:
        _validate.invalid_argument("like", f"{allowed}; it raised {error!r}", function)
    if outputs.shape != x.shape or not np.all(np.isfinite(outputs)):
        _validate.invalid_argument("like", allowed, function)
    if not np.allclose(outputs[::2], half, rtol=1e-3, atol=1e-5):
        _validate.invalid_argument("like", allowed, function)
    return outputs
