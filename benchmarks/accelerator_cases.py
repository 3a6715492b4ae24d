"""The layers that `benchmarks.accelerator` compares, their sizes, precisions and measurements."""

import contextlib
import functools
import gc
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

import keras_yat
from benchmarks import accuracy, activations, cases, harness
from benchmarks.memory import peak_memory

SECONDS = 1.0
"""About how long the rounds of one measurement take."""
NEAR = (1e-1, 1e-2, 1e-3, 1e-4)
"""Distances from a prototype, over its norm."""
DISTANCES = {"Yat": "expanded", "Yat, direct": "direct"}
DENSE = replace(cases.CASES["dense"], shape=(8192, 4096), features=4096)
CONV2D = replace(cases.CASES["conv2d"], shape=(128, 56, 56, 256), features=256)

Row = dict[str, object]
Layers = dict[str, keras.layers.Layer]


@dataclass(frozen=True)
class Comparison:
    """Layers that run in turn on the same input.

    Attributes:
        name: In tables.
        shape: Of the input.
        layers: Returns the layers for a dtype policy; the first one is what the others are
            divided by.
    """

    name: str
    shape: tuple[int, ...]
    layers: Callable[[str], Layers]


def comparisons(quick: bool) -> dict[str, list[Comparison]]:
    """The comparisons by their names on the command line."""
    side = 4 if quick else 2**14
    return {
        "dense": [_replacing("dense", DENSE, quick)],
        "conv2d": [_replacing("conv2d", CONV2D, quick)],
        "attention": [_attention(quick, causal=False), _attention(quick, causal=True)],
        "lstm": [_lstm(quick)],
        "activations": [
            Comparison("activation", (side, side), functools.partial(_activation, name))
            for name in keras_yat.activations.names()
        ],
    }


def _replacing(name: str, case: cases.Case, quick: bool) -> Comparison:
    case = case.small() if quick else case

    def layers(policy):
        return {"Keras": case.layer("keras", policy), "Yat": case.layer("own", policy)}

    return Comparison(name, case.shape, layers)


def _attention(quick: bool, causal: bool) -> Comparison:
    heads, size = (2, 4) if quick else (16, 64)
    masked = {"use_causal_mask": True} if causal else {}

    def layers(policy):
        stock = functools.partial(keras.layers.MultiHeadAttention, heads, size, dtype=policy)
        yat = keras_yat.YatMultiHeadAttention(heads, size, dtype=policy)
        return {
            "Keras": cases.SelfAttention(stock(), **masked),
            # Who asks for the scores gets the path that has them.
            "Keras, unfused": cases.SelfAttention(stock(), return_attention_scores=True, **masked),
            "Yat": cases.SelfAttention(yat, **masked),
        }

    shape = (2, 8, heads * size) if quick else (8, 4096, heads * size)
    return Comparison("attention, causal" if causal else "attention", shape, layers)


def _lstm(quick: bool) -> Comparison:
    shape = (2, 3, 4) if quick else (128, 256, 512)

    def layers(policy):
        stock = keras.layers.LSTM(shape[-1], dtype=policy)
        return {"Keras": stock, "Yat": keras_yat.YatLSTM(shape[-1], dtype=policy)}

    return Comparison("lstm", shape, layers)


def _activation(name: str, policy: str) -> Layers:
    stock = keras.layers.Activation("silu", dtype=policy)
    return {"silu": stock, name: activations.own(name, policy)}


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """Context in which factors of float32 products are rounded to TF32 or not.

    In half precision the backend's defaults are kept.
    """
    if precision == "mixed_bfloat16":
        yield
    elif harness.BACKEND == "jax":
        import jax

        with jax.default_matmul_precision("tensorfloat32" if precision == "tf32" else "highest"):
            yield
    else:
        import torch

        # The older settings, which all versions have; in torch they must not be mixed with others.
        cudnn: Any = torch.backends.cudnn
        before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        cudnn.allow_tf32 = precision == "tf32"
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            cudnn.allow_tf32 = before[1]


