"""The recurrent Yat layers as loops in float64 NumPy.

Gradients are central differences of the loop.
"""

from dataclasses import dataclass, field

import numpy as np

from tests import reference, reference_yat


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0.0),
    "linear": lambda x: x,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "soft_tanh": reference.soft_tanh,
    "score_tanh": reference.score_tanh,
    "softer_sigmoid": reference.softer_sigmoid,
}

KINDS = ("SimpleRNN", "LSTM", "GRU")

# The number of states, if it is not 1.
STATES = {"LSTM": 2}


@dataclass
class Loop:
    """A recurrent layer without its weights.

    Attributes:
        kind: One of `KINDS`.
        t: Name of the activation.
        s: Name of the recurrent activation.
        reset_after: Argument of the GRU.
        backwards: Whether the sequence is processed from its end.
        zero_output: Whether masked steps return 0.
        settings: Further arguments of `reference_yat.yat`, for both products.
    """

    kind: str
    t: str = "tanh"
    s: str = "softer_sigmoid"
    reset_after: bool = True
    backwards: bool = False
    zero_output: bool = False
    settings: dict = field(default_factory=dict)

    def states(self, weights, x, mask=None, initial=None):
        """Outputs `(batch, time, units)` in the order of processing, and the last states."""
        x = np.asarray(x, "float64")
        units = weights["recurrent_kernel"].shape[0]
        if initial is None:
            initial = [np.zeros((len(x), units))] * STATES.get(self.kind, 1)
        states = list(initial)
        order = range(x.shape[1])
        outputs = []
        for time in reversed(order) if self.backwards else order:
            after = self._step(weights, x[:, time], states)
            output = after[0]
            if mask is not None:
                present = mask[:, time, None]
                after = [np.where(present, a, b) for a, b in zip(after, states, strict=True)]
                output = after[0] * (present if self.zero_output else 1.0)
            states = after
            outputs.append(output)
        return np.stack(outputs, axis=1), states

    def _step(self, weights, x, states):
        t, s = FUNCTIONS[self.t], FUNCTIONS[self.s]
        of_input = self._yat(weights, "", x)
        h = states[0]
        if self.kind == "SimpleRNN":
            return [t(of_input + self._yat(weights, "recurrent_", h))]
        if self.kind == "LSTM":
            total = of_input + self._yat(weights, "recurrent_", h)
            i, f, g, o = np.split(total, 4, axis=-1)
            c = s(f) * states[1] + s(i) * t(g)
            return [s(o) * t(c), c]
        x_z, x_r, x_n = np.split(of_input, 3, axis=-1)
        h_z, h_r, h_n = np.split(self._yat(weights, "recurrent_", h), 3, axis=-1)
        z, r = s(x_z + h_z), s(x_r + h_r)
        if not self.reset_after:
            h_n = np.split(self._yat(weights, "recurrent_", r * h), 3, axis=-1)[2]
            return [(1.0 - z) * t(x_n + h_n) + z * h]
        return [(1.0 - z) * t(x_n + r * h_n) + z * h]

    def _yat(self, weights, prefix, x):
        kernel = weights[f"{prefix}multiplier"] * weights[f"{prefix}kernel"]
        if np.all(x == 0.0) and self.settings.get("normalize") == "sphere":
            return np.zeros((len(x), kernel.shape[1]))
        return reference_yat.yat(
            x,
            kernel,
            weights.get("bias", 0.0) if not prefix else 0.0,
            weights[f"{prefix}epsilon"],
            weights[f"{prefix}alpha"],
            **self.settings,
        )


def gradients(function, arrays, step=1e-6):
    """The gradients of the number `function(arrays)` in each entry of each of the arrays."""
    found = {}
    for name, array in arrays.items():
        slope = np.zeros(np.shape(array))
        for index in np.ndindex(*slope.shape):
            values = []
            for sign in (1.0, -1.0):
                moved = np.array(array, "float64")
                moved[index] += sign * step
                values.append(function({**arrays, name: moved}))
            slope[index] = (values[0] - values[1]) / (2.0 * step)
        found[name] = slope
    return found
