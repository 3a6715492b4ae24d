"""Attention."""

from typing import Any

import numpy as np

from keras_yat import _validate, layers
from keras_yat.convert._nmn.arguments import assign, epsilon_and_alpha
from keras_yat.convert._nmn.source import PROJECTIONS, NmnSource


def attention(source: NmnSource) -> Any:
    """The layer with the kernels and biases of the four projections."""
    heads = _validate.count("num_heads", source.option("num_heads"))
    kernels, biases = _projections(source)
    for name in PROJECTIONS[:3]:
        size = kernels[name].shape[-1]
        if size % heads:
            _validate.invalid_argument("num_heads", f"divide {size}, the size of {name}", heads)
    options = epsilon_and_alpha(source)
    if source.framework == "nnx" and options["alpha"] not in ("learned", None):
        # There a constant alpha multiplies the values instead of the scores.
        for arrays in (kernels, biases):
            arrays["value"] = options["alpha"] * arrays["value"]
        options["alpha"] = None
    if source.theta is not None:
        _check_table(source, kernels["query"].shape[-1] // heads)
        order = _halves(kernels["query"].shape[-1], heads)
        for arrays in (kernels, biases):
            arrays.update({name: arrays[name][..., order] for name in ("query", "key")})
    query, key, value = ((None, None, kernels[name].shape[0]) for name in PROJECTIONS[:3])
    layer = layers.YatMultiHeadAttention(
        heads,
        kernels["query"].shape[-1] // heads,
        kernels["value"].shape[-1] // heads,
        dropout=source.option("dropout", 0.0),
        use_bias=any(f"{name} bias" in source.arrays for name in PROJECTIONS),
        output_shape=kernels["out"].shape[-1],
        rope_max_wavelength=source.theta,
        normalize=_normalize(source),
        **_normalization(source),
        **options,
    )
    layer.build(query, value, key)
    dense = (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense)
    for name, each in zip(PROJECTIONS, dense, strict=True):
        each.kernel.assign(kernels[name].reshape(each.kernel.shape))
        if each.bias is not None:
            each.bias.assign(biases[name].reshape(each.bias.shape))
    return assign(layer, source)


def _projections(source):
    """Kernels of shape (in, out) and biases by the name of the projection."""
    arrays = {name: source.array(f"{name} kernel") for name in PROJECTIONS[:3]}
    out = source.arrays.get("out kernel")
    if out is None and not source.is_layer and source.option("use_out_proj"):
        source.array("out kernel")
    if source.framework == "torch":
        arrays = {name: kernel.T for name, kernel in arrays.items()}
        out = None if out is None else out.T
    # Flax's kernel of the output has the heads and their entries as two axes.
    size = arrays["value"].shape[-1]
    arrays["out"] = np.eye(size) if out is None else out.reshape(size, -1)
    zeros = {name: np.zeros(kernel.shape[-1]) for name, kernel in arrays.items()}
    return arrays, {name: source.arrays.get(f"{name} bias", zeros[name]) for name in arrays}


def _normalize(source):
    normalized = source.option("normalize_qk", False)
    if normalized and source.theta is not None:
        allowed = "be False: it is a layer normalization there, without a counterpart"
        _validate.invalid_argument("normalize_qk", allowed, normalized, theta=source.theta)
    # Linen's attention ignores `spherical`.
    spherical = source.framework != "linen" and source.option("spherical", False)
    return "sphere" if normalized or spherical else None


def _check_table(source, size):
    """MLX has the table of rotary embedding among the trained weights."""
    table = source.arrays.get("cosines")
    if table is None:
        return
    phases = np.arange(len(table))[:, None] * source.theta ** (-np.arange(0, size, 2) / size)
    if table.shape != phases.shape or not np.allclose(table, np.cos(phases), atol=1e-2):
        allowed = "be the one of the cosines in `freqs_cos`: trained ones have no counterpart"
        _validate.invalid_argument("theta", allowed, source.theta)


def _halves(size, heads):
    """The order in which pairs of neighbours become pairs from the halves of each head."""
    places = np.arange(size).reshape(heads, -1, 2)
    return np.swapaxes(places, 1, 2).reshape(-1)


def _normalization(source):
    if source.option("use_softermax", False):
        return {"normalization": "softermax", "power": source.option("power", 1.0)}
    name = source.option("normalization", "softmax")
    _validate.one_of("normalization", name, ("softmax", "l1"))
    return {"normalization": "softermax" if name == "l1" else name}
