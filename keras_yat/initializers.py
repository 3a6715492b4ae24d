"""Starting values made for Yat layers.

Derivation. Let a neuron have `entries` weights, independent with variance σ², and
an input of which `filled` entries are other than 0 (all of them, but for a
transposed convolution with strides) and independent with mean square r = s². Then
⟨w, x⟩ is nearly normal with variance τ² = ‖w‖²·‖x‖² / entries, where ‖w‖² is about
entries·σ² and ‖x‖² about filled·r, and the distance is about ‖w‖² + ‖x‖². With a
bias b = β·τ the output is y = α·τ²·(u + β)² / (‖w‖² + ‖x‖²), u standard normal, so

    E[y²] = 1   for   α = (‖w‖² + ‖x‖²) / (τ²·√(β⁴ + 6β² + 3)).

That fixes α for any σ and β. Both have an own reason.

- σ. Let the mean square of the input be r where 1 was expected. The output's is
  then, without a bias, (r·(1 + σ²) / (σ² + r))², which has the fixed points 1 and σ⁴, and the slope
  2σ² / (1 + σ²) at 1. With σ = 1 both are one, and a signal that is ever so
  slightly too weak fades to nothing. With σ = 1/3 the slope is 0.2, and what is
  above an rms of 1/9 returns to 1 within a few layers. Kernels much smaller still
  would make the distance nearly independent of the kernel.
- β. Two inputs whose cosine is c have outputs whose cosine is
  E[(u + β)²(v + β)²] / (β⁴ + 6β² + 3), u and v normal with covariance c. The slope of
  this at c = 1, which is also the factor by which the mean square of a gradient
  grows from layer to layer, is 4(1 + β²) / (β⁴ + 6β² + 3): 4/3 without a bias, and 1
  for β = √(√2 - 1) = 0.6436. With it gradients neither grow nor fade, and near
  inputs stay as near as they were.
"""

import math
from typing import Any

import keras

from keras_yat import _validate
from keras_yat._register import register

__all__ = ["YatNormal", "get"]

_KERNEL_SCALE = 1.0 / 3.0
_CRITICAL_BIAS = math.sqrt(math.sqrt(2.0) - 1.0)


@register()
class YatNormal(keras.initializers.RandomNormal):
    """Normal weights with a third of the input's scale: `N(0, (input_scale / 3)²)`.

    The scale does not depend on the number of entries, as the output of a Yat
    neuron does not: a kernel whose entries shrink with it (Glorot, He) makes the
    output shrink from layer to layer until it is 0. A Yat layer with this
    initializer starts its bias at `0.6436·√entries·input_scale·σ` and its alpha
    such that outputs have rms 1 and gradients keep their size through any number
    of layers; the derivation is at the top of this module. With another
    initializer they start at 0 and 1.

    Args:
        input_scale: rms of the layer's input, above 0: 1 behind another Yat layer
            or a normalization, about 0.35 for images in [0, 1].
        seed: Int, `keras.random.SeedGenerator`, or None for a random one.

    Raises:
        ValueError: if `input_scale` is not a number above 0.

    Example:

    >>> layer = keras_yat.YatDense(4, kernel_initializer=keras_yat.initializers.YatNormal(seed=1))
    >>> layer(np.ones((2, 3), dtype="float32")).shape == (2, 4)
    True

    Reference:
        This package. The method is that of S. Schoenholz et al., Deep Information
        Propagation, 2017, arXiv:1611.01232.
    """

    def __init__(self, input_scale: float = 1.0, seed: Any = None):
        self.input_scale = _validate.number("input_scale", input_scale, above=0.0)
        super().__init__(stddev=_KERNEL_SCALE * self.input_scale, seed=seed)

    def get_config(self):
        seed = super().get_config()["seed"]
        return {"input_scale": self.input_scale, "seed": seed}

    def suited_bias_and_alpha(
        self,
        entries: int,
        filled: float,
        normalize: str | None,
        bias: float | None = None,
    ) -> tuple[float, float]:
        """The starting bias, unless it is given, and alpha, for neurons of so many entries."""
        kernel, inputs, spread = self._sizes(entries, filled, normalize)
        if bias is None:
            bias = _CRITICAL_BIAS * spread
        alpha = (kernel + inputs) / (spread**2 * _rms(bias / spread))
        return bias, alpha

    def bias_of_response(self, response: float, entries: int, normalize: str | None) -> float:
        """The bias at which a neuron answers `response` on average, with the suited alpha.

        Not below that at which it answers least, 0.
        """
        _, _, spread = self._sizes(entries, entries, normalize)
        return spread * math.sqrt(max(response * _rms(_CRITICAL_BIAS) - 1.0, 0.0))

    def _sizes(self, entries, filled, normalize):
        """‖w‖², ‖x‖² and the spread of ⟨w, x⟩."""
        kernel = entries * self.stddev**2 if normalize is None else 1.0
        inputs = filled * self.input_scale**2 if normalize != "sphere" else 1.0
        return kernel, inputs, math.sqrt(kernel * inputs / entries)


def _rms(beta):
    """That of (u + β)², u standard normal."""
    return math.sqrt(beta**4 + 6.0 * beta**2 + 3.0)


_NAMES = {"yat_normal": YatNormal}


def get(identifier: Any, argument: str = "identifier", allowed: str = "be ") -> Any:
    """The initializer that `identifier` names.

    Args:
        identifier: `"yat_normal"`, or whatever `keras.initializers.get` takes but
            None: a name, an initializer, its configuration, a callable.
        argument: What an error calls `identifier`.
        allowed: What an error puts before "an initializer".

    Returns:
        An initializer of its own: Keras's are stateless, one object used for two
        weights would give both the same values.

    Raises:
        ValueError: if it names no initializer.

    Example:

    >>> keras_yat.initializers.get("yat_normal").input_scale
    1.0
    """
    allowed += "an initializer or the name or config of one"
    if identifier is None:
        _validate.refuse(argument, allowed, identifier)
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]()
    try:
        initializer = keras.initializers.get(identifier)
    except (ValueError, TypeError):
        _validate.refuse(argument, allowed, identifier)
    return initializer.clone() if hasattr(initializer, "clone") else initializer
