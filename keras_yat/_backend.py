"""What Keras does not hide of its backends: tracing, autocast, meshes, recomputation."""

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from keras_yat._types import Tensor


def remat(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`function` of tensors, evaluated again in the backward pass.

    `keras.remat`; on TensorFlow that is `tf.recompute_grad`, which has no second derivative.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.remat(function)
    tf = sys.modules["tensorflow"]  # imported by Keras

    @tf.custom_gradient
    def evaluate(*tensors):
        def gradient(upstream):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            zero = tf.UnconnectedGradients.ZERO
            return tape.gradient(value, tensors, upstream, unconnected_gradients=zero)

        return function(*tensors), gradient

    return evaluate


def is_tracing() -> bool:
    """Whether torch traces a model, to compile or to export it."""
    if keras.backend.backend() != "torch":
        return False
    torch = sys.modules["torch"]
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def is_recording() -> bool:
    """Whether torch records operations, to derive their gradient."""
    return keras.backend.backend() == "torch" and sys.modules["torch"].is_grad_enabled()


def without_gradients() -> AbstractContextManager[Any]:
    """A scope in which no operations are recorded to derive their gradient."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    return sys.modules["torch"].no_grad()


def is_symbolic(x: Any) -> bool:
    """Whether a tensor has no values yet: it is one of a function that is traced."""
    if keras.backend.backend() == "jax":
        return isinstance(x, sys.modules["jax"].core.Tracer)
    return keras.backend.backend() == "tensorflow" and not hasattr(x, "numpy")


def vary_alike(tensors: Sequence[Tensor]) -> bool:
    """Whether all tensors vary over the same axes of a mesh, in `jax.shard_map`.

    Where one is the same on all devices, its gradient is a sum over them. JAX adds it to the
    gradients that it derives.
    """
    if keras.backend.backend() != "jax":
        return True
    return len({_varying_axes(getattr(tensor, "aval", None)) for tensor in tensors}) < 2


def _varying_axes(abstract):
    # Older versions of JAX have `vma`.
    kind = getattr(abstract, "manual_axis_type", None)
    return getattr(kind, "varying", getattr(abstract, "vma", frozenset()))


def is_compiling() -> bool:
    """Whether torch traces a model to compile it, and not to export it."""
    if not is_tracing():
        return False
    torch = sys.modules["torch"]
    return not (torch.jit.is_tracing() or torch.compiler.is_exporting())


def gradient_to_compile(forward: Callable, backward: Callable) -> Callable[..., Tensor]:
    """A function of tensors with a custom gradient, in what torch compiles.

    As `with_custom_gradient` of `_numerics.gradients`. `ops.custom_gradient` cannot be traced.
    """
    return lambda *tensors: _FUNCTION.apply(forward, backward, *tensors)


def _function_to_compile() -> Any:
    torch: Any = sys.modules["torch"]

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, forward, backward, *tensors):
            value, kept = forward(*tensors)
            ctx.save_for_backward(*tensors, *(kept or ()))
            ctx.count, ctx.gradients = len(tensors), backward
            return value

        @staticmethod
        def backward(ctx, upstream):
            tensors, kept = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
            # In the forward pass the compiler computes, and keeps, whatever does not depend on the
            # upstream gradient: scores, or booleans, which take longer to read than to compute.
            some = upstream.flatten()[:1].sum()
            zero = 0.0 * (some != some)
            tensors = [t + zero.to(t.dtype) if t.is_floating_point() else t for t in tensors]
            return (None, None, *ctx.gradients(upstream, kept, *tensors))

    return Function


_FUNCTION: Any = _function_to_compile() if keras.backend.backend() == "torch" else None


def no_gradient(x: Tensor) -> Any:
    """The gradient of a tensor that is not of floats."""
    if keras.backend.backend() != "jax":
        return None
    # Zeros of size 0.
    return np.zeros(x.shape, dtype=[("float0", np.void, 0)])


def constant_while_compiling(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose result is a constant of what torch compiles."""
    if keras.backend.backend() != "torch":
        return function
    return sys.modules["torch"].compiler.assume_constant_result(function)


def constant(values: Any, like: Tensor, dtype: str | None = None) -> Tensor:
    """A tensor of numbers in lists, of the dtype of `like` or of `dtype`.

    torch cannot trace `ops.convert_to_tensor` of a list or an array.
    """
    if keras.backend.backend() != "torch":
        return keras.ops.convert_to_tensor(values, like.dtype if dtype is None else dtype)
    torch = sys.modules["torch"]
    return like.new_tensor(values, dtype=None if dtype is None else getattr(torch, dtype))


def pad(x: Tensor, widths: Sequence[Sequence[int]]) -> Tensor:
    """`ops.pad`, with zeros.

    That creates an operation with a new name in each call, for which torch compiles once more.
    """
    if keras.backend.backend() != "torch" or isinstance(x, keras.KerasTensor):
        return keras.ops.pad(x, widths)
    backwards = [width for axis in reversed(widths) for width in axis]
    return sys.modules["torch"].nn.functional.pad(x, backwards)


def dense_tensor(x: Any) -> Tensor:
    """`x` as a tensor that is not sparse."""
    x = keras.ops.convert_to_tensor(x, sparse=False)
    # Keras does not know the sparse tensors of torch.
    return x.to_dense() if getattr(x, "is_sparse", False) else x


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """A scope in which torch's autocast does not change the dtypes of products."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    torch, device = sys.modules["torch"], tensor.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def sparse_entries(x: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    """The rows, columns and values of a sparse matrix; None for anything else.

    Padded entries of JAX have indices outside of the matrix.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        torch = sys.modules["torch"]
        if not isinstance(x, torch.Tensor) or x.layout is torch.strided:
            return None
        x = x.to_sparse_coo().coalesce()
        indices, values = x.indices().T, x.values()
    elif backend == "tensorflow":
        tf = sys.modules["tensorflow"]
        if not isinstance(x, tf.SparseTensor):
            return None
        indices, values = x.indices, x.values
    else:
        if not hasattr(x, "todense") or not hasattr(x, "indices"):
            return None
        indices, values = x.indices, x.data
    return indices[:, 0], indices[:, 1], values


def segment_sum(x: Tensor, segments: Tensor, count: Any) -> Tensor:
    """The sums of the rows of `x` in each of `count` segments.

    `keras.ops.segment_sum`, which on torch rounds float64 and repeats `segments` for every column.
    """
    if keras.backend.backend() != "torch":
        return keras.ops.segment_sum(x, segments, count)
    return x.new_zeros((count, *x.shape[1:])).index_add(0, segments, x)


def sum_over_replicas(x: Tensor) -> Tensor:
    """`x` summed over the replicas of `tf.distribute` or the processes of `torch.distributed`.

    Its gradient is a sum over them too. On JAX a program is of all devices: `x` is the sum.
    """
    if keras.backend.backend() == "tensorflow":
        tf = sys.modules["tensorflow"]
        replica = tf.distribute.get_replica_context()
        # None where a strategy is not running replicas.
        return x if replica is None else replica.all_reduce(tf.distribute.ReduceOp.SUM, x)
    if keras.backend.backend() == "torch":
        torch = sys.modules["torch"]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            # Not loaded by torch itself.
            return importlib.import_module("torch.distributed.nn.functional").all_reduce(x)
    return x
