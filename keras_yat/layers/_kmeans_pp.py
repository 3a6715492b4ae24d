"""Kernel initialization from data by k-means++: the neurons become samples of the input."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._types import Tensor


def median_distance(
    normalize: str | None, groups: Sequence[np.ndarray], chosen: Sequence[np.ndarray]
) -> float:
    """The median squared distance of a sample to the nearest neuron, if it is not that neuron."""
    if normalize == "sphere":
        groups = [_unit(rows) for rows in groups]
    if normalize is not None:
        chosen = [_unit(rows) for rows in chosen]
    every = [_distances(*pair).min(axis=1) for pair in zip(groups, chosen, strict=True)]
    apart = np.concatenate(every)
    apart = apart[apart > 0.0]
    return float(np.median(apart)) if len(apart) else 1.0


def sample_inputs(data: Any, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `samples` inputs, drawn without replacement."""
    batches = [data] if hasattr(data, "shape") else data
    inputs, keys = None, np.empty(0)
    for batch in batches:
        batch = batch[0] if isinstance(batch, (tuple, list)) else batch
        batch = ops.convert_to_numpy(batch)
        if inputs is not None and batch.shape[1:] != inputs.shape[1:]:
            shapes = f"entries of shapes {inputs.shape[1:]} and {batch.shape[1:]}"
            allowed = "be an array of inputs, or batches of inputs of one shape, without targets"
            _validate.invalid_argument("data", allowed, shapes)
        inputs = batch if inputs is None else np.concatenate([inputs, batch])
        # The inputs with the smallest random keys, independent of the number of batches.
        keys = np.concatenate([keys, rng.random(len(batch))])
        kept = np.argsort(keys)[:samples]
        inputs, keys = inputs[kept], keys[kept]
    if inputs is None:
        _validate.invalid_argument("data", "contain at least one batch", data)
    if inputs.ndim < 2 or len(inputs) == 0:
        _validate.invalid_argument("data", "have a batch axis and entries", inputs.shape)
    if not np.all(np.isfinite(inputs.astype("float64"))):
        _validate.invalid_argument("data", "be finite", "NaN or infinity")
    return inputs.astype("float32")


def sample_patches(
    patches_of: Callable[[Tensor], Sequence[Tensor]],
    inputs: np.ndarray,
    samples: int,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """For each group of neurons up to `samples` patches of their input, `(rows, entries)`.

    `patches_of` maps a batch of inputs to the patches `(..., entries)` of each group.
    """
    each = -(-samples // len(inputs))
    step, start = 1, 0
    found: list[list[np.ndarray]] = []
    while start < len(inputs):
        batch = ops.convert_to_tensor(inputs[start : start + step])
        start += step
        rows = [ops.convert_to_numpy(patches) for patches in patches_of(batch)]
        rows = [r.reshape(len(r), -1, r.shape[-1]) for r in rows]
        places = rng.random(rows[0].shape[:2]).argsort(axis=1)[:, :each, None]
        found.append([np.take_along_axis(r, places, 1).reshape(-1, r.shape[-1]) for r in rows])
        # The size of the first patches shows how many inputs to process at a time.
        step = max(1, _AT_A_TIME // (rows[0][0].size * len(rows)))
    # A neuron of zeros would output 0 for every input, and never learn.
    groups = [np.concatenate(group).astype("float64") for group in zip(*found, strict=True)]
    return [rows[np.any(rows != 0.0, axis=1)][:samples] for rows in groups]


_AT_A_TIME = 2**23


def kmeans_pp_init(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` different rows, by the initialization of k-means++."""
    chosen = [rows[rng.integers(len(rows))]] if len(rows) else []
    if not chosen:
        _validate.invalid_argument("data", "contain samples other than 0", "none")
    nearest = _distances(rows, chosen[0][None])[:, 0]
    while len(chosen) < count:
        total = nearest.sum()
        if total == 0:
            _validate.invalid_argument(
                "data",
                f"contain at least {count} different samples",
                f"{len(chosen)} different samples",
            )
        chosen.append(rows[rng.choice(len(rows), p=nearest / total)])
        nearest = np.minimum(nearest, _distances(rows, chosen[-1][None])[:, 0])
    return np.stack(chosen)


def _distances(rows, others):
    """Squared distances in float64; 0 where only a rounding error is left."""
    squares = np.sum(rows**2, axis=1)[:, None] + np.sum(others**2, axis=1)
    distances = squares - 2.0 * rows @ others.T
    return np.where(distances > 1e-12 * squares, distances, 0.0)


def _unit(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
