"""Lipschitz bounds of Yat layers."""

import math
from typing import Any, Literal, overload

import keras
import numpy as np
import numpy.typing as npt

from keras_yat import _validate
from keras_yat.layers._epsilon_alpha import LEAST_EPSILON
from keras_yat.layers._neurons import NeuronLayer, Neurons

R_STEP, T_CELLS = 0.01, 12
"""The grid of `_Slopes._by_distance`: relative steps of r, cells of t from 0 to r·‖w‖."""

Array = npt.NDArray[np.float64]


@overload
def lipschitz(layer: Any, radius: float, *, per_neuron: Literal[False] = False) -> float: ...


@overload
def lipschitz(layer: Any, radius: float, *, per_neuron: Literal[True]) -> Array: ...


def lipschitz(layer: Any, radius: float, *, per_neuron: bool = False) -> float | Array:
    """An upper bound of the Lipschitz constant of a Yat layer, on inputs of norm up to `radius`.

    For any two such inputs, `‖layer(x) - layer(x')‖ ≤ lipschitz(layer, radius)·‖x - x'‖` in exact
    arithmetic, with the weights of now, outside of training. A neuron is steepest near its
    prototype w, at a distance of about `√(epsilon/3)`, where its slope is below

        |alpha|·(2·B·‖w‖/epsilon + (3√3/8)·B²/epsilon^1.5),   B = radius·‖w‖ + |b|

    The bound of a neuron here is its Lipschitz constant on the ball to a few percent (to a half, if
    w is outside of the ball), from a grid over the distance from w and the inner product with w;
    it is at most the formula. That of the
    layer uses that an input is near to one prototype at most: of the other neurons only the slopes
    beyond half the distance between the prototypes are added. In a convolution it is multiplied by
    the square root of the number of windows that an entry is in.

    Bounding the spectral norm of the kernel alone, as `keras.layers.SpectralNormalization` does,
    bounds nothing here: `1/epsilon` remains. `lipschitz_epsilon` returns the epsilon of a bound.

    Args:
        layer: A built Yat layer with prototypes: dense or convolutional, without an activation, and
            without `normalize="sphere"`, whose output jumps at 0.
        radius: Upper bound of the norms of inputs, a number above 0. In a dense layer that of the
            last axis, in a convolution that of all entries together, or of those of each window.
        per_neuron: Whether to return the bound of each neuron: of a convolution with respect to
            the entries of its window.

    Returns:
        The bound as a float, or of each neuron as an array `(neurons,)`.

    Raises:
        ValueError: If the layer is of another kind or not built, or an argument is out of range.

    Example:

    >>> layer = keras_yat.YatDense(8, epsilon=1.0)
    >>> layer.build((None, 16))
    >>> bound = keras_yat.lipschitz(layer, radius=4.0)
    >>> max(keras_yat.lipschitz(layer, radius=4.0, per_neuron=True).tolist()) <= bound
    True

    Reference:
        This package.
    """
    layer = _checked_layer(layer)
    radius = _validate.number("radius", radius, above=0.0)
    slopes = _Slopes(layer.neurons, radius)
    epsilon = layer.neurons.epsilon
    if _validate.flag("per_neuron", per_neuron):
        return slopes.of_neurons(epsilon)
    return slopes.of_layer(epsilon)


def lipschitz_epsilon(layer: Any, radius: float, bound: float) -> float:
    """The epsilon with which `lipschitz(layer, radius)` is at most `bound`.

    It is the smallest one, to 0.1 %, and at least 1e-7. All other weights are as they are; of
    these alpha scales the bound.

    Args:
        layer: As for `lipschitz`. Its own epsilon has no influence.
        radius: Upper bound of the norms of inputs, a number above 0.
        bound: The wanted bound, a number above 0.

    Returns:
        The epsilon, as a float.

    Raises:
        ValueError: If the layer is of another kind or not built, or an argument is out of range.

    Example:

    >>> layer = keras_yat.YatDense(8)
    >>> layer.build((None, 16))
    >>> epsilon = keras_yat.lipschitz_epsilon(layer, radius=4.0, bound=10.0)
    >>> smooth = keras_yat.YatDense(8, epsilon=epsilon)
    >>> smooth.build((None, 16))
    >>> smooth.set_weights(layer.get_weights())
    >>> keras_yat.lipschitz(smooth, radius=4.0) <= 10.0
    True

    Reference:
        This package.
    """
    radius = _validate.number("radius", radius, above=0.0)
    slopes = _Slopes(_checked_layer(layer).neurons, radius)
    bound = _validate.number("bound", bound, above=0.0)
    low = high = LEAST_EPSILON
    while slopes.of_layer(high) > bound:
        low, high = high, 10.0 * high
    while high > 1.001 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slopes.of_layer(middle) > bound else (low, middle)
    return high


