"""The graph layers in float64 NumPy, written as their definitions, and gradients by differences."""

import numpy as np

from tests import reference_yat


def adjacency(nodes, edge_index, edge_weight=None, self_loops=True):
    """A, or A + I: the weight of the edge from j to i in row i and column j."""
    found = np.eye(nodes) if self_loops else np.zeros((nodes, nodes))
    weights = np.ones(edge_index.shape[1]) if edge_weight is None else edge_weight
    for source, target, weight in zip(*edge_index, weights, strict=True):
        if min(source, target) >= 0 and max(source, target) < nodes:
            found[target, source] += weight
    return found


def normalized(matrix, how):
    if how is None:
        return matrix
    degree = matrix.sum(axis=1)
    inverse = np.array([1.0 / d if d > 0 else 0.0 for d in degree])
    if how == "mean":
        return np.diag(inverse) @ matrix
    return np.diag(np.sqrt(inverse)) @ matrix @ np.diag(np.sqrt(inverse))


def convolution(x, matrix, kernel, how="symmetric", **settings):
    """Yat neurons on Σ_j Â_ij·x_j."""
    return reference_yat.yat(normalized(matrix, how) @ x, kernel, **settings)


def attention(x, matrix, projections, bias, epsilon, sphere=False):
    """The outputs `(nodes, heads, size)`, node by node. `projections`: kernels and biases."""
    x = np.asarray(x, "float64")
    query, key, value = (
        np.einsum("nf,fhd->nhd", x, kernel) + offset for kernel, offset in projections
    )
    if sphere:
        query, key = (a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (query, key))
    nodes, heads, size = value.shape
    bias, epsilon = (np.broadcast_to(a, (heads,)) for a in (bias, epsilon))
    outputs = np.zeros((nodes, heads, size))
    for i in range(nodes):
        for h in range(heads):
            product = key[:, h] @ query[i, h] + bias[h]
            distance = np.sum((query[i, h] - key[:, h]) ** 2, axis=-1) + epsilon[h]
            scores = matrix[i] * product**2 / distance
            if scores.sum() > 0.0:
                outputs[i, h] = scores / scores.sum() @ value[:, h]
    return outputs


def differences(function, array, step=1e-5):
    """The gradient of a function of an array, by central differences."""
    array = np.array(array, "float64")
    found = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        values = []
        for sign in (1.0, -1.0):
            moved = array.copy()
            moved[place] += sign * step
            values.append(function(moved))
        found[place] = (values[0] - values[1]) / (2.0 * step)
    return found
