"""Yat layers with a kernel, and their definition for a given kernel: for LoRA and quantization."""

import numpy as np
import pytest

import keras_yat
from tests import reference_yat
from tests.helpers import draw, to_numpy
from tests.layers.test_yat import LAYERS

# The others differ from these in their rank alone.
QUICK = ("YatDense", "YatConv2DTranspose")
# A kernel with factors is neither quantized nor has it a low-rank term.
NAMES = [name for name in LAYERS if "Separable" not in name]
EVERY = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.nightly) for n in NAMES],
)


def built(name, **arguments):
    """A layer that is built, with random bias, and its input."""
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**{"epsilon": 0.3, **kwargs, **arguments})
    layer.build((None, *shape))
    layer.bias.assign(draw(tuple(layer.bias.shape), seed=5))
    return layer, draw((2, *shape))


def turned(name, kernel):
    """A kernel with the filters along its last axis; again: as the layer has it."""
    return np.swapaxes(kernel, -1, -2) if "Transpose" in name else kernel


def _neurons_last(name, kernel):
    """A kernel `(…, channels of a group, neurons)`."""
    if "Depthwise" in name:
        return kernel.reshape(*kernel.shape[:-2], 1, -1)
    return turned(name, kernel)


def columns_of(name, kernel):
    """The weights of each neuron as a column."""
    kernel = _neurons_last(name, kernel)
    return kernel.reshape(-1, kernel.shape[-1])


def kernel_of(name, columns, like):
    """The inverse of `columns_of`, for a kernel of the shape of `like`."""
    if "Depthwise" in name:
        return columns.reshape(like.shape)
    return turned(name, columns.reshape(turned(name, like).shape))


def definition(name, layer, kernel, x, upstream=None):
    """The output of a layer with this kernel, or its gradients."""
    kernel = np.asarray(kernel, "float64")
    weights = _neurons_last(name, kernel) * layer.multiplier
    settings = {
        "bias": to_numpy(layer.bias),
        "epsilon": layer.epsilon,
        "alpha": float(to_numpy(layer.alpha)),
    }
    if name == "YatDense":
        if upstream is None:
            return reference_yat.yat(x, weights, **settings)
        found = reference_yat.gradients(upstream, x, weights, **settings)
    else:
        where = (x.shape[1:-1], layer.kernel_size, layer.strides, layer.dilation_rate)
        if "Transpose" in name:
            windows = reference_yat.transposed(*where, layer.padding, layer.output_padding)
        else:
            windows = reference_yat.convolution(*where, layer.padding)
        groups = x.shape[-1] if "Depthwise" in name else getattr(layer, "groups", 1)
        found = reference_yat.convolve(windows, x, weights, groups, upstream, **settings)
    if upstream is not None:
        columns = found["kernel"].reshape(-1, weights.shape[-1]) * layer.multiplier
        found["kernel"] = kernel_of(name, columns, kernel)
    return found
