"""The Yat product in float64 NumPy, written as its definition, and its gradients.

Distances are sums of (p - w)² over the entries of explicit patches, not expanded. Gradients are
the derivatives of the definition, summed from the patches into the input.
"""

import itertools
import math

import numpy as np


def yat(x, w, bias=0.0, epsilon=1e-5, alpha=1.0, normalize=None):
    """The Yat product of `(…, entries)` and `(entries, features)`: `(…, features)`."""
    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    if normalize is not None:
        w = w / np.linalg.norm(w, axis=0)
    if normalize == "sphere":
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    distance = np.sum((x[..., None] - w) ** 2, axis=-2)
    return alpha * (x @ w + bias) ** 2 / (distance + epsilon)


def gradients(upstream, x, w, bias=0.0, epsilon=1e-5, alpha=1.0):
    """The gradients of Σ upstream·yat in x, w, bias, epsilon and alpha."""
    x, w, g = (np.asarray(a, "float64") for a in (x, w, upstream))
    difference = w - x[..., None]
    q = (x @ w + bias) / (np.sum(difference**2, axis=-2) + epsilon)
    straight, pull = 2.0 * alpha * g * q, 2.0 * alpha * g * q**2
    of_x = straight @ w.T + np.sum(pull[..., None, :] * difference, axis=-1)
    rows = x.reshape(-1, x.shape[-1])
    columns = straight.reshape(-1, w.shape[-1])
    of_w = rows.T @ columns - np.sum(
        (pull[..., None, :] * difference).reshape(-1, *w.shape), axis=0
    )
    return {
        "x": of_x,
        "kernel": of_w,
        "bias": columns.sum(axis=0),
        "epsilon": -np.sum(alpha * g * q**2),
        "alpha": np.sum(g * q * (x @ w + bias)),
    }


class Windows:
    """The input entry under each tap of the window, for each output position.

    `index` has the shape (positions, taps); -1 stands for padding.
    """

    def __init__(self, sizes, window, axes):
        """`axes`: for each spatial axis the input index by (output position, tap)."""
        self.positions = tuple(len(a) for a in axes)
        index = []
        for position in itertools.product(*(range(n) for n in self.positions)):
            for tap in itertools.product(*(range(k) for k in window)):
                places = [a[o][t] for a, o, t in zip(axes, position, tap, strict=True)]
                inside = all(0 <= p < n for p, n in zip(places, sizes, strict=True))
                index.append(np.ravel_multi_index(places, sizes) if inside else -1)
        self.index = np.array(index).reshape(math.prod(self.positions), math.prod(window))
        self.sizes = sizes

    def patches(self, x):
        """`(batch, *sizes, channels)` to `(batch, positions, taps, channels)`."""
        flat = np.asarray(x, "float64").reshape(len(x), -1, x.shape[-1])
        flat = np.concatenate([flat, np.zeros_like(flat[:, :1])], axis=1)
        return flat[:, self.index]

    def put_back(self, patches):
        """The adjoint of `patches`."""
        flat = np.zeros((len(patches), math.prod(self.sizes) + 1, patches.shape[-1]))
        for i, tap in itertools.product(*map(range, self.index.shape)):
            flat[:, self.index[i, tap]] += patches[:, i, tap]
        return flat[:, :-1].reshape(len(patches), *self.sizes, -1)


def convolution(sizes, window, strides, dilation, padding):
    axes = []
    for n, k, s, d in zip(sizes, window, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        before, outputs = 0, (n - reach) // s + 1
        if padding == "same":
            outputs = -(-n // s)
            before = max((outputs - 1) * s + reach - n, 0) // 2
        elif padding == "causal":
            outputs, before = -(-n // s), reach - 1
        axes.append([[o * s + t * d - before for t in range(k)] for o in range(outputs)])
    return Windows(sizes, window, axes)


def transposed(sizes, window, strides, dilation, padding, output_padding):
    """Input entry i reaches output position i·stride + tap·dilation - cut."""
    axes = []
    output_padding = output_padding or (None,) * len(sizes)
    every = zip(sizes, window, strides, dilation, output_padding, strict=True)
    for n, k, s, d, extra in every:
        reach = (k - 1) * d + 1
        if padding == "valid":
            cut, outputs = 0, (n - 1) * s + (max(reach, s) if extra is None else reach + extra)
        elif extra is None:
            cut, outputs = max(reach - s, 0) // 2, n * s
        else:
            # Keras's convention, whatever the parity of the window.
            around = reach + reach % 2 - 2 + extra
            cut = reach - 1 - min(-(-around // 2), reach - 1)
            outputs = (n - 1) * s + reach % 2 + extra
        axes.append([[_source(o + cut - t * d, s) for t in range(k)] for o in range(outputs)])
    return Windows(sizes, window, axes)


def _source(place, stride):
    return place // stride if place % stride == 0 else -1


def convolve(windows, x, kernel, groups=1, upstream=None, **settings):
    """The Yat convolution `(batch, *positions, filters)`, or its gradients.

    `kernel` is laid out as `(*window, channels / groups, filters)`.
    """
    patches = windows.patches(x)
    batch, positions, taps, channels = patches.shape
    filters, size = kernel.shape[-1], channels // groups
    kernel = np.asarray(kernel, "float64").reshape(taps * size, filters)
    bias = np.broadcast_to(settings.pop("bias", 0.0), (filters,))
    outputs, found = [], []
    for group in range(groups):
        rows = patches[..., group * size : (group + 1) * size].reshape(batch, positions, -1)
        own = slice(group * filters // groups, (group + 1) * filters // groups)
        if upstream is None:
            outputs.append(yat(rows, kernel[:, own], bias[own], **settings))
        else:
            g = upstream.reshape(batch, positions, filters)[..., own]
            found.append(gradients(g, rows, kernel[:, own], bias[own], **settings))
    if upstream is None:
        return np.concatenate(outputs, axis=-1).reshape(batch, *windows.positions, filters)
    of_patches = [f["x"].reshape(batch, positions, taps, size) for f in found]
    return {
        "x": windows.put_back(np.concatenate(of_patches, axis=-1)),
        "kernel": np.concatenate([f["kernel"] for f in found], axis=-1),
        "bias": np.concatenate([f["bias"] for f in found]),
        "epsilon": sum(f["epsilon"] for f in found),
        "alpha": sum(f["alpha"] for f in found),
    }


def ternary(columns, threshold=0.5):
    """Each column as β·t: t the signs of entries above threshold·mean, β the mean of these."""
    columns = np.asarray(columns, "float64")
    found = np.zeros_like(columns)
    for i, column in enumerate(columns.T):
        size = np.abs(column)
        kept = size > threshold * size.mean()
        if kept.any():
            found[kept, i] = np.sign(column[kept]) * size[kept].mean()
    return found
