"""Bounds of parameters."""

from keras import ops

from keras_yat._keras_compat import Constraint
from keras_yat._types import Tensor


class Projection(Constraint):
    """Clips a parameter to its bounds after each update."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low = -float("inf") if low is None else low
        self.high = float("inf") if high is None else high

    def __call__(self, w: Tensor) -> Tensor:
        low, high = (ops.convert_to_tensor(limit, dtype=w.dtype) for limit in (self.low, self.high))
        return ops.clip(w, low, high)

    def in_bounds(self, w: Tensor) -> Tensor:
        """`w` clipped to its bounds; the gradient is passed on as if it were not.

        An optimizer that averages weights does so before constraints, and weights can be assigned.
        """
        return ops.stop_gradient(self(w)) + (w - ops.stop_gradient(w))
