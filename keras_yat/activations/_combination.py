"""The base of LinComb and NormLinComb: weighted sums of functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics import math
from keras_yat._numerics.gradients import as_parameter, full_precision
from keras_yat._register import FUNCTIONS, LAYERS
from keras_yat._types import Bounds, Config, Shape, StartingValue, Tensor
from keras_yat.activations._base import TrainableActivation
from keras_yat.activations._lookup import get

DEFAULT_FUNCTIONS = ("relu", "sigmoid", "tanh", "softsign")


class Combination(TrainableActivation):
    """Abstract: a weighted sum of functions with trained coefficients.

    A subclass sets its `function`, and returns from `_settings` the arguments of the function
    other than coefficients and functions.
    """

    coefficients: keras.Variable

    def __init__(
        self,
        coefficients: StartingValue | None,
        functions: Sequence[str | Callable[..., Any]],
        axis: int | None,
        bounds: Bounds | None,
        **kwargs: Any,
    ) -> None:
        count = len(_checked_functions(functions))
        if coefficients is None:
            coefficients = 1.0 / count
        shapes = {"coefficients": (count,)}
        super().__init__({"coefficients": coefficients}, axis, bounds, shapes, **kwargs)
        # Not the compute dtype: the sum is rounded once, at its end.
        self.functions: list[Callable[..., Any]] = resolve(
            functions, lambda n: LAYERS[n](dtype=self._parameter_dtype)
        )

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        for function in self.functions:
            if isinstance(function, keras.layers.Layer) and not function.built:
                function.build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        coefficients = self._parameter("coefficients", inputs)
        outputs = type(self).function(inputs, coefficients, self.functions, **self._settings())
        return ops.cast(outputs, self.compute_dtype)

    def get_config(self) -> Config:
        functions = [keras.activations.serialize(f) for f in self.functions]
        return {**super().get_config(), "functions": functions}


def resolve(functions: Any, own: Callable[[str], Callable]) -> list[Callable]:
    """The functions of a combination; `own` looks up a name of this package."""
    functions = _checked_functions(functions)
    return [own(f) if isinstance(f, str) and f in LAYERS else get(f) for f in functions]


def _checked_functions(functions):
    if isinstance(functions, (str, bytes)) or not isinstance(functions, Sequence) or not functions:
        _validate.invalid_argument(
            "functions", "be a non-empty list of functions or of their names", functions
        )
    return functions


def combine(
    x: Tensor,
    coefficients: Any,
    functions: Any,
    normalize: Callable[[Tensor], Tensor] = lambda coefficients: coefficients,
) -> Tensor:
    """`Σ w_i·F_i(x)`, with `normalize` applied to the coefficients w."""
    functions = resolve(functions, FUNCTIONS.__getitem__)
    coefficients = normalize(_checked_coefficients(coefficients, functions))
    return _combine(x, coefficients, functions=functions)


def _checked_coefficients(values, functions):
    if values is None:
        values = [1.0 / len(functions)] * len(functions)
    values = as_parameter(values)
    length = None if isinstance(values, float) or not values.shape else values.shape[0]
    if length != len(functions):
        _validate.invalid_argument(
            "coefficients",
            f"have one entry for each of the {len(functions)} functions along its first axis",
            values if length is None else tuple(values.shape),
        )
    return values


def _softsign(x):
    return x / (1.0 + ops.abs(x))


# Keras's tanh reduces float64 on JAX; its softsign has no second derivative on TensorFlow.
_BETTER = {keras.activations.tanh: math.tanh, keras.activations.softsign: _softsign}


@full_precision
def _combine(x, coefficients, *, functions):
    outputs = (ops.cast(_BETTER.get(f, f)(x), x.dtype) for f in functions)
    terms = [coefficients[i] * output for i, output in enumerate(outputs)]
    return sum(terms[1:], start=terms[0])
