"""xIELU: the integral of ELU, with learned curvatures (A. H. Huang, I. Schlag, 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Unpack

import keras

from keras_yat import _validate
from keras_yat._numerics.gradients import with_derivatives
from keras_yat._numerics.math import expm1, negative_and_positive
from keras_yat._register import register
from keras_yat._space import Float, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._base import Limits, TrainableActivation


def _derivatives(x, alpha_p, alpha_n, beta):
    negative, positive = negative_and_positive(x)
    decay = expm1(negative)
    by_x = 2.0 * alpha_p * positive + alpha_n * decay + beta
    return by_x, positive * positive, decay - negative, negative + positive


@register("xielu")
@with_derivatives(_derivatives)
def xielu(
    x: Tensor,
    alpha_p: float | Tensor = 0.8,
    alpha_n: float | Tensor = 0.8,
    beta: float | Tensor = 0.5,
) -> Tensor:
    """xIELU: `alpha_p·x² + beta·x` for x > 0, `alpha_n·(exp(x) - 1 - x) + beta·x` for x ≤ 0.

    Args:
        x: A tensor of any shape.
        alpha_p: Curvature for x > 0: a number, or a tensor that broadcasts with `x`.
        alpha_n: Curvature for x ≤ 0.
        beta: Slope at x = 0.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:

    >>> keras_yat.activations.xielu([-1.0, 0.0, 1.0])

    Reference:
        A. H. Huang, I. Schlag, Deriving Activation Functions Using Integration, 2024,
        arXiv:2411.13010.
    """
    negative, positive = negative_and_positive(x)
    # Not alpha_p·(x·x): 0·inf would be NaN.
    curved = alpha_p * positive * positive + alpha_n * (expm1(negative) - negative)
    return curved + beta * (negative + positive)


@register("xielu")
class XIELU(TrainableActivation):
    """xIELU: `alpha_p·x² + beta·x` for x > 0, `alpha_n·(exp(x) - 1 - x) + beta·x` for x ≤ 0.

    The integral of a trainable ELU: the slope is 2·alpha_p·x + beta for x > 0, and falls to
    beta - alpha_n for x → -∞. Value and slope are continuous, and 0 and beta at x = 0. It grows
    with the square of x: in float16 the output overflows beyond x of about 286, at the starting
    values. The authors use it in the feed-forward layers of language models, behind a
    normalization.

    Default bounds: alpha_p ≥ 0 and alpha_n ≥ 0.5, the default beta, so that the function has a
    minimum at or below x = 0, as the authors require. Set `bounds` for another beta.

    Differs from the paper: there the trained variables are the inverse softplus of alpha_p and of
    alpha_n - beta. Here the curvatures are trained themselves, with the same limits as bounds. The
    authors' code also computes exp(x) - 1 as at -1e-6 for x in (-1e-6, 0], which is not needed
    here. Starting values and beta are theirs.

    Args:
        alpha_p: Starting value of the curvature for x > 0: a number, or a Keras initializer.
        alpha_n: Starting value of the curvature for x ≤ 0.
        beta: Slope at x = 0, a number, not trained.
        axis: None for a single set of parameters, or the axis of the channels (int, not 0) for a
            set per channel.
        bounds: Limits of the parameters: a dict from a parameter's name to (low, high), or to None
            for no limits. Either of low and high may be None. Parameters left out keep their
            default bounds.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If a starting value is out of its bounds, or an argument has another type
            than described.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.XIELU())
    >>> per_channel = keras_yat.XIELU(alpha_p=0.5, axis=-1)

    Reference:
        A. H. Huang, I. Schlag, Deriving Activation Functions Using Integration, 2024,
        arXiv:2411.13010.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(xielu)
    default_bounds: ClassVar[Mapping[str, Limits]] = {
        "alpha_p": (0.0, None),
        "alpha_n": (0.5, None),
    }
    search_space: ClassVar[Space] = {"alpha_p": Float(0.1, 2.0), "alpha_n": Float(0.5, 2.0)}
    alpha_p: keras.Variable
    alpha_n: keras.Variable

    def __init__(
        self,
        alpha_p: StartingValue = 0.8,
        alpha_n: StartingValue = 0.8,
        beta: float = 0.5,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            {"alpha_p": alpha_p, "alpha_n": alpha_n},
            axis=axis,
            bounds=bounds,
            **kwargs,
        )
        self.beta: float = _validate.number("beta", beta)

    def _settings(self) -> dict[str, Any]:
        return {"beta": self.beta}
