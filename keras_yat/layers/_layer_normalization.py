"""Normalization of each example by the root mean square of its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from keras import ops

from keras_yat import _validate
from keras_yat._numerics.formula import max_abs
from keras_yat._register import register
from keras_yat._types import Identifier, LayerOptions, Tensor
from keras_yat.layers._base_normalization import BaseYatNormalization, count_of


@register()
class YatLayerNormalization(BaseYatNormalization):
    """Divides each example by the rms of its features: `gamma·x / √(mean(x²) + epsilon)`.

    No centring and no shift: outputs of Yat layers stay non-negative, and have the rms 1 that
    `keras_yat.initializers.YatNormal(1.0)`, the default of the Yat layers, expects of an input.
    With the default arguments it is the formula of `keras.layers.RMSNormalization`; unlike that
    layer it passes masks on, has all options of gamma, is exact in float64 on every backend, and
    stays finite where squares overflow float32.

    Args:
        axis: The axes over which the mean is taken, and of gamma: an int, or ints, without the axis
            of the batch.
        epsilon: Added to the mean square: a number above 0, in squared units of the input. Inputs
            with an rms far below its root are not brought to rms 1.
        scale: Whether the output is multiplied by a trained gamma. False: for no gamma.
        gamma_initializer: Initializer of gamma.
        gamma_regularizer: Regularizer of gamma, or None.
        gamma_constraint: Constraint on gamma, or None. `"non_neg"` keeps the output of a Yat layer
            non-negative in training too.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, of rank 2 or more.

    Output shape:
        That of the input.

    Raises:
        ValueError: If an argument is out of range, the input does not have the axes, or their size
            is unknown.

    Example:

    >>> pixels = np.random.default_rng(0).integers(256, size=(4, 784)).astype("float32")
    >>> layer = keras_yat.YatLayerNormalization()
    >>> y = keras.ops.convert_to_numpy(layer(pixels))
    >>> np.allclose(np.sqrt(np.mean(y**2, axis=-1)), 1.0, atol=1e-5)
    True

    Reference:
        B. Zhang and R. Sennrich, Root Mean Square Layer Normalization, 2019; arXiv:1910.07467.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        scale: bool = True,
        gamma_initializer: Identifier = "ones",
        gamma_regularizer: Identifier | None = None,
        gamma_constraint: Identifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        axes = _validate.ints("axis", axis)
        super().__init__(
            axis=axes[0] if len(axes) == 1 else axes,
            epsilon=epsilon,
            scale=scale,
            gamma_initializer=gamma_initializer,
            gamma_regularizer=gamma_regularizer,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )

    def call(self, inputs: Tensor) -> Tensor:
        return self._apply(inputs, None, None)

    def _normalized(self, x: Tensor, training: bool | None, mask: Tensor | None) -> Any:
        axes = self._axes(x.shape)
        # Squares of numbers above 1e19 overflow float32. The result does not depend on this
        # factor, so neither does the gradient.
        largest = max_abs(x, axes)
        factor = ops.where(largest > 1.0, largest, ops.ones_like(largest))
        x = x / factor
        mean = ops.sum(ops.square(x), axis=axes, keepdims=True) / count_of(x, axes)
        return x / ops.sqrt(mean + ops.square(self.epsilon**0.5 / factor))
