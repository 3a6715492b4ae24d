"""Derivatives of activations on any backend, by a training step of Keras.

Keras passes gradients to optimizers only. A weight of zeros is added to the input of the
activation, the loss is the sum of the outputs, and an optimizer replaces each weight by its
gradient: the slope at each point. The activation is a copy in float32.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_yat import _validate, activations
from keras_yat.activations._base import TrainableActivation

STEP = 1e-2
"""Step of the central difference for the second derivative."""


def copy_of(activation: Any, argument: str = "activation", **settings: Any) -> Callable:
    """A copy of `activation` with other `settings`, as an independent function.

    `settings` are arguments of the layer or of the function. The copy computes in float32
    for inputs of one channel.
    """
    found = activations.get(activation, argument)
    if isinstance(found, keras.layers.Layer):
        copy: Callable = _copy_of_layer(found, argument, settings)
    else:
        copy = functools.partial(found, **_checked(settings, _arguments(found)))
    _check_entrywise(copy, argument, activation)
    return copy


def values(function: Callable, x: np.ndarray) -> np.ndarray:
    """`function` at the entries of `x`, in float32."""
    column = np.asarray(x, dtype="float32").reshape(-1, 1)
    return _numpy(function(ops.convert_to_tensor(column))).reshape(np.shape(x))


def slopes(function: Callable, x: np.ndarray) -> np.ndarray:
    """The derivative at the entries of `x`."""
    # The lambda hides a layer from Keras, which would take the gradients of its weights too.
    probe = _Probe(lambda at: function(at), np.asarray(x, dtype="float32").reshape(-1, 1))
    return probe.slopes(np.shape(x))


def second_derivative(function: Callable, x: np.ndarray, step: float = STEP) -> np.ndarray:
    """The second derivative, by central differences of the first."""
    x = np.asarray(x, dtype="float32")
    # At large |x| a step of that size would be lost to rounding.
    steps = np.float32(step) * np.maximum(1.0, np.abs(x) / 100.0)
    near = np.stack([x - steps, x + steps])
    # Divide by the rounded difference, not by the step.
    return np.diff(slopes(function, near), axis=0)[0] / np.diff(near, axis=0)[0]


def parameters_of(layer: Any) -> list[str]:
    """Names of the parameters: `beta`, or `coefficients[0]` for the entries of a list."""
    names = []
    for name in getattr(layer, "bounds", ()):
        size = tuple(getattr(layer, name).shape)
        names += [f"{name}[{i}]" for i in range(size[0])] if size else [name]
    return names


def trainable(activation: Any, argument: str = "activation") -> TrainableActivation:
    """`activation` as a layer of this package with one set of parameters."""
    found = activations.get(activation, argument)
    if not isinstance(found, TrainableActivation):
        _validate.invalid_argument(
            argument, "have trained parameters, as keras_yat.Mila() has", activation
        )
    if found.axis is not None:
        _validate.invalid_argument(argument, "have one set of parameters, axis=None", activation)
    return found


def partials(
    layer: TrainableActivation, parameter: str, x: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f, df/dx and df/dparameter at each `x`, with the values `at` of the parameter.

    `x` and `at` have the same shape. Each point is a channel with separate parameters.
    """
    shape, row = np.shape(x), np.asarray(x, dtype="float32").reshape(1, -1)
    name, place = _place(parameter)
    copy = _copy_of_layer(layer, "activation", {}, axis=-1)
    copy.build(row.shape)
    _copy_weights(copy, layer, len(layer.bounds))
    weight = getattr(copy, name)
    start = _numpy(weight)
    start[place] = np.ravel(at)
    weight.assign(start)
    probe = _Probe(copy, row)
    value = _numpy(copy(row)).reshape(shape)
    slope = probe.slopes(shape)
    return value, slope, _numpy(weight)[place].reshape(shape)


def _place(parameter):
    """The name of a parameter and the index of its entry."""
    name, _, entry = parameter.rstrip("]").partition("[")
    return name, int(entry) if entry else ...


class _Probe(keras.Model):
    """A model whose loss is the sum of f(x + shift), with `shift` 0."""

    def __init__(self, function: Callable, x: np.ndarray):
        super().__init__(name="probe", dtype="float32")
        self.function = function
        self.shift = self.add_weight(shape=x.shape, initializer="zeros", name="shift")
        self.x = x
        self.compile(_Gradients(), run_eagerly=True, jit_compile=False)

    def call(self, x):
        # The second term gives a gradient for functions that have none.
        self.add_loss(ops.sum(self.function(x + self.shift) + 0.0 * self.shift))
        return x

    def slopes(self, shape) -> np.ndarray:
        self.train_on_batch(self.x)
        return _numpy(self.shift).reshape(shape)


class _Gradients(keras.optimizers.Optimizer):
    """Replaces each weight by its gradient."""

    def __init__(self):
        super().__init__(learning_rate=1.0, name="gradients")

    def update_step(self, gradient, variable, learning_rate):
        variable.assign(gradient)


def _copy_of_layer(layer, argument, settings, **further):
    config = {**layer.get_config(), "dtype": "float32", "trainable": True}
    kept = ("name", "dtype", "trainable", "bounds", "axis")
    _checked(settings, [name for name in config if name not in kept])
    own: dict[str, Any] = {}
    if isinstance(layer, TrainableActivation):
        trainable(layer, argument)
        # Numbers, because an initializer would draw again. No bounds, because values out of
        # bounds may be assigned.
        own = {name: _numpy(getattr(layer, name)).tolist() for name in layer.bounds}
        further["bounds"] = dict.fromkeys(own)
    copy = type(layer).from_config({**config, **own, **further, **settings})
    if "axis" not in further:
        copy.build((None, 1))
        _copy_weights(copy, layer, len(own), argument)
    return copy


def _copy_weights(copy, layer, first, argument="activation"):
    """Copies the weights from index `first` on: those of functions in the layer."""
    if not layer.weights:
        return
    for new, old in zip(copy.weights[first:], layer.weights[first:], strict=True):
        if new.shape != old.shape:
            _validate.invalid_argument(argument, "have one set of weights for all channels", layer)
        new.assign(old)


def _arguments(function):
    """Names of the arguments after the first."""
    try:
        return list(inspect.signature(function).parameters)[1:]
    except ValueError:
        return []


def _checked(settings, allowed):
    for name in settings:
        if name not in allowed:
            known = ", ".join(allowed) or "it has none"
            _validate.invalid_argument(
                "settings", f"name arguments of the activation: {known}", settings
            )
    return settings


def _check_entrywise(function, argument, activation):
    """Raises an error if an output depends on more than one input: there is no curve."""
    if getattr(function, "input_spec", None) is not None:
        return
    x = np.array([[-1.5, 0.5, 2.0]], dtype="float32")
    every, fewer = (_numpy(function(ops.convert_to_tensor(row))) for row in (x, x[:, :2]))
    if every.shape != x.shape or not np.allclose(every[:, :2], fewer, atol=1e-5, equal_nan=True):
        _validate.invalid_argument(argument, "work entry by entry", activation)


def _numpy(x: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.convert_to_tensor(x)))
