"""What a layer needs of memory, on any backend."""

import gc
import itertools
import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.harness import BACKEND, Jitted, on_gpu, pull_back_on_jax


def peak_memory(call: Callable[[], object]) -> int | None:
    """Bytes that a call of harness needs at its peak, beyond what it is given.

    Its results count, its input and the weights do not. On torch and TensorFlow what
    their allocators hold at the peak, on JAX what its compiler sets aside. None on a
    TensorFlow without oneDNN, whose allocator does not count.
    """
    call()
    if isinstance(call, Jitted):
        analysis = call.function.lower(*call.arguments).compile().memory_analysis()
        return analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    if BACKEND == "torch":
        return _peak_on_cuda(call) if on_gpu() else _peak_on_torch(call)
    # What runs at the same time there varies from call to call.
    peaks = [_peak_on_tensorflow(call) for _ in range(5)]
    return None if None in peaks else int(statistics.median(peaks))


def _peak_on_torch(call):
    from torch.profiler import ProfilerActivity, profile

    gc.collect()  # what is given back meanwhile would be counted below nothing
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    events = profiled.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return max(itertools.accumulate(change for _, change in changes), default=0)


def _peak_on_cuda(call):
    import torch

    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _peak_on_tensorflow(call):
    import tensorflow as tf

    memory, device = tf.config.experimental, "CPU:0"
    try:
        memory.reset_memory_stats(device)
    except ValueError:
        return None
    before = memory.get_memory_info(device)["current"]
    call()
    return memory.get_memory_info(device)["peak"] - before


def kept_for_backward(layer, x) -> float:
    """What is kept between forward and backward pass, in multiples of the size of `x`.

    On torch the tensors that autograd saves, on JAX those that the pull-back holds in the
    trace (its compiler may choose to compute some again), on TensorFlow those that lead from
    the forward part of the graph to the backward part.
    """
    width = {"float32": 4, "bfloat16": 2}[keras.backend.standardize_dtype(x.dtype)]
    return bytes_kept(layer, x) / (int(np.prod(x.shape)) * width)


def bytes_kept(layer, x) -> int:
    """As `kept_for_backward`, in bytes."""
    kept = {"jax": _kept_on_jax, "torch": _kept_on_torch, "tensorflow": _kept_on_tensorflow}
    return kept[BACKEND](layer, x)


def _kept_on_jax(layer, x):
    import jax

    def pull_back(values, x):
        return jax.tree.leaves(pull_back_on_jax(layer)(values, x)[1])

    values = [v.value for v in layer.trainable_variables]
    outputs = set(_outputs_on_jax(jax.make_jaxpr(pull_back)(values, x).jaxpr)) - {None}
    return sum(output.aval.size * output.aval.dtype.itemsize for output in outputs)


def _outputs_on_jax(jaxpr):
    """The variables that `jaxpr` returns, None for a constant.

    A function that it calls may return its arguments.
    """
    from jax.extend.core import Literal

    def variable(value):
        return None if isinstance(value, Literal) else value

    origins: dict[Any, Any] = {}
    for equation in jaxpr.eqns:
        if equation.primitive.name != "jit":
            continue
        inner = equation.params["jaxpr"].jaxpr
        arguments = dict(zip(inner.invars, map(variable, equation.invars), strict=True))
        for output, found in zip(equation.outvars, _outputs_on_jax(inner), strict=True):
            given = arguments.get(found)
            if given is not None:
                origins[output] = origins.get(given, given)
    return [origins.get(v, v) for v in map(variable, jaxpr.outvars)]


def _kept_on_torch(layer, x):
    import torch

    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        # The storage itself: memory that is freed is used again.
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = layer(x.detach().requires_grad_(x.is_floating_point()))
    del output
    return sum(storage.nbytes() for storage in kept.values())


def _kept_on_tensorflow(layer, x):
    import tensorflow as tf

    kept = {}

    @tf.function
    def trace(x):
        value = layer(x)
        ahead = set(value.graph.get_operations())
        tf.gradients(value, [x, *(v.value for v in layer.trainable_variables)])
        for operation in value.graph.get_operations():
            for tensor in operation.inputs if operation not in ahead else []:
                while tensor.op.type in ("Identity", "IdentityN"):
                    tensor = tensor.op.inputs[tensor.value_index]
                if tensor.op in ahead and tensor.dtype != tf.resource:
                    kept[tensor.name] = tensor.shape.num_elements() * tensor.dtype.size
        return value

    trace.get_concrete_function(x)
    return sum(kept.values())
