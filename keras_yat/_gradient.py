"""Precision and gradients of an activation, written once.

An activation is a formula and its derivatives. What is here adds the rest: at
least float32 inside, the result in the input's dtype, and a gradient that is
computed from the input and the parameters alone, so that nothing else is kept
for the backward pass.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from keras_yat import config
from keras_yat._math import is_double


def pointwise(derivatives: Callable[..., tuple]) -> Callable[[Callable], Callable]:
    """Decorates a formula `f(x, *parameters, **constants)` that works entry by entry.

    `derivatives(x, *parameters, **constants)` gives df/dx and df/dp for each
    parameter, in the order of the arguments, each of the broadcast shape.
    """

    def gradient(upstream, x, *parameters, **constants):
        return tuple(upstream * slope for slope in derivatives(x, *parameters, **constants))

    return differentiable(gradient, by_row=True)


def full_precision(formula: Callable) -> Callable:
    """Decorates a formula whose gradient is left to the backend."""
    return differentiable(None)(formula)


def differentiable(
    gradient: Callable[..., tuple] | None,
    costly: bool = False,
    by_row: bool = False,
    aligned: bool = False,
) -> Callable[[Callable], Callable]:
    """Decorates a formula `f(x, *parameters, **constants)`.

    `gradient(upstream, x, *parameters, **constants)` gives the gradients of x
    and of each parameter, before they are summed over what was broadcast; for
    a parameter that is a Python number it may give None. Keyword-only
    arguments of the formula are constants. `costly` says that the parameters'
    gradients share terms too dear to compute once for each; `by_row`, that a
    row (an entry of the first axis) depends on no other row; `aligned`, that an
    axis of unknown size has the same size in every argument that has it.
    """

    def decorate(formula: Callable) -> Callable:
        signature = inspect.signature(formula)

        @functools.wraps(formula)
        def activation(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            x, *parameters = bound.args
            return _evaluate(
                formula,
                gradient,
                x,
                parameters,
                bound.kwargs,
                costly=costly,
                by_row=by_row,
                aligned=aligned,
            )

        return activation

    return decorate


def _evaluate(formula, gradient, x, parameters, constants, *, costly, by_row, aligned):
    x = as_tensor(x)
    result_dtype = keras.backend.standardize_dtype(x.dtype)
    dtype = "float64" if is_double(x) else "float32"
    parameters = [as_parameter(p) for p in parameters]
    places = [i for i, p in enumerate(parameters) if not isinstance(p, float)]
    tensors = [x, *(ops.cast(parameters[place], dtype) for place in places)]

    def complete(x, *given):
        """The formula's positional arguments: the numbers, and the given tensors."""
        every = list(parameters)
        for place, tensor in zip(places, given, strict=True):
            every[place] = tensor
        return [ops.cast(x, dtype), *every]

    def plain(*tensors):
        return ops.cast(formula(*complete(*tensors), **constants), result_dtype)

    def forward(*tensors):
        return rows.join(plain, *tensors), None

    def back(upstream, *tensors):
        every = gradient(ops.cast(upstream, dtype), *complete(*tensors), **constants)
        wanted = [every[place + 1] for place in places]
        sums = _sum_together if costly else _sum_each
        return (sum_to(every[0], tensors[0]), *sums(wanted, tensors[1:]))

    if gradient is None or not _shapes_known(*tensors, aligned=aligned):
        return plain(*tensors)
    if not config.is_custom_gradient_enabled():
        return plain(*tensors)
    rows = Rows(tensors if by_row else [])
    return own_gradient(forward, lambda u, _, *t: rows.join(back, u, *t))(*tensors)


def own_gradient(forward: Callable, back: Callable, constants: Sequence = ()) -> Callable:
    """A function of tensors with a gradient of its own, unless these are switched off.

    `forward(*tensors)` gives its value and what is to be kept, `back(upstream,
    kept, *tensors)` the gradients of the tensors. Second derivatives are right
    only where `back` works from the tensors. Both get `constants`, tensors of integers
    or booleans, before the others; JAX allows no such tensor that is only closed over.
    """
    count = len(constants)

    def with_gradient(*tensors):
        value, kept = forward(*tensors)

        def grad(*args, upstream=None):
            # JAX and TensorFlow hand over the upstream gradient alone, torch the
            # saved arguments too: only those lead to right second derivatives.
            if upstream is None:
                (upstream,), args = args, tensors
            gradients = back(upstream, kept, *args)
            return (*map(_no_gradient, args[:count]), *gradients) if count else gradients

        return value, grad

    if not config.is_custom_gradient_enabled():
        return lambda *tensors: forward(*constants, *tensors)[0]
    with_gradient = ops.custom_gradient(with_gradient)
    return functools.partial(with_gradient, *constants) if count else with_gradient


def _no_gradient(x):
    if keras.backend.backend() != "jax":
        return None
    # What JAX takes for the gradient of what is not a float: zeros of no size.
    return np.zeros(x.shape, dtype=[("float0", np.void, 0)])