def _checked_layer(layer):
    if not isinstance(layer, NeuronLayer):
        _validate.invalid_argument("layer", "be a dense or convolutional Yat layer", layer)
    if layer.normalize == "sphere":
        _validate.invalid_argument(
            "layer",
            "have `normalize` None or 'kernel': with 'sphere' the output jumps at the input 0",
            layer.name,
        )
    if layer.activation not in (None, keras.activations.linear):
        _validate.invalid_argument(
            "layer",
            "have no activation: use a layer without one, and multiply by its largest slope",
            layer.name,
            activation=layer.activation,
        )
    return layer


class _Slopes:
    """Bounds of the slopes of neurons, in float64, on inputs of norm up to `radius`."""

    def __init__(self, neurons: Neurons, radius: float):
        self.neurons = neurons
        self.radius = radius

    def of_neurons(self, epsilon: float) -> Array:
        every = [self._by_distance(*group, epsilon)[1][0] for group in self.neurons.groups()]
        return abs(self.neurons.alpha) * np.concatenate(every)

    def of_layer(self, epsilon: float) -> float:
        every = [self._of_group(*group, epsilon) for group in self.neurons.groups()]
        # ‖f(x) - f(x')‖² is a sum over windows; `windows` of them contain the same entry of x - x'.
        return abs(self.neurons.alpha) * math.sqrt(self.neurons.windows) * max(every)

    def _of_group(self, w, bias, epsilon):
        """A bound of the norm of the Jacobian matrix, that is of its rows together.

        Let i be the neuron whose prototype is nearest to x. The others are at a distance of at
        least ‖w_i - w_j‖/2 from it: ‖w_i - w_j‖ ≤ ‖x - w_i‖ + ‖x - w_j‖ ≤ 2·‖x - w_j‖.
        """
        edges, slopes = self._by_distance(w, bias, epsilon)
        squares = np.sum(w**2, axis=0)
        both = squares[:, None] + squares
        # Less than the distance by more than the rounding of this difference.
        apart = both - 2.0 * w.T @ w - 1e-14 * (len(w) + 100) * both
        half = 0.5 * np.sqrt(np.maximum(apart, 0.0))
        total = slopes[0] ** 2
        for j in range(len(squares)):
            cell = np.searchsorted(edges[1:-1], half[:, j])
            far = slopes[cell, j] ** 2
            far[j] = 0.0
            total = total + far
        return math.sqrt(np.max(total))

    def _by_distance(self, w, bias, epsilon):
        """Edges of intervals of the distance r from the prototype, and bounds of the slopes.

        With u = x - w, r = ‖u‖, t = ⟨w, u⟩, D = r² + epsilon and n = ⟨w, x⟩ + b = ‖w‖² + b + t, the
        gradient of n²/D is 2n/D·(w - n·u/D), and the square of its norm

            4n²/D²·(‖w‖² - 2·n·t/D + n²·r²/D²)

        a function of r and t alone, where |t| ≤ r·‖w‖ and ‖x‖² = ‖w‖² + 2t + r² ≤ radius². Its
        largest value over these is the Lipschitz constant, as the ball is convex. It is bounded
        on each cell of a grid of r and t/(r·‖w‖), by bounds of each term. Row k of the result are
        the largest bounds from interval k on.
        """
        norm = np.sqrt(np.sum(w**2, axis=0))
        center, largest = norm**2 + bias, self.radius * norm + np.abs(bias)
        last, first = self.radius + np.max(norm), 0.02 * math.sqrt(epsilon)
        count = max(2, math.ceil(math.log(max(last / first, 1.0)) / R_STEP))
        edges = np.concatenate([[0.0], np.geomspace(min(first, last / 2), last, count)])
        low, high = edges[:-1, None], edges[1:, None]
        least, most = low**2 + epsilon, high**2 + epsilon
        slopes = np.zeros((len(edges) - 1, len(norm)))
        for start in range(-T_CELLS, T_CELLS):
            lower, upper = start / T_CELLS * norm, (start + 1) / T_CELLS * norm
            t_low = np.minimum(low * lower, high * lower)
            t_high = np.maximum(low * upper, high * upper)
            inside = norm**2 + 2.0 * t_low + low**2 <= self.radius**2 * (1.0 + 1e-9)
            t_high = np.clip(0.5 * (self.radius**2 - norm**2 - low**2), t_low, t_high)
            n = np.maximum(np.abs(center + t_low), np.abs(center + t_high))
            n = np.minimum(n, largest)
            # -n·t is a parabola in t with its top at -center/2.
            t = np.clip(-0.5 * center, t_low, t_high)
            cross = -2.0 * (center + t) * t
            cross = cross / np.where(cross > 0.0, least, most)
            inner = np.maximum(norm**2 + cross, 0.0) + (n * high / least) ** 2
            slope = 2.0 * n / least * np.sqrt(inner)
            slopes = np.maximum(slopes, np.where(inside, slope, 0.0))
        simple = 2.0 * largest * norm / epsilon + 0.375 * math.sqrt(3) * largest**2 / epsilon**1.5
        slopes = np.minimum(slopes, simple)
        return edges, np.maximum.accumulate(slopes[::-1])[::-1]
