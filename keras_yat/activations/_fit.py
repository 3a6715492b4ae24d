"""Starting values by least squares: parameters with which a function is like another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

RANGE = (-6.0, 6.0)
"""Where functions are compared: covers normalized inputs."""

POINTS = 1201


def outputs_of(function: Callable[..., Any], x: np.ndarray) -> np.ndarray:
    """`function` at `x`, computed in float32."""
    outputs = function(ops.convert_to_tensor(x, "float32"))
    return ops.convert_to_numpy(ops.cast(outputs, "float32")).astype("float64")


def limits(bounds: Iterable[tuple[float | None, float | None]]) -> tuple[list[float], list[float]]:
    """The lowest and the highest values of parameters with these bounds."""
    pairs = list(bounds)
    lowest = [-np.inf if low is None else low for low, _ in pairs]
    return lowest, [np.inf if high is None else high for _, high in pairs]


def least_squares(
    difference: Callable[[np.ndarray], np.ndarray],
    starts: Sequence[Any],
    limits: tuple[Any, Any],
    step: float | None = None,
) -> tuple[np.ndarray, float]:
    """The values with the least sum of squares of `difference`, and its root mean square.

    Args:
        difference: Maps values to the differences at the points.
        starts: Values from which the search starts, each once.
        limits: The lowest and highest values.
        step: Relative step of the derivatives. None: for a difference in float64.
    """
    from scipy import optimize  # half a second

    found = [
        optimize.least_squares(
            difference, np.clip(start, *limits), bounds=limits, diff_step=step, max_nfev=200
        )
        for start in starts
    ]
    best = min(found, key=lambda result: result.cost)
    return best.x, float(np.sqrt(np.mean(np.square(best.fun))))


def fit_numbers(
    formula: Callable[..., Any],
    function: Callable[..., Any],
    starts: Mapping[str, float],
    limits: tuple[Any, Any],
) -> tuple[dict[str, Any], float]:
    """The parameters with which `formula(x, *parameters)` is nearest to `function` on `RANGE`.

    Returns:
        The parameters, by the names of `starts`, and the root mean square of the difference.
    """
    x = np.linspace(*RANGE, POINTS)
    wanted = outputs_of(function, x)

    def difference(values):
        values = [ops.convert_to_tensor(v, "float32") for v in values]
        return outputs_of(lambda x: formula(x, *values), x) - wanted

    # Float32 values: smaller steps would be rounding.
    values, residual = least_squares(difference, [list(starts.values())], limits, step=1e-3)
    return dict(zip(starts, values.tolist(), strict=True)), residual