def as_tensor(x):
    """`x` as a tensor of floats; integers and booleans become `floatx`."""
    # A copy of a variable: TensorFlow's custom gradients refuse variables.
    x = ops.copy(x) if isinstance(x, keras.Variable) else ops.convert_to_tensor(x)
    if keras.backend.is_float_dtype(x.dtype):
        return x
    return ops.cast(x, keras.config.floatx())


def as_parameter(p):
    """`p` as a Python number, which needs no gradient, or as a tensor of float32 or wider."""
    if isinstance(p, numbers.Real):
        return float(p)
    p = as_tensor(p)
    return p if is_double(p) else ops.cast(p, "float32")


def split(x):
    """The part of `x` below 0 and the part above it, each 0 where the other is not.

    Both are finite where `x` is infinite. At x = 0 the first has the slope 1, the
    second 0. NaN is in the first.
    """
    x = ops.clip(x, -_LARGEST, _LARGEST)
    if keras.backend.backend() == "torch":
        # Its `where` costs as much as ten products on a CPU.
        positive = ops.relu(x)
        return x - positive, positive
    zero = ops.zeros_like(x)
    return ops.where(x > 0, zero, x), ops.where(x > 0, x, zero)


_LARGEST = float(np.finfo("float32").max)


def _shapes_known(x, *parameters, aligned):
    """Whether it is known, while TensorFlow traces, what will be broadcast."""
    ranks = all(getattr(t.shape, "rank", 0) is not None for t in (x, *parameters))
    return ranks and (aligned or all(None not in tuple(p.shape) for p in parameters))


class Rows:
    """Rows, entries of an axis, taken a few at a time on torch's CPU.

    It runs each operation by itself: temporaries that leave the cache cost three
    times the time, and new memory for each of them more still.

    Args:
        tensors: Those that are computed with, the first of which has rows; none where
            rows are not to be taken apart.
        size: Entries of the temporaries of a row, if not those of the first tensor's.
        axis: Of the rows.
    """

    entries = 2**18

    def __init__(self, tensors, size=None, axis=0):
        self._starts, self._axis = range(1), axis
        if not tensors or keras.backend.backend() != "torch" or tensors[0].device.type != "cpu":
            return
        shape = tuple(tensors[0].shape)
        if not shape:
            return
        self._rank, self._rows = len(shape), shape[axis]
        size = math.prod(shape) // max(1, self._rows) if size is None else size
        if self._rows * size <= self.entries:
            return
        self._step = max(1, self.entries // size)
        self._starts = range(0, self._rows, self._step)

    def join(self, call, *tensors):
        """`call(*tensors)`: what has rows is put together again, the rest is summed.

        Of several outputs each is like one of the last tensors.
        """
        if len(self._starts) == 1:
            return call(*tensors)
        parts = [
            call(*(self._some(t, i) if self._has_rows(t) else t for t in tensors))
            for i in self._starts
        ]
        if not isinstance(parts[0], tuple):
            return ops.concatenate(parts, axis=self._axis)
        likes = tensors[len(tensors) - len(parts[0]) :]
        return tuple(
            ops.concatenate(every, axis=self._axis) if self._has_rows(like) else sum(every)
            for every, like in zip(zip(*parts, strict=True), likes, strict=True)
        )

    def _some(self, tensor, start):
        return tensor[(*[slice(None)] * self._axis, slice(start, start + self._step))]

    def _has_rows(self, tensor):
        return len(tensor.shape) == self._rank and tensor.shape[self._axis] == self._rows


def _sum_each(values, likes):
    return [sum_to(value, like) for value, like in zip(values, likes, strict=True)]


def _sum_together(values, likes):
    """As `_sum_each`, by one sum on JAX.

    XLA makes a loop of each sum on a CPU, and computes in it again all that the
    sums have in common.
    """
    shapes = {tuple(like.shape) for like in likes}
    if keras.backend.backend() != "jax" or len(likes) < 2 or len(shapes) > 1:
        return _sum_each(values, likes)
    stacked = ops.stack(values)
    like = ops.stack(likes)
    behind = len(stacked.shape) - len(like.shape)
    like = ops.reshape(like, (len(likes), *[1] * behind, *likes[0].shape))
    sums = ops.reshape(sum_to(stacked, like), (len(likes), *likes[0].shape))
    return ops.unstack(sums, len(likes))


def sum_to(value, like):
    """`value` summed over the axes along which `like` was broadcast, in its dtype."""
    added = len(value.shape) - len(like.shape)
    repeated = [
        i + added for i, n in enumerate(like.shape) if n == 1 and value.shape[i + added] != 1
    ]
    axes = (*range(added), *repeated)
    if added and not repeated and len(like.shape) == 1 and not is_double(value):
        # XLA makes a slow loop of a sum over all axes but the last.
        rows = ops.reshape(value, (-1, value.shape[-1]))
        value = ops.matmul(ops.ones((1, ops.shape(rows)[0]), dtype=rows.dtype), rows)[0]
    elif axes:
        value = ops.reshape(ops.sum(value, axis=axes), ops.shape(like))
    return ops.cast(value, like.dtype)
