"""NormLinComb: LinComb with normalized coefficients (E. Pishchik, 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

from keras import ops

from keras_yat import _validate
from keras_yat._register import register
from keras_yat._space import Choice, Float, FloatList, Space
from keras_yat._types import Bounds, LayerOptions, StartingValue, Tensor
from keras_yat.activations._combination import DEFAULT_FUNCTIONS, Combination, combine

NORMS = ("l2", "l1", "sum")

FLOOR = 1e-3
"""The least magnitude of a norm: where coefficients cancel, the output stays finite."""


def _norm(coefficients, norm):
    if norm == "l2":
        squares = ops.sum(coefficients * coefficients, axis=0)
        small = squares < FLOOR**2
        # The slope of the root is infinite at 0: the root never gets a 0.
        return ops.sqrt(ops.where(small, FLOOR**2 * ops.ones_like(squares), squares))
    size = ops.sum(ops.abs(coefficients) if norm == "l1" else coefficients, axis=0)
    floor = ops.where(size < 0, -FLOOR, FLOOR)
    return ops.where(ops.abs(size) < FLOOR, ops.cast(floor, size.dtype), size)


@register("norm_lincomb")
def norm_lincomb(
    x: Tensor,
    coefficients: Sequence[float] | Tensor | None = None,
    functions: Sequence[str | Callable[..., Any]] = DEFAULT_FUNCTIONS,
    norm: str = "l2",
) -> Tensor:
    """NormLinComb: `Σ w_i·F_i(x) / ‖w‖` with w = `coefficients`.

    Args:
        x: A tensor of any shape.
        coefficients: A tensor or list with one entry for each function along its first axis;
            further axes broadcast with `x`. None: 1/k each, with k functions.
        functions: A list of functions of one tensor, or of their names.
        norm: `"l2"` (√Σw²), `"l1"` (Σ|w|) or `"sum"` (Σw, with its sign), along the first axis.
            Its magnitude is at least 1e-3.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: If `functions` is empty or not a list, a name or the norm is unknown, or
            `coefficients` has another length.

    Example:

    >>> keras_yat.activations.norm_lincomb([-1.0, 0.0, 1.0], norm="sum")

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """
    _validate.one_of("norm", norm, NORMS)
    return combine(x, coefficients, functions, lambda w: w / _norm(w, norm))


@register("norm_lincomb")
class NormLinComb(Combination):
    """NormLinComb: `Σ w_i·F_i(x) / ‖w‖` with trained coefficients w.

    Unlike in LinComb, only the proportions of the coefficients matter, not their scale: weight
    decay on them does not shrink the output.

    Differs from the authors' code: the paper has a norm, the code divides by the signed sum, which
    can cross 0 and flip the sign of the layer. The default is the paper's, `norm="l2"`; the code's
    is `norm="sum"`. The magnitude of a norm is at least 1e-3, so that the output stays finite.

    Args:
        coefficients: Starting values: a number for all, a list with one for each function, or a
            Keras initializer of shape (k,), or (k, channels) with an `axis`. None: 1/k with k
            functions.
        functions: A list of functions of one tensor, layers, or names of
            `keras_yat.activations.names()` or of Keras. Each name of this package becomes a new
            layer that computes in float32 or wider; a given layer computes in the precision of its
            policy. Register a custom function with Keras, so that a saved model loads.
        norm: `"l2"` (√Σw²), `"l1"` (Σ|w|) or `"sum"` (Σw, with its sign).
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
        ValueError: If `functions` is empty or not a list, a name or the norm is unknown, a
            starting value is out of its bounds, or an argument has another type than described.

    Example:

    >>> keras_yat.NormLinComb(norm="sum")(keras.ops.array([-1.0, 0.0, 1.0]))

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(norm_lincomb)
    # Positive coefficients: their sum, a divisor, is not small.
    search_space: ClassVar[Space] = {
        "coefficients": FloatList(Float(0.05, 1.0), len(DEFAULT_FUNCTIONS), per="functions"),
        "norm": Choice.of(*NORMS),
    }

    def __init__(
        self,
        coefficients: StartingValue | None = None,
        functions: Sequence[str | Callable[..., Any]] = DEFAULT_FUNCTIONS,
        norm: str = "l2",
        axis: int | None = None,
        bounds: Bounds | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(coefficients, functions, axis, bounds, **kwargs)
        self.norm: str = _validate.one_of("norm", norm, NORMS)

    def _settings(self) -> dict[str, Any]:
        return {"norm": self.norm}
