"""Timing and memory of a layer on any backend, in turn with what it is compared to.

A single time means nothing on a machine that others use too. Here everything that is
compared runs once a round, each round gives a ratio, and the median of the ratios
counts.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()


def forward(layer, x) -> Callable[[], object]:
    """A call that computes `layer(x)` and waits for it, in the backend's default mode."""
    if BACKEND == "jax":
        import jax

        def call(variables, x):
            return layer.stateless_call(variables, [], x)[0]

        compiled = jax.jit(call)
        variables = [v.value for v in layer.variables]
        return lambda: jax.block_until_ready(compiled(variables, x))
    if BACKEND == "torch":
        import torch

        def without_gradient():
            with torch.no_grad():
                return layer(x)

        return without_gradient
    import tensorflow as tf

    return tf.function(lambda: layer(x))


def forward_backward(layer, x, upstream) -> Callable[[], object]:
    """As `forward`, with the gradients of the input and of every trainable weight."""
    if BACKEND == "jax":
        import jax

        def step(variables, x, upstream):
            value, pull_back = jax.vjp(
                lambda variables, x: layer.stateless_call(variables, [], x)[0], variables, x
            )
            return value, pull_back(upstream)

        compiled = jax.jit(step)
        variables = [v.value for v in layer.variables]
        return lambda: jax.block_until_ready(compiled(variables, x, upstream))
    if BACKEND == "torch":
        import torch

        leaf = x.detach().requires_grad_()
        tensors = [leaf, *(v.value for v in layer.trainable_variables)]
        return lambda: torch.autograd.grad(layer(leaf), tensors, upstream)
    import tensorflow as tf

    @tf.function
    def tape_step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = layer(x)
        sources = [x, *(v.value for v in layer.trainable_variables)]
        return value, tape.gradient(value, sources, output_gradients=upstream)

    return lambda: tape_step(x, upstream)


def ratios_in_turn(
    calls: Mapping[str, Callable[[], object]], base: str, rounds: int, warm_up: int = 3
) -> dict[str, tuple[float, float, float]]:
    """(first quartile, median, third quartile) of each call's time over that of `base`."""
    for call in calls.values():
        for _ in range(warm_up):
            call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        times = {}
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name] = time.perf_counter() - start
        for name, seconds in times.items():
            found[name].append(seconds / times[base])
    summary = {}
    for name, values in found.items():
        first, median, third = statistics.quantiles(values, n=4)
        summary[name] = (first, median, third)
    return summary


def kept_for_backward(layer, x) -> float:
    """What is kept between forward and backward pass, in multiples of the size of `x`.

    On torch the tensors that autograd saves, on JAX those that the pull-back holds
    (without `jit`, which may choose to compute some again), on TensorFlow those that
    lead from the forward part of the graph to the backward part.
    """
    width = {"float32": 4, "bfloat16": 2}[keras.backend.standardize_dtype(x.dtype)]
    kept = {"jax": _kept_on_jax, "torch": _kept_on_torch, "tensorflow": _kept_on_tensorflow}
    return kept[BACKEND](layer, x) / (int(np.prod(x.shape)) * width)


def _kept_on_jax(layer, x):
    import jax

    variables = [v.value for v in layer.variables]
    _, pull_back = jax.vjp(lambda v, x: layer.stateless_call(v, [], x)[0], variables, x)
    # A jitted operation hands its input on as a new array over the same memory.
    kept = {leaf.unsafe_buffer_pointer(): leaf.nbytes for leaf in jax.tree.leaves(pull_back)}
    return sum(kept.values())


def _kept_on_torch(layer, x):
    import torch

    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = layer(x.detach().requires_grad_())
    del output
    return sum(kept.values())


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


def tensor(shape: Sequence[int], dtype: str, seed: int):
    """Standard normal numbers."""
    values = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return ops.cast(ops.convert_to_tensor(values), dtype)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of equal keys as text in columns."""
    cells = [list(rows[0])] + [
        [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )
