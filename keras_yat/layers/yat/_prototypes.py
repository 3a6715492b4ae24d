"""Kernels started from data: the neurons as prototypes of what the layer sees."""

from typing import Any

import numpy as np
from keras import ops

from keras_yat import _validate


def adapt(layer: Any, data: Any, samples: int, seed: int | None) -> None:
    """Sets the kernel, epsilon, bias and alpha of a layer from its inputs."""
    if layer.kernel_from is not None:
        owner = layer.kernel_from.name
        _validate.refuse("kernel_from", "be None: adapt the layer that owns the kernel", owner)
    samples = _validate.count("samples", samples)
    rng = np.random.default_rng(seed)
    inputs = _some(data, samples, rng)
    layer(inputs[:1])  # builds it, or refuses the shape
    neurons = layer.kernel.shape[layer.features_axis]
    if samples < neurons:
        _validate.refuse("samples", f"be at least {neurons}, one for each neuron", samples)
    groups = _rows(layer, inputs, samples, rng)
    chosen = [_spread(rows, neurons // len(groups), rng) for rows in groups]
    layer.kernel.assign(layer.from_columns(np.concatenate(chosen).T))
    if layer.bias is not None:
        layer.bias.assign(np.zeros(layer.bias.shape))
    layer.set_scales(_epsilon(layer.normalize, groups, chosen), 1.0)
    outputs = layer.answers(inputs[: max(1, _OUTPUTS // neurons)], training=False)
    rms = float(np.sqrt(np.mean(np.square(ops.convert_to_numpy(ops.cast(outputs, "float32"))))))
    layer.set_scales(None, 1.0 / rms if rms > 0.0 else 1.0)


def _epsilon(normalize, groups, chosen):
    """The median squared distance of a sample to the nearest neuron, itself left out."""
    if normalize == "sphere":
        groups = [_unit(rows) for rows in groups]
    if normalize is not None:
        chosen = [_unit(rows) for rows in chosen]
    every = [_distances(*pair).min(axis=1) for pair in zip(groups, chosen, strict=True)]
    apart = np.concatenate(every)
    apart = apart[apart > 0.0]
    return float(np.median(apart)) if len(apart) else 1.0


# How many outputs, at one position each, alpha is taken from.
_OUTPUTS = 2**16


def _some(data, samples, rng):
    """Up to `samples` inputs, drawn without replacement."""
    batches = [data] if hasattr(data, "shape") else data
    inputs, keys = None, np.empty(0)
    for batch in batches:
        batch = batch[0] if isinstance(batch, (tuple, list)) else batch
        batch = ops.convert_to_numpy(batch)
        inputs = batch if inputs is None else np.concatenate([inputs, batch])
        # The inputs with the smallest of random keys, whatever the number of batches.
        keys = np.concatenate([keys, rng.random(len(batch))])
        kept = np.argsort(keys)[:samples]
        inputs, keys = inputs[kept], keys[kept]
    if inputs is None:
        _validate.refuse("data", "hold at least one batch", data)
    if inputs.ndim < 2 or len(inputs) == 0:
        _validate.refuse("data", "have a batch axis and entries", inputs.shape)
    if not np.all(np.isfinite(inputs.astype("float64"))):
        _validate.refuse("data", "be finite", "NaN or infinity among them")
    return inputs.astype("float32")


def _rows(layer, inputs, samples, rng):
    """For each group of neurons up to `samples` rows of what they see, `(rows, entries)`."""
    kernel = ops.convert_to_tensor(layer.kernel)
    correlation = layer.correlation()
    each = -(-samples // len(inputs))
    step, start = 1, 0
    found: list[list[np.ndarray]] = []
    while start < len(inputs):
        x = layer.arranged(ops.convert_to_tensor(inputs[start : start + step]))
        start += step
        rows = [ops.convert_to_numpy(patches) for patches, _ in correlation.pairs(x, kernel)]
        rows = [r.reshape(len(r), -1, r.shape[-1]) for r in rows]
        places = rng.random(rows[0].shape[:2]).argsort(axis=1)[:, :each, None]
        found.append([np.take_along_axis(r, places, 1).reshape(-1, r.shape[-1]) for r in rows])
        # As many inputs at a time as fit into some memory, known after the first.
        step = max(1, _AT_A_TIME // (rows[0][0].size * len(rows)))
    # A neuron of zeros would answer 0 to everything, and never learn.
    groups = [np.concatenate(group).astype("float64") for group in zip(*found, strict=True)]
    return [rows[np.any(rows != 0.0, axis=1)][:samples] for rows in groups]


_AT_A_TIME = 2**23


def _spread(rows, count, rng):
    """`count` different rows, by the seeding of k-means++."""
    chosen = [rows[rng.integers(len(rows))]] if len(rows) else []
    if not chosen:
        _validate.refuse("data", "hold samples other than 0", "0 of them")
    nearest = _distances(rows, chosen[0][None])[:, 0]
    while len(chosen) < count:
        total = nearest.sum()
        if total == 0:
            _validate.refuse(
                "data", f"hold at least {count} different samples", f"{len(chosen)} different"
            )
        chosen.append(rows[rng.choice(len(rows), p=nearest / total)])
        nearest = np.minimum(nearest, _distances(rows, chosen[-1][None])[:, 0])
    return np.stack(chosen)


def _distances(rows, others):
    """Squared distances in float64; 0 where only rounding is left."""
    squares = np.sum(rows**2, axis=1)[:, None] + np.sum(others**2, axis=1)
    distances = squares - 2.0 * rows @ others.T
    return np.where(distances > 1e-12 * squares, distances, 0.0)


def _unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
