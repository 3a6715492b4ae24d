"""Initializers for Yat layers.

Derivation. Let a neuron have `entries` weights, independent with variance σ², and an input with
`fan_in` entries other than 0 (all of them, but for a transposed convolution with strides),
independent with mean square r = s². Then ⟨w, x⟩ is nearly normal with variance
τ² = ‖w‖²·‖x‖² / entries, where ‖w‖² is about entries·σ² and ‖x‖² about fan_in·r, and the distance
is about ‖w‖² + ‖x‖². With a bias b = β·τ the output is y = α·τ²·(u + β)² / (‖w‖² + ‖x‖²) with u
standard normal, so

    E[y²] = 1   for   α = (‖w‖² + ‖x‖²) / (τ²·√(β⁴ + 6β² + 3)).

This determines α for any σ and β, which are chosen as follows.

- σ. Let the mean square of the input be r where 1 was expected. Without a bias that of the output
  is then (r·(1 + σ²) / (σ² + r))²; its fixed points are 1 and σ⁴, its slope at 1 is 2σ² / (1 + σ²).
  With σ = 1 the two coincide, and a signal that is slightly too weak vanishes. With σ = 1/3 the
  slope is 0.2, and every signal with an rms above 1/9 returns to 1 within a few layers. With much
  smaller kernels the distance would hardly depend on the kernel.
- β. Two inputs with the cosine c have outputs with the cosine
  E[(u + β)²(v + β)²] / (β⁴ + 6β² + 3), u and v normal with covariance c. The slope of this at
  c = 1, which is also the factor by which the mean square of a gradient grows from layer to layer,
  is 4(1 + β²) / (β⁴ + 6β² + 3): 4/3 without a bias, and 1 for β = √(√2 - 1) = 0.6436. There
  gradients neither grow nor vanish, and the distance between close inputs is preserved.

The kernel multiplier. Entries of w are larger than those of Glorot's or He's kernels, whose size
falls with the number of weights. A step of Adam moves each entry by about the learning rate η, so
that w would move more slowly, relative to its size, than a kernel of a Dense layer. Therefore the
trained variable is v, with w = s·v.

- Adam moves w by s·η: relative to its size by s·η / σ, and a He kernel by η·√(fan_in / 2).
- SGD moves v by η·s·g where g is the gradient in w, so w by η·s²·g. For the same input the output
  changes by η·s²·‖x‖²·(∂y/∂z)², z = ⟨w, x⟩ + b. With the critical bias E[(∂y/∂z)²] = 1 / τ², so
  that this is η·s² / σ² for an input of rms 1. In a Dense layer with ReLU it is η·‖x‖² / 2, as half
  of its neurons are active.

Both agree for s = σ·√(fan_in / 2), where v starts with He's variance, 2 / fan_in. But outputs of a
Yat layer keep rms 1, and their slopes vary more between inputs than those of ReLU (0 or 1), so that
SGD at a rate near the largest stable one for ReLU (0.1, momentum 0.9) sometimes fails: alpha, along
which all outputs move together, overshoots 0, and the layer outputs almost 0 from then on. Test
accuracies of dense networks on MNIST and Fashion-MNIST (`python -m benchmarks.rates`, with this
constant changed), where s² = c·σ²·fan_in: with c = 1/2 three
of 30 failed in this way, with 0.3 none of 30, with 1/4 none of 15, but at 1/4 they were 0.3 points
behind ReLU with Adam at 1e-4. Therefore s = σ·√(0.3·fan_in): a step of Adam is 0.77 times, and one
of SGD 0.6 times that of a ReLU layer.

A recurrent cell computes pre-activations of its gates from Yat products instead of linear ones,
whose outputs change by η·‖x‖²: there s = σ·√fan_in.

Factorized kernels (separable convolutions): W[k, c, f] = Σ_m D[k, c, m]·P[c, m, f], the sum over
d = `depth_multiplier` terms. With `YatNormal` for D and variance 1/d for P, entries of W have the
variance σ² and are not correlated, so that ‖W‖² and the variance of ⟨W, X⟩ are as above. A larger D
and a smaller P, with their multipliers, would be the same. Each factor has its own multiplier, for
the number of its terms in a product, K taps of the window for D and channels·d for P: a step of SGD
in P changes an output by η·s_P²·Σt² / τ², where t are the outputs of the depthwise convolution and
τ² is Σt² / d, so by η·s_P²·d, and one in D in the same way by η·s_D² / σ².
"""

import math
from typing import Any

import keras

from keras_yat import _validate
from keras_yat._keras_compat import RandomNormal
from keras_yat._register import register
from keras_yat._types import Config, Identifier

__all__ = ["YatNormal", "get"]

_KERNEL_SCALE = 1.0 / 3.0
_CRITICAL_BIAS = math.sqrt(math.sqrt(2.0) - 1.0)


