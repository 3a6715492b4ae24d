"""Quantizers of the kernels of Yat layers, for their argument `kernel_quantizer`."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics.gradients import at_least_float32
from keras_yat._numerics.math import largest as largest_of
from keras_yat._register import register
from keras_yat._types import Config, Identifier, Tensor

__all__ = ["Ternary", "get"]


@register()
class Ternary:
    """Ternary kernel: the weights of a neuron become w̃ = β·t with t ∈ {-1, 0, 1}.

    For a neuron with the trained weights w (the *latent* weights)

        Δ = threshold·mean|w|,   t = sign(w) where |w| > Δ, else 0,   β = mean of these |w|.

    The layer computes inner product and norm from the same w̃, so that its outputs are exactly
    those of a Yat layer with the kernel w̃. In the backward pass the latent weights get the gradient
    of w̃ (straight-through estimator). Regularizers, constraints and `layer.kernel` are those of the
    latent weights; `layer.prototypes()` returns w̃ and `layer.sparsity()` its share of zeros. Bias,
    alpha and epsilon stay float. With `YatNormal` bias and alpha start at values that match w̃.

    `.keras` and `.weights.h5` files hold t, five entries in a byte, and a float β per neuron: 1.6
    bits a weight and 32 bits a neuron. A loaded layer has exactly the w̃ of the file, on every
    backend, since w̃ is its own ternary form. The latent weights are then β·t: a training that goes
    on from such a file has lost what they had in addition. `save_latent=True` keeps them, for
    checkpoints of a training. A layer loads both kinds of files, those of float layers included.
    Legacy `.h5` files and `get_weights` have the latent weights.

    In memory the latent weights stay float and w̃ is computed in each call: training and inference
    are a little slower than with a float kernel, not faster. The dense and convolutional Yat layers
    and `YatEmbedding` accept a quantizer. Separable convolutions do not, as the product of
    two ternary kernels is not ternary; recurrent and attention layers do not, where it has not been
    measured.

    Args:
        threshold: Δ relative to the mean |w| of a neuron, a number in [0, 1). A larger one gives
            more zeros: of normally distributed weights 31 % at 0.5, 42 % at 0.7.
        save_latent: Whether files hold the latent weights, as float, instead of the ternary ones.

    Call arguments:
        kernel: Latent weights, floats of any shape.
        axis: The axis or axes along which the weights of a neuron lie. The mean and the maximum
            are taken over these.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> quantizer = keras_yat.quantizers.Ternary(threshold=0.5)
    >>> w = np.array([[0.9, -0.1], [-0.7, 0.4], [0.2, -0.2]], dtype="float32")
    >>> print(np.round(keras.ops.convert_to_numpy(quantizer(w, axis=0)), 2))
    [[ 0.8  0. ]
     [-0.8  0.3]
     [ 0.  -0.3]]
    >>> layer = keras_yat.YatDense(4, kernel_quantizer=quantizer)

    A ternary model that starts from a trained float model:

    >>> model = keras.Sequential([keras.Input((6,)), keras_yat.YatDense(4), keras_yat.YatDense(2)])
    >>> def ternary(layer):
    ...     config = layer.get_config()
    ...     if "kernel_quantizer" in config:
    ...         config["kernel_quantizer"] = "ternary"
    ...     return type(layer).from_config(config)
    >>> start = keras.models.clone_model(model, clone_function=ternary)
    >>> start.set_weights(model.get_weights())

    Reference:
        F. Li et al., Ternary Weight Networks, 2016; arXiv:1605.04711, with a scale and threshold
        per neuron. Y. Bengio et al., Estimating or Propagating Gradients Through Stochastic
        Neurons, 2013; arXiv:1308.3432, for the straight-through estimator.
    """

    def __init__(self, threshold: float = 0.5, save_latent: bool = False) -> None:
        self.threshold: float = _validate.rate("threshold", threshold)
        self.save_latent: bool = _validate.flag("save_latent", save_latent)

    def __call__(self, kernel: Tensor, axis: int | Sequence[int] = 0) -> Tensor:
        kernel = ops.convert_to_tensor(kernel)
        latent = ops.stop_gradient(kernel)
        trits, scale = self.trits_and_scale(latent, axis)
        # The difference is exactly 0: the value is not rounded.
        return ops.cast(trits * scale, kernel.dtype) + (kernel - latent)

    def trits_and_scale(self, kernel: Tensor, axis: int | Sequence[int]) -> tuple[Tensor, Tensor]:
        """The parts of the ternary kernel.

        Args:
            kernel: As in a call.
            axis: As in a call.

        Returns:
            t and β, which has size 1 along `axis`: floats of float32 or wider, β rounded to the
            dtype of the kernel.
        """
        kernel = ops.convert_to_tensor(kernel)
        wide = ops.cast(kernel, at_least_float32(kernel))
        size = ops.abs(wide)
        largest = largest_of(size, axis)
        entries = ops.sum(ops.ones_like(size), axis=axis, keepdims=True)
        none = ops.cast(ops.equal(largest, 0.0), wide.dtype)
        # Relative to the largest weight, so that sums neither overflow nor vanish. Where all kept
        # weights are equal the differences from it are exactly 0: β is exact, in any order of sums.
        below = (size - largest) / (largest + none)
        delta = (
            self.threshold * largest * (1.0 + ops.sum(below, axis=axis, keepdims=True) / entries)
        )
        kept = ops.cast(size > delta, wide.dtype)
        count = ops.sum(kept, axis=axis, keepdims=True) + none
        scale = largest * (1.0 + ops.sum(kept * below, axis=axis, keepdims=True) / count)
        return ops.sign(wide) * kept, ops.cast(ops.cast(scale, kernel.dtype), wide.dtype)

    def relative_mean_square(self) -> float:
        """The mean square of a ternary kernel relative to that of normally distributed weights.

        Returns:
            0.79 for a threshold of 0.5, 0.81 for 0.7.
        """
        # Of |w| > a standard deviations: 2·density(a) is the part of mean |w|, `share` that of the
        # weights; w̃² = (density / share)² for that share.
        a = self.threshold * math.sqrt(2.0 / math.pi)
        share = math.erfc(a / math.sqrt(2.0))
        return 2.0 / math.pi * math.exp(-(a**2)) / share

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        return {"threshold": self.threshold, "save_latent": self.save_latent}

    @classmethod
    def from_config(cls, config: Config) -> "Ternary":
        """A quantizer from its configuration."""
        return cls(**config)


_NAMES = {"ternary": Ternary}


def get(identifier: Identifier | None, argument: str = "identifier") -> Any:
    """The quantizer for a name, a configuration or an object.

    Args:
        identifier: `"ternary"`, a quantizer or its configuration, or None.
        argument: Name of the argument in an error message.

    Returns:
        The quantizer, or None.

    Raises:
        ValueError: If there is no such quantizer.

    Example:

    >>> keras_yat.quantizers.get("ternary").threshold
    0.5
    """
    found: Any = identifier
    if isinstance(identifier, str) and identifier in _NAMES:
        found = _NAMES[identifier]()
    elif isinstance(identifier, dict):
        read = keras.saving.deserialize_keras_object
        found = _validate.resolved(argument, identifier, "a quantizer", read)
    if found is not None and not isinstance(found, Ternary):
        allowed = "be None, 'ternary' or a `keras_yat.quantizers.Ternary`"
        _validate.invalid_argument(argument, allowed, identifier)
    return found
