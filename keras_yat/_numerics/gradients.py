"""Precision and gradients of a formula.

An activation is a formula. The decorators here add the rest: arithmetic in float32 or wider,
a result in the dtype of the input, and a backward pass that keeps the input and the parameters
instead of every intermediate of the formula.

- `recomputed`: the backend derives the gradient and evaluates the formula again for it.
- `with_derivatives`: hand-written derivatives, entry by entry. Faster.
- `with_gradient`: a hand-written gradient as a whole, where its parts share terms.
- `full_precision`: nothing is recomputed, for a formula that keeps little anyway.
"""

import functools
import inspect
import numbers
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec

import keras
from keras import ops

from keras_yat import config
from keras_yat._backend import (
    dense_tensor,
    gradient_to_compile,
    is_compiling,
    is_tracing,
    no_gradient,
    remat,
    vary_alike,
    without_autocast,
)
from keras_yat._numerics.math import is_double
from keras_yat._numerics.row_blocks import RowBlocks
from keras_yat._numerics.sums import joint_sums, separate_sums, sum_to
from keras_yat._sizes import is_known
from keras_yat._types import Tensor

P = ParamSpec("P")
Formula = Callable[P, Tensor]


def full_precision(formula: Formula[P]) -> Formula[P]:
    """Decorates a formula `f(x, *parameters, **constants)`: computed in float32 or wider."""
    return _decorated(formula, lambda call: call.value(*call.tensors))


def recomputed(formula: Formula[P]) -> Formula[P]:
    """As `full_precision`, and the backward pass evaluates the formula again."""

    def evaluate(call):
        if not custom_gradients() and not is_compiling():
            return call.value(*call.tensors)
        return remat(call.value)(*call.tensors)

    return _decorated(formula, evaluate)


def with_derivatives(
    derivatives: Callable[..., tuple], derived_on_torch: bool = False
) -> Callable[[Formula[P]], Formula[P]]:
    """Decorates a formula `f(x, *parameters, **constants)` that works entry by entry.

    `derivatives(x, *parameters, **constants)` returns df/dx and df/dp for each parameter, in order,
    of the broadcast shape. `derived_on_torch`: torch, not compiled, is faster with its own.
    """

    def gradient(upstream, x, *parameters, **constants):
        return tuple(upstream * slope for slope in derivatives(x, *parameters, **constants))

    def decorate(formula):
        return _decorated(
            formula,
            lambda call: call.with_gradient(
                gradient, RowBlocks(call.tensors).evaluate, separate_sums, derived_on_torch
            ),
        )

    return decorate


def with_gradient(
    gradient: Callable[..., tuple], derived_on_torch: bool = False
) -> Callable[[Formula[P]], Formula[P]]:
    """Decorates a formula `f(x, *parameters, **constants)`.

    `gradient(upstream, x, *parameters, **constants)` returns the gradients in x and in each
    parameter, before they are summed over broadcast axes; it may return None for a parameter that
    is a Python number. Gradients share costly terms. `derived_on_torch`: see `with_derivatives`.
    """

    def decorate(formula):
        return _decorated(
            formula,
            lambda call: call.with_gradient(gradient, _at_once, joint_sums, derived_on_torch),
        )

    return decorate


def _at_once(function, *tensors):
    return function(*tensors)


