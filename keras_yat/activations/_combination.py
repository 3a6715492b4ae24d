"""Weighted sums of functions: LinComb and NormLinComb."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_yat import _math, _validate
from keras_yat._gradient import as_parameter, full_precision
from keras_yat._register import FUNCTIONS, LAYERS, register
from keras_yat.activations._lookup import get

DEFAULT_FUNCTIONS = ("relu", "sigmoid", "tanh", "softsign")

NORMS = ("l2", "l1", "sum")

FLOOR = 1e-3
"""The least magnitude of a norm: where coefficients cancel, the output stays finite."""


def check_functions(functions: Any) -> Sequence[str | Callable]:
    """`functions` if it is what a combination takes."""
    if isinstance(functions, (str, bytes)) or not isinstance(functions, Sequence) or not functions:
        _validate.refuse(
            "functions", "be a non-empty list of functions or of their names", functions
        )
    return functions


def resolve(functions: Any, own: Callable[[str], Callable]) -> list[Callable]:
    """The functions of a combination; a name of this package is looked up by `own`."""
    return [
        own(f) if isinstance(f, str) and f in LAYERS else get(f) for f in check_functions(functions)
    ]


def _softsign(x):
    return x / (1.0 + ops.abs(x))


# Keras's own lower float64 on JAX (tanh), or have no second derivative on TensorFlow
# (softsign).
_BETTER = {keras.activations.tanh: _math.tanh, keras.activations.softsign: _softsign}


@full_precision
def _combine(x, coefficients, *, functions):
    outputs = (ops.cast(_BETTER.get(f, f)(x), x.dtype) for f in functions)
    terms = [coefficients[i] * output for i, output in enumerate(outputs)]
    return sum(terms[1:], start=terms[0])


def _coefficients(values, functions):
    if values is None:
        values = [1.0 / len(functions)] * len(functions)
    values = as_parameter(values)
    length = None if isinstance(values, float) or not values.shape else values.shape[0]
    if length != len(functions):
        _validate.refuse(
            "coefficients",
            f"have one entry for each of the {len(functions)} functions along its first axis",
            values if length is None else tuple(values.shape),
        )
    return values


@register("lincomb")
def lincomb(x, coefficients=None, functions=DEFAULT_FUNCTIONS):
    """LinComb: `Σ w_i·F_i(x)` with w = `coefficients`.

    Args:
        x: A tensor of any shape.
        coefficients: A tensor or list with one entry for each function along
            its first axis; what is behind that axis broadcasts with `x`. None
            for 1/k each, with k functions.
        functions: A list of functions of one tensor, or of their names: the
            names of this package, here with their starting values, or Keras's.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: if `functions` is empty or not a list, a name is unknown,
            or `coefficients` has another length.

    Example:

    >>> keras_yat.activations.lincomb([-1.0, 0.0, 1.0], [1.0, 0.5], ["relu", "tanh"])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.LinComb`.
    """
    functions = resolve(functions, FUNCTIONS.__getitem__)
    return _combine(x, _coefficients(coefficients, functions), functions=functions)


@register("norm_lincomb")
def norm_lincomb(x, coefficients=None, functions=DEFAULT_FUNCTIONS, norm="l2"):
    """NormLinComb: `Σ w_i·F_i(x) / ‖w‖` with w = `coefficients`.

    Args:
        x: A tensor of any shape.
        coefficients: A tensor or list with one entry for each function along
            its first axis; what is behind that axis broadcasts with `x`. None
            for 1/k each, with k functions.
        functions: A list of functions of one tensor, or of their names.
        norm: "l2" (√Σw²), "l1" (Σ|w|) or "sum" (Σw, with its sign), taken along
            the first axis. Its magnitude counts as at least 1e-3.

    Returns:
        A tensor of the shape and dtype of `x`.

    Raises:
        ValueError: if `functions` is empty or not a list, a name or the norm is
            unknown, or `coefficients` has another length.

    Example:

    >>> keras_yat.activations.norm_lincomb([-1.0, 0.0, 1.0], norm="sum")

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1. See `keras_yat.layers.NormLinComb`.
    """
    functions = resolve(functions, FUNCTIONS.__getitem__)
    coefficients = _coefficients(coefficients, functions)
    size = _norm(coefficients, _validate.one_of("norm", norm, NORMS))
    return _combine(x, coefficients / size, functions=functions)


def _norm(coefficients, norm):
    if norm == "l2":
        squares = ops.sum(ops.square(coefficients), axis=0)
        small = squares < FLOOR**2
        # The root's slope is infinite at 0: it never sees one.
        return ops.sqrt(ops.where(small, FLOOR**2 * ops.ones_like(squares), squares))
    size = ops.sum(ops.abs(coefficients) if norm == "l1" else coefficients, axis=0)
    floor = ops.where(size < 0, -FLOOR, FLOOR)
    return ops.where(ops.abs(size) < FLOOR, ops.cast(floor, size.dtype), size)