def compare(case: Comparison, precision: str, jit: bool) -> Iterator[Row]:
    """A row for each layer. One that fails does not end the others."""
    harness.forget()
    gc.collect()  # what a failed case has left
    policy, dtype = dtypes(precision)
    layers = case.layers(policy)
    base = next(iter(layers))
    x = keras.random.normal(case.shape, dtype=dtype, seed=0)
    upstream = None
    forward: dict[str, Callable[[], object]] = {}
    train: dict[str, Callable[[], object]] = {}
    peaks: dict[str, int | None] = {}
    for name, layer in layers.items():
        try:
            layer.build(case.shape)
            once = harness.forward(layer, x, jit)
            output: Any = once()
            if upstream is None:
                upstream = keras.random.normal(output.shape, dtype=output.dtype, seed=1)
            del output
            step = harness.forward_backward(layer, x, upstream, jit)
            peaks[name] = peak_memory(step)
        except Exception as error:
            yield failed(case.name, name, error)
        else:
            forward[name], train[name] = once, step
    _, in_forward = _measured(forward, base)
    seconds, in_train = _measured(train, base)
    for name in train:
        row: Row = {"peak bytes": peaks[name], "step": seconds[name]}
        if base in train:
            first, median, third = in_train[name]
            row |= {"forward": in_forward[name][1], "train": median}
            row["train quartiles"] = f"{first:.3g}-{third:.3g}"
            peak, of_base = peaks[name], peaks[base]
            row["memory"] = peak / of_base if peak and of_base else None
        yield columns(case.name, name, row)


def _measured(calls: Mapping[str, Callable[[], object]], base: str):
    """Seconds of each call, and the quartiles of its ratio to that of `base`, if that has run."""
    times = harness.times_in_turn(calls, harness.rounds_in(SECONDS, calls, most=20))
    seconds = {name: statistics.median(found) for name, found in times.items()}
    return seconds, harness.ratios(times, base) if base in calls else {}


def near_prototypes(precision: str, quick: bool) -> Iterator[Row]:
    """For each distance from a prototype the largest errors of a dense layer."""
    policy, dtype = dtypes(precision)
    draws, entries = (4, 16) if quick else (64, DENSE.shape[-1])
    norm = math.sqrt(entries)  # that of standardized inputs
    for name, distance in DISTANCES.items():
        product = harness.with_gradients(_dense(draws, entries, policy, distance))
        for apart in NEAR:
            x, w = accuracy.draw(norm, norm * apart, dtype, draws, entries)
            found = [e.max() for e in accuracy.errors(product, x, w, dtype)]
            row = {"distance": apart, "error": float(found[0])}
            yield columns("accuracy", name, {**row, "gradient error": float(max(found[1:]))})


def _dense(units: int, entries: int, policy: str, distance: Any):
    """A dense layer as a function of its input and its kernel."""
    layer = keras_yat.YatDense(
        units,
        use_bias=False,
        epsilon=accuracy.EPSILON,
        alpha=None,
        kernel_multiplier=1.0,
        distance=distance,
        dtype=policy,
    )
    layer.build((None, entries))
    (kernel,) = layer.trainable_variables

    def product(x, w):
        with keras.StatelessScope([(kernel, w)]):
            return layer(x)

    return product


def dtypes(precision: str) -> tuple[str, str]:
    """The dtype policy of the layers, and the dtype of their input."""
    half = precision == "mixed_bfloat16"
    return ("mixed_bfloat16", "bfloat16") if half else ("float32", "float32")


COLUMNS: Sequence[str] = (
    *("what", "contestant", "forward", "train", "train quartiles", "memory", "peak bytes", "step"),
    *("distance", "error", "gradient error", "failure"),
)


def columns(what: str, contestant: str | None, found: Mapping[str, object]) -> Row:
    """A row with all columns."""
    return {**dict.fromkeys(COLUMNS), "what": what, "contestant": contestant, **found}


def failed(what: str, contestant: str | None, error: BaseException) -> Row:
    """The row of a layer that did not run, with the error's name and its first line."""
    line = next(iter(str(error).strip().splitlines()), "")
    return columns(what, contestant, {"failure": f"{type(error).__name__}: {line}"[:160]})