def _decorated(formula: Formula[P], evaluate: Callable[["_Call"], Tensor]) -> Formula[P]:
    """`formula`, each call of which is evaluated by `evaluate`."""
    signature = inspect.signature(formula)
    every = signature.parameters.values()
    ordered = [p.name for p in every if p.kind is p.POSITIONAL_OR_KEYWORD]
    defaults = {p.name: p.default for p in every if p.default is not p.empty}
    required = {p.name for p in every if p.default is p.empty}
    known = required | defaults.keys()

    @functools.wraps(formula)
    def function(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        given = {**dict(zip(ordered, args, strict=False)), **kwargs}
        twice = len(given) != len(args) + len(kwargs)
        if twice or not required <= given.keys() <= known:
            # Raises the error. torch cannot trace it.
            signature.bind(*args, **kwargs)
        given = {**defaults, **given}
        x, *parameters = [given.pop(name) for name in ordered]
        return evaluate(_Call(formula, x, parameters, given))

    return function


class _Call:
    """A call of a formula as a function of tensors alone.

    Attributes:
        tensors: x and the parameters that are not Python numbers.
    """

    def __init__(self, formula, x, parameters, constants):
        x = as_tensor(x)
        self._formula, self._constants = formula, constants
        self._result_dtype = keras.backend.standardize_dtype(x.dtype)
        self._dtype = at_least_float32(x)
        self._parameters = [as_parameter(p) for p in parameters]
        self._places = [i for i, p in enumerate(self._parameters) if not isinstance(p, float)]
        given = (ops.cast(self._parameters[place], self._dtype) for place in self._places)
        self.tensors = [x, *given]

    def value(self, *tensors):
        """The formula, in the dtype of the input."""
        value = self._formula(*self._arguments(tensors), **self._constants)
        return ops.cast(value, self._result_dtype)

    def with_gradient(self, gradient, evaluate, sums, derived_on_torch):
        """The value with a custom gradient.

        Both by `evaluate(function, *tensors)`; `sums` sums the gradients of the parameters.
        """
        if _is_derived(derived_on_torch) or not _shapes_known(self.tensors):
            return self.value(*self.tensors)

        def backward(upstream, *tensors):
            upstream = ops.cast(upstream, self._dtype)
            every = gradient(upstream, *self._arguments(tensors), **self._constants)
            wanted = [every[place + 1] for place in self._places]
            return (sum_to(every[0], tensors[0]), *sums(wanted, tensors[1:]))

        return with_custom_gradient(
            lambda *tensors: (evaluate(self.value, *tensors), None),
            lambda upstream, _, *tensors: evaluate(backward, upstream, *tensors),
        )(*self.tensors)

    def _arguments(self, tensors):
        """The positional arguments of the formula: `tensors` in their places, and the numbers."""
        x, *given = tensors
        every = list(self._parameters)
        for place, tensor in zip(self._places, given, strict=True):
            every[place] = tensor
        return [ops.cast(x, self._dtype), *every]


def _is_derived(derived_on_torch):
    """Whether the backend derives the gradient of a formula, by its `derived_on_torch`."""
    if is_compiling() or not custom_gradients():
        return config.backward_pass() == "derived"
    # torch runs each operation by itself.
    own = derived_on_torch and keras.backend.backend() == "torch"
    return own and config.backward_pass() == "speed"


def _shapes_known(tensors):
    """Whether all ranks and the parameters' shapes are known."""
    return ranks_known(tensors) and all(is_known(*p.shape) for p in tensors[1:])


def ranks_known(tensors: Sequence[Tensor]) -> bool:
    """Whether the ranks of tensors are known while TensorFlow traces."""
    return all(getattr(t.shape, "rank", 0) is not None for t in tensors)


def with_custom_gradient(
    forward: Callable, backward: Callable, constants: Sequence[Tensor] = ()
) -> Callable:
    """A function of tensors with a custom gradient, unless these are disabled.

    `forward(*tensors)` returns the value and what the backward pass needs beside the tensors;
    `backward(upstream, kept, *tensors)` returns the gradients of the tensors. Second derivatives
    are right only where `backward` computes from the tensors. Both get `constants`, tensors of
    integers or booleans, before the others: JAX does not allow closing over such tensors.
    """
    count = len(constants)

    def computed(*tensors):
        with without_autocast(tensors[-1]):
            return forward(*tensors)

    def with_gradient(*tensors):
        value, kept = computed(*tensors)

        def grad(*args, upstream=None):
            # JAX and TensorFlow pass the upstream gradient alone. torch passes the saved
            # arguments too: only with those are second derivatives right.
            if upstream is None:
                (upstream,), args = args, tensors
            with without_autocast(upstream):
                gradients = backward(upstream, kept, *args)
            return (*map(no_gradient, args[:count]), *gradients) if count else gradients

        return value, grad

    def of_all(upstream, kept, *tensors):
        gradients = backward(upstream, kept, *tensors)
        return (*[None] * count, *(gradients if isinstance(gradients, tuple) else [gradients]))

    # JAX's gradient of integers has their shape.
    known = keras.backend.backend() != "jax" or all(is_known(*c.shape) for c in constants)
    if is_compiling() and config.backward_pass() != "derived":
        return functools.partial(gradient_to_compile(computed, of_all), *constants)
    if not custom_gradients() or not known:
        return lambda *tensors: computed(*constants, *tensors)[0]
    function = ops.custom_gradient(with_gradient)

    def call(*tensors):
        if not vary_alike([*constants, *tensors]):
            return computed(*constants, *tensors)[0]
        return function(*constants, *tensors)

    return call


def custom_gradients() -> bool:
    """Whether hand-written backward passes are used: enabled, and not in a graph of torch."""
    return config.backward_pass() != "derived" and not is_tracing() and not _derived.get()


_derived: ContextVar[bool] = ContextVar("derived", default=False)


@contextmanager
def derived_gradients() -> Iterator[None]:
    """A scope in which the backend derives all gradients."""
    if is_tracing():  # It does anyway. torch cannot trace the rest.
        yield
        return
    token = _derived.set(True)
    try:
        yield
    finally:
        _derived.reset(token)


def at_least_float32(x: Tensor) -> str:
    """The dtype in which `x` is computed with: float32, or float64 for float64."""
    return "float64" if is_double(x) else "float32"


def as_tensor(x: Tensor) -> Tensor:
    """`x` as a tensor of floats. Integers and booleans become `floatx`."""
    # A copy of a variable: TensorFlow's custom gradients refuse variables.
    x = ops.copy(x) if isinstance(x, keras.Variable) else dense_tensor(x)
    if keras.backend.is_float_dtype(x.dtype):
        return x
    return ops.cast(x, keras.config.floatx())


def as_parameter(p: Any) -> Any:
    """`p` as a Python float, which needs no gradient, or as a tensor of float32 or wider."""
    if isinstance(p, numbers.Real):
        return float(p)
    p = as_tensor(p)
    return p if is_double(p) else ops.cast(p, "float32")
