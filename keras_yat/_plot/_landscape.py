"""Output of random networks over a plane."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_yat import _derivative, _validate
from keras_yat._plot import _drawing
from keras_yat._plot._drawing import Contours, Drawing, Panel, Plot
from keras_yat._plot._functions import name_of

CLIP = 2.5
"""Range of the colours, in standard deviations from the mean."""


def landscape(
    activations: Sequence[Any] = ("relu", "silu", "mila"),
    *,
    layers: int = 5,
    width: int = 64,
    seeds: int = 10,
    low: float = -3.0,
    high: float = 3.0,
    points: int = 101,
) -> Plot:
    """Draws the output of a random network over a plane, with one panel per activation.

    The network has 2 inputs, `layers` dense layers, each followed by the activation, and 1
    output. Kernels are drawn from N(0, 1/inputs) (LeCun normal) and biases from N(0, 1/4);
    every activation gets the same ones. The output is standardised: its mean over the plane
    is subtracted, then it is divided by its standard deviation.

    The roughness of a network is the rms of the Laplacian of its output divided by the rms
    of its gradient. Both are central differences over the inner points of the grid, with
    spacing h. The roughness has the unit 1/x, does not change if the output is scaled or
    shifted, and is 0 for a plane; lower is smoother. With kinks it grows like 1/√h: compare
    activations on the same grid. The title of a panel shows the mean ± standard deviation
    over the networks.

    Args:
        activations: A list of names, layers with one set of parameters, or elementwise
            callables.
        layers: Number of dense layers before the output.
        width: Number of units of each dense layer.
        seeds: Number of networks for the roughness. The first one is drawn.
        low: Lower end of both inputs.
        high: Upper end of both inputs.
        points: Number of evenly spaced values of each input.

    Returns:
        A `Plot`, `(figure, arrays)`. The arrays are "x" and "y", of shape (points,); for
        each activation, by name, the output of the first network, of shape
        (points, points), with one row per y; and "roughness", of shape (activations, seeds).

    Raises:
        ValueError: If a name is unknown, an output of an activation depends on several
            inputs (softmax), a number is less than 1, or the range is empty.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> figure, arrays = keras_yat.plot.landscape(["relu", "mila"], seeds=2, points=31)
    >>> arrays["mila"].shape, arrays["roughness"].shape
    ((31, 31), (2, 2))

    Reference:
        The output landscapes of Mila, and of D. Misra, Mish, 2019, arXiv:1908.08681. The
        roughness is defined by this package.
    """
    if isinstance(activations, str) or not isinstance(activations, Sequence) or not activations:
        _validate.invalid_argument("activations", "be a non-empty list of activations", activations)
    layers, width = _validate.count("layers", layers), _validate.count("width", width)
    seeds = _validate.count("seeds", seeds)
    x = _drawing.grid("", low, high, points)
    copies = [_derivative.copy_of(a, "activations") for a in activations]
    plane = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    networks = [weights(seed, layers, width) for seed in range(seeds)]
    outputs = np.array(
        [
            [output(f, network, plane).reshape(points, points) for network in networks]
            for f in copies
        ]
    )
    rough = np.array([[roughness(o, float(x[1] - x[0])) for o in row] for row in outputs])
    names = _drawing.unique([name_of(a) for a in activations])
    shown = dict(zip(names, outputs[:, 0], strict=True))
    arrays = {"x": x, "y": x, **shown, "roughness": rough}
    return _drawing.plot(_describe(x, shown, rough, layers), arrays)


def weights(seed: int, layers: int, width: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random kernels and biases of a network, the same on every backend."""
    rng = np.random.default_rng(seed)
    sizes = [2, *[width] * layers, 1]
    return [
        (rng.normal(0.0, n**-0.5, (n, m)).astype("float32"), rng.normal(0.0, 0.5, m).astype("f"))
        for n, m in itertools.pairwise(sizes)
    ]


def output(function: Callable, network: list, plane: np.ndarray) -> np.ndarray:
    """Standardised output of `network` at the points of `plane`."""
    signal = plane.astype("float32")
    for kernel, bias in network[:-1]:
        signal = _derivative.values(function, signal @ kernel + bias)
    kernel, bias = network[-1]
    found = (signal @ kernel + bias)[:, 0]
    spread = found.std()
    return (found - found.mean()) / (spread if spread > 0.0 else 1.0)


def roughness(values: np.ndarray, spacing: float) -> float:
    """The rms of the Laplacian divided by the rms of the gradient, over the inner points."""
    values = values.astype("float64")
    inner = values[1:-1, 1:-1]
    left, right, down, up = values[1:-1, :-2], values[1:-1, 2:], values[:-2, 1:-1], values[2:, 1:-1]
    laplacian = (left + right + down + up - 4.0 * inner) / spacing**2
    squared = ((right - left) ** 2 + (up - down) ** 2) / (2.0 * spacing) ** 2
    slope = np.sqrt(np.mean(squared))
    return float(np.sqrt(np.mean(laplacian**2)) / slope) if slope > 0.0 else 0.0


def _describe(x, shown: dict[str, np.ndarray], rough: np.ndarray, layers: int) -> Drawing:
    title = f"Output of a random network of {layers} layers, standardised"
    columns = min(4, len(shown))
    levels = np.linspace(-CLIP, CLIP, 21)
    panels = []
    for (name, values), row in zip(shown.items(), rough, strict=True):
        text = f"{name}\nroughness {row.mean():.2f} ± {row.std():.2f}"
        mark = Contours(x, x, values, name, "RdYlBu_r", "black", levels=levels)
        panels.append(Panel("first input", "second input", text, [mark], equal=True))
    bar = "output (standard deviations)"
    size: dict[str, Any] = {"width": max(7.0, 3.8 * columns), "height": 3.7}
    return Drawing(panels, title, columns=columns, bar=bar, **size)
