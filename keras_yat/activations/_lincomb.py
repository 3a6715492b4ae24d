"""LinComb: a learned weighted sum of functions (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

from keras_yat._register import register
from keras_yat._space import Float, FloatList, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._combination import DEFAULT_FUNCTIONS, Combination, combine


@register("lincomb")
def lincomb(
    x: Tensor,
    coefficients: Sequence[float] | Tensor | None = None,
    functions: Sequence[str | Callable[..., Any]] = DEFAULT_FUNCTIONS,
) -> Tensor:
    """LinComb: `Σ w_i·F_i(x)` with w = `coefficients`.

    Args:
        x: A tensor of any shape.
        coefficients: A tensor or list with one entry for each function along its first axis;
            further axes broadcast with `x`. None: 1/k each, with k functions.
        functions: A list of functions of one tensor, or of their names: the names of this
            package, with their starting values, or Keras's.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If `functions` is empty or not a list, a name is unknown, or `coefficients`
            has another length.

    Example:

    >>> keras_yat.activations.lincomb([-1.0, 0.0, 1.0], [1.0, 0.5], ["relu", "tanh"])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    return combine(x, coefficients, functions)


@register("lincomb")
class LinComb(Combination):
    """LinComb: `Σ w_i·F_i(x)` with trained coefficients w.

    Training mixes the functions; the coefficients show which of them it selected. With the
    default functions (ReLU, sigmoid, tanh, softsign) the output is 0.125, not 0, at x = 0.

    Differs from the authors' code: any functions are allowed, also with parameters. The starting
    coefficients are 1/k for k functions. They are not called `weights`, as in the authors' code,
    because `keras.layers.Layer` has an attribute of that name.

    Args:
        coefficients: Starting values: a number for all, a list with one for each function, or a
            Keras initializer of shape (k,), or (k, channels) with an `axis`. None: 1/k.
        functions: A list of functions of one tensor, layers, or names of
            `keras_yat.activations.names()` or of Keras. Each name of this package becomes a new
            layer that computes in float32 or wider; a given layer computes in the precision of its
            policy. Register a custom function with Keras, so that a saved model loads.
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
        ValueError: If `functions` is empty or not a list, a name is unknown, a starting value is
            out of its bounds, or an argument has another type than described.

    Example:

    >>> starts_as_relu = keras_yat.LinComb(coefficients=[1, 0, 0, 0])
    >>> mixed = keras_yat.LinComb(functions=["gelu", "nami"])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(lincomb)
    search_space: ClassVar[Space] = {
        "coefficients": FloatList(Float(-1.0, 1.0), len(DEFAULT_FUNCTIONS), per="functions")
    }

    def __init__(
        self,
        coefficients: StartingValue | None = None,
        functions: Sequence[str | Callable[..., Any]] = DEFAULT_FUNCTIONS,
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(coefficients, functions, axis, bounds, **kwargs)