@register()
class YatNormal(RandomNormal):
    """Normal distribution with a third of the scale of the input: `N(0, (input_scale / 3)²)`.

    The scale does not depend on the number of weights of a neuron, and neither does the output of
    a Yat neuron: with kernels whose entries shrink with that number (Glorot, He) the outputs shrink
    from layer to layer until they are 0. A Yat layer with this initializer starts its bias at
    `0.6436·√entries·input_scale·σ`, and its alpha such that outputs have rms 1 and gradients keep
    their size in any number of layers. It trains the kernel over a constant factor, for which the
    usual learning rates are suitable (`kernel_multiplier`). Derivations are at the top of this
    module. With other initializers bias and alpha start at 0 and 1, and the factor is 1.

    Args:
        input_scale: rms of the input of the layer, above 0: 1 after another Yat layer or a
            normalization, about 0.35 for images in [0, 1].
        seed: Int, `keras.random.SeedGenerator`, or None for a random one.

    Raises:
        ValueError: If `input_scale` is not a number above 0.

    Example:

    >>> layer = keras_yat.YatDense(4, kernel_initializer=keras_yat.initializers.YatNormal(seed=1))
    >>> layer(np.ones((2, 3), dtype="float32")).shape == (2, 4)
    True

    Reference:
        This package, by the method of S. Schoenholz et al., Deep Information Propagation, 2017,
        arXiv:1611.01232.
    """

    def __init__(self, input_scale: float = 1.0, seed: Any = None) -> None:
        self.input_scale: float = _validate.number("input_scale", input_scale, above=0.0)
        super().__init__(stddev=_KERNEL_SCALE * self.input_scale, seed=seed)

    def get_config(self) -> Config:
        seed = super().get_config()["seed"]
        return {"input_scale": self.input_scale, "seed": seed}

    def default_bias_and_alpha(
        self,
        entries: int,
        fan_in: float,
        normalize: str | None,
        bias: float | None = None,
        mean_square: float = 1.0,
    ) -> tuple[float, float]:
        """The starting values of bias and alpha that match this initializer.

        Args:
            entries: Number of weights of a neuron.
            fan_in: Average number of input entries in an inner product.
            normalize: Argument of the layer.
            bias: A given bias; None: the default.
            mean_square: That of the kernel relative to the one of this initializer: less than 1 for
                a ternary kernel.

        Returns:
            The bias and alpha.
        """
        kernel, inputs, deviation = self._sizes(entries, fan_in, normalize, mean_square)
        if bias is None:
            bias = _CRITICAL_BIAS * deviation
        alpha = (kernel + inputs) / (deviation**2 * _rms(bias / deviation))
        return bias, alpha

    def kernel_multiplier(self, fan_in: float, step: float = 0.3) -> float:
        """The factor s between the trained variable v and the kernel w = s·v.

        Args:
            fan_in: Average number of input entries in an inner product.
            step: The change of an output by a step of SGD, relative to that of a linear layer with
                the same input: 0.3 for layers, 1 for pre-activations in recurrent cells.

        Returns:
            The factor.
        """
        return self.stddev * math.sqrt(step * fan_in)

    def bias_for_output(self, output: float, entries: int, normalize: str | None) -> float:
        """The bias for which a neuron outputs `output` on average, with the default alpha.

        Args:
            output: The average output. Below the least possible one the bias is 0.
            entries: Number of weights of a neuron.
            normalize: Argument of the layer.

        Returns:
            The bias.
        """
        _, _, deviation = self._sizes(entries, entries, normalize)
        return deviation * math.sqrt(max(output * _rms(_CRITICAL_BIAS) - 1.0, 0.0))

    def _sizes(self, entries, fan_in, normalize, mean_square=1.0):
        """‖w‖², ‖x‖² and the standard deviation of ⟨w, x⟩."""
        kernel = entries * mean_square * self.stddev**2 if normalize is None else 1.0
        inputs = fan_in * self.input_scale**2 if normalize != "sphere" else 1.0
        return kernel, inputs, math.sqrt(kernel * inputs / entries)


def _rms(beta):
    """The rms of (u + β)², u standard normal."""
    return math.sqrt(beta**4 + 6.0 * beta**2 + 3.0)


def matching_pointwise(depthwise: Any, depth_multiplier: int) -> Any:
    """The default initializer of a pointwise kernel beside that of the depthwise kernel.

    With `YatNormal` it has the variance 1 / depth_multiplier: see the top of this module.
    """
    if isinstance(depthwise, YatNormal):
        return YatNormal(1.0 / _KERNEL_SCALE / math.sqrt(depth_multiplier))
    return keras.initializers.GlorotUniform()


_NAMES = {"yat_normal": YatNormal}


def get(identifier: Identifier | None, argument: str = "identifier", allowed: str = "be ") -> Any:
    """The initializer for a name, a configuration or an object.

    Args:
        identifier: `"yat_normal"`, or an argument of `keras.initializers.get` other than None: a
            name, an initializer, its configuration, a callable.
        argument: Name of the argument in an error message.
        allowed: Start of the allowed values in an error message.

    Returns:
        A copy of the initializer: Keras's initializers are stateless, and the same object would
        give two weights the same values.

    Raises:
        ValueError: If there is no such initializer.

    Example:

    >>> keras_yat.initializers.get("yat_normal").input_scale
    1.0
    """
    allowed += "an initializer or the name or config of one"
    if identifier is None:
        _validate.invalid_argument(argument, allowed, identifier)
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]()
    try:
        initializer = keras.initializers.get(identifier)
    except (ValueError, TypeError):
        _validate.invalid_argument(argument, allowed, identifier)
    return initializer.clone() if hasattr(initializer, "clone") else initializer
