"""Yat attention in float64 NumPy, written as its definition, and its gradients.

Distances are sums of (q - k)² over the entries, not expanded. Gradients are complex-step
derivatives with a step of 1e-20 i: no difference is taken, so they are exact to rounding.
"""

import numpy as np


def attention(
    query,
    key,
    value,
    mask=None,
    *,
    scale=None,
    score_bias=None,
    epsilon=1e-5,
    alpha=None,
    normalize=None,
    normalization="softmax",
    power=1,
    dropped=1.0,
    product=None,
    **masks,
):
    """The output (batch, T, heads, value_size) and the weights (batch, heads, T, S).

    `dropped` multiplies the weights before the sum over the values. `product(q, k)` replaces the
    Yat product of vectors on the last axis. Epsilon and the bias are numbers, arrays with a value
    for each head, or for each score.
    """
    query, key, value = (_exact(a) for a in (query, key, value))
    if normalize == "sphere":
        query, key = _on_sphere(query), _on_sphere(key)
    # Query head h belongs to head h // group of the keys and values.
    group = query.shape[2] // key.shape[2]
    key, value = (np.repeat(a, group, axis=2) for a in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    alpha = 1.0 if alpha is None else alpha
    q = np.moveaxis(query, 2, 1)[:, :, :, None]
    k = np.moveaxis(key, 2, 1)[:, :, None]
    if product is None:
        bias, epsilon = (_of_heads(0.0 if v is None else v) for v in (score_bias, epsilon))
        scores = (np.sum(q * k, axis=-1) + bias) ** 2
        scores = scores / (np.sum((q - k) ** 2, axis=-1) + epsilon)
    else:
        scores = product(q, k)
    there = allowed(scores.shape, mask, **masks)
    weights = normalized(alpha * scale * scores, there, normalization, power)
    return np.einsum("bhts,bshv->bthv", weights * dropped, value), weights


def allowed(
    shape,
    mask=None,
    *,
    query_mask=None,
    key_mask=None,
    is_causal=False,
    sliding_window=None,
    num_global_tokens=0,
    block_mask=None,
    mask_block_size=64,
    query_offset=0,
):
    """The keys that each query may attend to, of `shape` (batch, heads, T, S)."""
    found = np.ones(shape, bool)
    i, j = np.arange(shape[2])[:, None] + query_offset, np.arange(shape[3])
    if mask is not None:
        found &= np.asarray(mask, bool)
    if query_mask is not None:
        found &= np.asarray(query_mask, bool)[:, None, :, None]
    if key_mask is not None:
        found &= np.asarray(key_mask, bool)[:, None, None, :]
    if is_causal:
        found &= j <= i
    if sliding_window is not None or block_mask is not None:
        pattern = (i < num_global_tokens) | (j < num_global_tokens)
        if sliding_window is not None:
            pattern |= np.abs(i - j) < sliding_window
        if block_mask is not None:
            pattern |= np.asarray(block_mask)[i // mask_block_size, j // mask_block_size]
        found &= pattern
    return found


def fitted_square(score_bias, epsilon, size):
    """The product of linear attention: (c₀ + c₁·s)², and a ten-thousandth of its largest.

    c₀ + c₁·s is fitted to the root of the Yat product of unit vectors, by least squares on a
    dense grid of angles, each with its share of the sphere. Bias and epsilon are numbers, or arrays
    with a value for each head.
    """
    score_bias, epsilon = (v[:, None] if np.ndim(v) else v for v in (score_bias, epsilon))
    angles = (np.arange(4000) + 0.5) * np.pi / 4000
    s, density = np.cos(angles), np.sin(angles) ** (size - 2)
    rows = np.sqrt(density)[:, None] * np.stack([np.ones_like(s), s], axis=1)
    root = (s + score_bias) / np.sqrt(2.0 + epsilon - 2.0 * s)
    # By the normal equations, for roots with an imaginary step.
    found = np.linalg.solve(rows.T @ rows, rows.T @ (np.sqrt(density) * root).T)
    first, second = found if found.ndim == 1 else found[:, :, None, None]
    floor = 1e-4 * (first + second) ** 2
    return lambda q, k: (first + second * np.sum(q * k, axis=-1)) ** 2 + floor


def normalized(scores, there, normalization="softmax", power=1):
    """The weights over the last axis; all 0 for a query without allowed keys in `there`."""
    if normalization == "softmax":
        scores = np.where(there, scores, -np.inf)
        largest = np.max(scores.real, axis=-1, keepdims=True)
        terms = np.exp(scores - np.where(np.isfinite(largest), largest, 0.0))
        total = np.sum(terms, axis=-1, keepdims=True)
        return terms / np.where(total == 0.0, 1.0, total)
    terms = np.where(there & (scores.real > 0.0), scores, 0.0) ** power
    return terms / (1e-12 + np.sum(terms, axis=-1, keepdims=True))


def rotary(x, wavelength, start=0):
    """Rotates the pairs of entries (m, half + m) of (batch, positions, heads, size)."""
    x = _exact(x)
    half, turned = x.shape[-1] // 2, np.empty_like(x)
    for position, m in np.ndindex(x.shape[1], half):
        angle = (start + position) * wavelength ** (-2.0 * m / x.shape[-1])
        first, second = x[:, position, :, m], x[:, position, :, half + m]
        turned[:, position, :, m] = first * np.cos(angle) - second * np.sin(angle)
        turned[:, position, :, half + m] = second * np.cos(angle) + first * np.sin(angle)
    return turned


def gradients(upstream, query, key, value, alpha=1.0, epsilon=1e-5, **settings):
    """The gradients of Σ upstream·output in query, key, value, alpha and epsilon."""
    return slopes(
        lambda arrays: np.sum(upstream * attention(**arrays, **settings)[0]),
        {"query": query, "key": key, "value": value, "alpha": alpha, "epsilon": epsilon},
    )


def slopes(function, arrays, step=1e-20):
    """The gradients of the number `function(arrays)` in each entry of each of the arrays."""
    found = {}
    for name, array in arrays.items():
        found[name] = np.zeros(np.shape(array))
        for place in np.ndindex(found[name].shape):
            moved = np.array(array, "complex128")
            moved[place] += step * 1j
            found[name][place] = function({**arrays, name: moved}).imag / step
    return found


def _of_heads(value):
    """A number or an array of scores as it is; values of the heads along the axis of heads."""
    return value[:, None, None] if np.ndim(value) == 1 else value


def _exact(a):
    return np.asarray(a, "complex128" if np.iscomplexobj(a) else "float64")


def _on_sphere(x):
    """Each vector divided by its norm; vectors of zeros stay zero."""
    squared = np.sum(x**2, axis=-1, keepdims=True)
    return x / np.sqrt(np.where(squared.real > 0.0, squared, 1.0))
