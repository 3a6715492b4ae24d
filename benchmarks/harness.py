"""Timing of a layer on any backend, in turn with what it is compared to.

A single time means nothing on a machine that others use too. Here everything that is
compared runs once a round, each round gives a ratio, and the median of the ratios
counts.
"""

import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()


@dataclass(frozen=True)
class Jitted:
    """A call of a function that JAX compiled, which waits for the result."""

    function: Any
    arguments: tuple[Any, ...]

    def __call__(self) -> object:
        import jax

        return jax.block_until_ready(self.function(*self.arguments))


def forward(layer, x, jit: bool = False) -> Callable[[], object]:
    """A call that computes `layer(x)` and waits for it.

    JAX compiles it; TensorFlow makes a graph of it, which `jit` has XLA compile;
    torch runs it as it is, or with `jit` through its own compiler.
    """
    if BACKEND == "jax":
        import jax

        function = jax.jit(functools.partial(_stateless, layer))
        return Jitted(function, (_values(layer), x))
    if BACKEND == "torch":
        import torch

        function = torch.compile(layer) if jit else layer

        def without_gradient():
            with torch.no_grad():
                return function(x)

        return without_gradient
    import tensorflow as tf

    return tf.function(lambda: layer(x), jit_compile=jit)


def forward_backward(layer, x, upstream, jit: bool = False) -> Callable[[], object]:
    """As `forward`, with the gradients of the input and of every trainable weight."""
    if BACKEND == "jax":
        import jax

        def step(variables, x, upstream):
            value, pull_back = pull_back_on_jax(layer)(variables, x)
            return value, pull_back(upstream)

        return Jitted(jax.jit(step), (_values(layer), x, upstream))
    if BACKEND == "torch":
        import torch

        function = torch.compile(layer) if jit else layer
        leaf = x.detach().requires_grad_(x.is_floating_point())
        tensors = [t for t in (leaf, *_values(layer)) if t.requires_grad]
        return lambda: torch.autograd.grad(function(leaf), tensors, upstream, allow_unused=True)
    import tensorflow as tf

    @tf.function(jit_compile=jit)
    def tape_step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = layer(x)
        return value, tape.gradient(value, [x, *_values(layer)], output_gradients=upstream)

    return functools.partial(tape_step, x, upstream)


def pull_back_on_jax(layer) -> Callable[[Sequence, Any], tuple[Any, Callable]]:
    """From the values of the trainable weights and `x` to `layer(x)` and its pull-back."""
    import jax

    return lambda values, x: jax.vjp(functools.partial(_stateless, layer), values, x)


def _values(layer):
    return [v.value for v in layer.trainable_variables]


def _stateless(layer, values, x):
    # Not `stateless_call`, where the layer itself does not cast its weights as its policy says.
    with keras.StatelessScope(list(zip(layer.trainable_variables, values, strict=True))):
        return layer(x)


def forget(on_disk: bool = False) -> None:
    """Drops what torch compiled: it gives up on the ninth version of one function.

    `on_disk`: and reads nothing from disk, so that its compiler has as much to do in each run.
    """
    if BACKEND == "torch":
        import torch
        import torch.compiler.config

        torch.compiler.config.force_disable_caches = on_disk
        torch.compiler.reset()


def quiet() -> None:
    """Hides TensorFlow's warning about new functions: one for each layer is intended."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")


def with_gradients(function: Callable) -> Callable[[Sequence, Any], tuple[Any, Sequence]]:
    """From tensors and an upstream gradient to `function(*tensors)` and their gradients."""

    def on_jax(tensors, upstream):
        value, pull_back = jax.vjp(function, *tensors)
        return value, pull_back(upstream)

    def on_torch(tensors, upstream):
        leaves = [t.detach().requires_grad_() for t in tensors]
        value = function(*leaves)
        return value.detach(), torch.autograd.grad(value, leaves, upstream)

    def on_tensorflow(tensors, upstream):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return value, tape.gradient(value, tensors, output_gradients=upstream)

    if BACKEND == "jax":
        import jax

        return jax.jit(on_jax)
    if BACKEND == "torch":
        import torch

        return on_torch
    import tensorflow as tf

    return on_tensorflow


def time_of(call: Callable[[], object]) -> float:
    """Seconds of one call, until a GPU has computed its result too."""
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    """Waits for the GPU, where torch or TensorFlow compute on one. Calls on JAX wait themselves."""
    if BACKEND == "torch" and on_gpu():
        import torch

        torch.cuda.synchronize()
    elif BACKEND == "tensorflow" and on_gpu():
        import tensorflow as tf

        tf.test.experimental.sync_devices()


@functools.cache
def on_gpu() -> bool:
    """Whether the backend computes on a GPU by default."""
    if BACKEND == "torch":
        return ops.zeros(()).device.type == "cuda"
    if BACKEND == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def device_name() -> str:
    """The model of the GPU or the TPU that the backend computes on, or "CPU"."""
    if BACKEND == "jax":
        import jax

        return "CPU" if jax.default_backend() == "cpu" else jax.devices()[0].device_kind
    if not on_gpu():
        return "CPU"
    if BACKEND == "torch":
        import torch

        return torch.cuda.get_device_name()
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return details["device_name"]


def ratios_in_turn(
    calls: Mapping[str, Callable[[], object]], base: str, rounds: int, warm_up: int = 3
) -> dict[str, tuple[float, float, float]]:
    """(first quartile, median, third quartile) of each call's time over that of `base`."""
    for call in calls.values():
        for _ in range(warm_up):
            call()
    return ratios(times_in_turn(calls, rounds), base)


def times_in_turn(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(time_of(call))
    return found


def rounds_in(seconds: float, calls: Mapping[str, Callable[[], object]], most: int) -> int:
    """Number of rounds of `calls` that take about `seconds`: at least 3 and at most `most`."""
    once = sum(time_of(call) for call in calls.values())
    return min(most, max(3, int(seconds / max(once, 1e-9))))


def ratios(
    times: Mapping[str, Sequence[float]], base: str
) -> dict[str, tuple[float, float, float]]:
    """As `ratios_in_turn`, from the result of `times_in_turn`."""
    summary = {}
    for name, seconds in times.items():
        values = [own / other for own, other in zip(seconds, times[base], strict=True)]
        first, median, third = statistics.quantiles(values, n=4)
        summary[name] = (first, median, third)
    return summary


def tensor(shape: Sequence[int], dtype: str, seed: int):
    """Standard normal numbers."""
    values = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return ops.cast(ops.convert_to_tensor(values), dtype)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of equal keys as text in columns, None as nothing."""
    cells = [list(rows[0])] + [
        [f"{v:.2f}" if isinstance(v, float) else str(v or "") for v in row.values()] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )
