"""The arguments and weights that all layers share: epsilon, alpha, bias, norms."""

import math
from typing import Any

import keras
import numpy as np

from keras_yat import _validate
from keras_yat.convert._nmn.source import NmnSource

_NORMS = {"sphere": "spherical", "kernel": "weight_normalized"}
_CONSTANT_ALPHA = math.sqrt(2.0)


def epsilon_and_alpha(source: NmnSource) -> dict[str, Any]:
    """Epsilon and alpha as arguments of a layer."""
    learned = source.option("learnable_epsilon", "epsilon" in source.arrays)
    epsilon = source.option("epsilon", 1e-5)
    if learned or "epsilon" in source.arrays:
        epsilon = float(softplus(source.scalar("epsilon")))
    return {"epsilon": epsilon, "learn_epsilon": learned, "alpha": _alpha(source)}


def _alpha(source):
    constant = _constant(source, "alpha")
    if "alpha" in source.arrays:
        return "learned"
    return _CONSTANT_ALPHA if constant is True else constant


def _constant(source, name):
    """The constant alpha or bias, or None where it is learned or there is none."""
    constant = source.option(f"constant_{name}", None)
    given = constant is not None and constant is not False
    learned = name in source.arrays
    if given and learned:
        allowed = f"be None where the weights contain a learned {name}"
        _validate.invalid_argument(f"constant_{name}", allowed, constant)
    used = source.option(f"use_{name}", True)
    if used and not (given or learned or source.is_layer):
        allowed = f"be False, or `constant_{name}` be given: the weights contain no {name}"
        _validate.invalid_argument(f"use_{name}", allowed, used)
    return constant if used and given else None


def neurons(source: NmnSource) -> dict[str, Any]:
    """Arguments of a layer with a kernel and a bias."""
    constant = _constant(source, "bias")
    dropped = source.option("use_dropconnect", False)
    return {
        **epsilon_and_alpha(source),
        "use_bias": "bias" in source.arrays or constant is not None,
        "constant_bias": constant,
        "kernel_multiplier": 1,
        "normalize": next((n for n, name in _NORMS.items() if source.option(name, False)), None),
        "kernel_trainable": not any(source.option(n, False) for n in ("freeze_kernel", "lazy")),
        "drop_connect": source.option("drop_rate", 0.0) if dropped else 0.0,
    }


def assign(layer: Any, source: NmnSource, **kernels: np.ndarray) -> Any:
    """The built layer with kernels, and with the bias and alpha of the source."""
    for name, kernel in kernels.items():
        getattr(layer, name).assign(kernel)
    bias = source.arrays.get("bias")
    if bias is not None:
        bias = softplus(bias) if source.option("softplus_bias", False) else bias
        shape = tuple(layer.bias.shape)
        if bias.shape not in ((1,), shape):
            _validate.invalid_argument("bias", f"have the shape {shape} or (1,)", bias.shape)
        layer.bias.assign(np.broadcast_to(bias, shape))
    if isinstance(layer.alpha, keras.Variable):
        layer.alpha.assign(source.scalar("alpha"))
    return layer


def softplus(x: Any) -> Any:
    """log(1 + e^x), in float64."""
    return np.logaddexp(0.0, x)
