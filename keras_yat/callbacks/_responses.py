"""Responses of the activations and Yat layers of a model to a batch, and dead units."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_yat._backend import is_symbolic, without_gradients
from keras_yat._keras_compat import sublayers
from keras_yat.activations._base import TrainableActivation
from keras_yat.activations._lookup import KERAS_LAYERS
from keras_yat.layers._neurons import NeuronLayer

ACTIVATIONS = (TrainableActivation, *KERAS_LAYERS)
ROUNDING = 1e-6
"""Responses are constant if they differ by at most this share of the largest of them."""


class Source(NamedTuple):
    """A method of a layer that returns responses."""

    layer: keras.layers.Layer
    method: str
    axis: int = -1
    """The axis of the units."""
    neurons: bool = False
    """Whether the units are Yat neurons, before the activation."""


def sources(model: keras.Model) -> dict[str, Source]:
    """The sources of responses in a model, by unique names, in the order of its layers."""
    found: dict[str, Source] = {}

    def add(name: str, source: Source) -> None:
        start, count = name, 2
        while name in found:
            name, count = f"{start}:{count}", count + 1
        found[name] = source

    layers = sublayers(model)
    # In a recurrent layer the activations run in a loop that a backend may compile.
    loops = [layer for layer in layers if _is_recurrent(layer)]
    inner = {id(each) for loop in loops for each in sublayers(loop) if each is not loop}
    for layer in layers:
        if id(layer) in inner:
            continue
        name, activation = layer.name, getattr(layer, "activation", None)
        own = callable(activation) and not isinstance(activation, keras.layers.Layer)
        own = own and activation is not keras.activations.linear
        if isinstance(layer, NeuronLayer):
            add(name, Source(layer, "_pre_activation", neurons=True))
            name = f"{name}/{getattr(activation, '__name__', 'activation')}"
        if own or (isinstance(layer, ACTIVATIONS) and not _holds(layer)) or _is_recurrent(layer):
            add(name, Source(layer, _call_of(layer), _axis(layer)))
    return found


def _is_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.RNN)


def _holds(layer: keras.layers.Layer) -> bool:
    """Whether the activation of a layer is a layer, with responses under its name."""
    return isinstance(getattr(layer, "activation", None), keras.layers.Layer)


def _call_of(layer: keras.layers.Layer) -> str:
    return "call" if getattr(layer, "quantization_mode", None) is None else "quantized_call"


def _axis(layer: keras.layers.Layer) -> int:
    axis = getattr(layer, "axis", None)
    if isinstance(axis, int):
        return axis
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def responses(model: keras.Model, inputs: Any, found: dict[str, Source]) -> dict[str, np.ndarray]:
    """The responses of the sources that `inputs` reach, (inputs and positions, units).

    The model is called once, as for inference, and does not change.
    """
    call = inspect.signature(model.call).parameters
    takes = "training" in call or any(p.kind is p.VAR_KEYWORD for p in call.values())
    with _unchanged(model), _recording(model, found) as recorded, without_gradients():
        model(inputs, **({"training": False} if takes else {}))
    rows = {name: [_rows(each, found[name].axis) for each in recorded[name]] for name in recorded}
    return {name: np.concatenate(each) for name, each in rows.items() if each}


@contextlib.contextmanager
def _recording(model: keras.Model, found: dict[str, Source]) -> Iterator[dict[str, list[Any]]]:
    """A scope in which the outputs of the sources are kept, by name."""
    recorded: dict[str, list[Any]] = {name: [] for name in found}

    def keeping(method, kept):
        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = method(*args, **kwargs)
            first = keras.tree.flatten(outputs)[0]
            if not is_symbolic(first):
                kept.append(first)
            return outputs

        return call

    replaced = []

    def replace(layer: keras.layers.Layer, method: str, function: Callable) -> None:
        # Not by `setattr`: Keras and torch track attributes.
        replaced.append((vars(layer), method, vars(layer).get(method)))
        vars(layer)[method] = function

    try:
        for layer in sublayers(model):
            # With `keras.RematScope` calls would be traced.
            replace(layer, "rematerialized_call", lambda call, *_, **__: call)
        for name, (layer, method, *_) in found.items():
            replace(layer, method, keeping(getattr(layer, method), recorded[name]))
        yield recorded
    finally:
        for attributes, method, before in reversed(replaced):
            del attributes[method]
            if before is not None:
                attributes[method] = before


@contextlib.contextmanager
def _unchanged(model: keras.Model) -> Iterator[None]:
    """A scope after which statistics, seeds and metrics of a model are as they were."""
    before = [(each, _numpy(each)) for each in model.non_trainable_variables]
    try:
        yield
    finally:
        for variable, value in before:
            if _numpy(variable).tobytes() != value.tobytes():
                variable.assign(value)


def _numpy(x: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(x))


def _rows(outputs: Any, axis: int) -> np.ndarray:
    values = _numpy(ops.cast(outputs, "float32"))
    values = values[:, None] if values.ndim < 2 else np.moveaxis(values, axis, -1)
    return values.reshape(-1, values.shape[-1])


def dead_units(values: np.ndarray, neurons: bool, dead_below: float) -> np.ndarray:
    """Which units, the columns of `values`, are dead: see `LivePlot`."""
    low, high = values.min(axis=0), values.max(axis=0)
    largest = np.maximum(np.abs(low), np.abs(high))
    constant = high - low <= ROUNDING * largest
    return constant | (neurons & (largest < dead_below * np.abs(values).mean()))
