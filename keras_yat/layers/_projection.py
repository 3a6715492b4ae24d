"""Keeps a parameter within its bounds."""

import keras
from keras import ops


class Projection(keras.constraints.Constraint):
    """Puts a parameter back between its bounds after each update.

    Unlike clipping in the forward pass this never cuts off the gradient.
    """

    def __init__(self, low: float | None, high: float | None):
        self.low = -float("inf") if low is None else low
        self.high = float("inf") if high is None else high

    def __call__(self, w):
        return ops.clip(w, self.low, self.high)
