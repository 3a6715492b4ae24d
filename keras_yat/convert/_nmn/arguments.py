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
    if "alpha" in source.arrays:
        _check_learned(source, "alpha")
        return "learned"
    if not source.option("use_alpha", True):
        return None
    constant = source.untold("constant_alpha")
    if constant is None or constant is False:
        # Weights of a learned one would contain it.
        return None if source.is_layer else source.scalar("alpha")
    return _CONSTANT_ALPHA if constant is True else float(constant)


def _check_learned(source, name):
    constant = source.option(f"constant_{name}", None)
    if constant is not None and constant is not False:
        allowed = f"be None where the weights contain a learned {name}"
        _validate.invalid_argument(f"constant_{name}", allowed, constant)


def neurons(source: NmnSource) -> dict[str, Any]:
    """Arguments of a layer with a kernel and a bias."""
    constant = None
    if "bias" in source.arrays:
        _check_learned(source, "bias")
    elif source.option("use_bias", True):
        constant = source.untold("constant_bias")
        if constant is None and not source.is_layer:
            source.array("bias")
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
        layer.bias.assign(np.broadcast_to(bias, layer.bias.shape))
    if isinstance(layer.alpha, keras.Variable):
        layer.alpha.assign(source.scalar("alpha"))
    return layer


def softplus(x: Any) -> Any:
    """log(1 + e^x), in float64."""
    return np.logaddexp(0.0, x)
