"""A constraint that keeps a parameter within its bounds."""

from keras import ops

from keras_yat._keras_compat import Constraint
from keras_yat._types import Tensor


class Projection(Constraint):
    """Clips a parameter to its bounds after each update.

    Unlike clipping in the forward pass, this never sets the gradient to 0.
    """

    def __init__(self, low: float | None, high: float | None) -> None:
        self.low = -float("inf") if low is None else low
        self.high = float("inf") if high is None else high

    def __call__(self, w: Tensor) -> Tensor:
        return ops.clip(w, self.low, self.high)
