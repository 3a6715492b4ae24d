"""The networks of a study as functions of hyperparameters."""

import fnmatch
import functools
import importlib
import inspect
from typing import Any

import keras
import keras_tuner

import keras_yat
from keras_yat import search
from tuning import config
from tuning.data import Splits

_RECURRENT = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def build(hp: Any, study: config.Study, arm: config.Arm, splits: Splits) -> keras.Model:
    """The compiled model of an arm for the values of `hp`."""
    hp = FixingHyperParameters(hp, arm)
    if arm.build is not None:
        module, function = arm.build.split(":")
        return getattr(importlib.import_module(module), function)(hp)
    inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in splits.train.x]
    hidden = {"dense": _dense, "convolution": _convolution, "recurrent": _recurrent}
    outputs = hidden[study.model.kind](hp, study.model.units, arm, inputs)
    model = keras.Model(
        inputs if len(inputs) > 1 else inputs[0], keras.layers.Dense(splits.classes)(outputs)
    )
    model.compile(
        search.optimizer(hp, among=arm.optimizer),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


class FixingHyperParameters:
    """Wraps `HyperParameters` and fixes those of `hold` at their defaults and those of `set`."""

    def __init__(self, hp: Any, arm: config.Arm):
        self._hp, self._arm = hp, arm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hp, name)

    def __getitem__(self, name: str) -> Any:
        return self._hp[name]

    def __contains__(self, name: str) -> bool:
        return name in self._hp

    def Choice(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        return self._define("Choice", args, kwargs)

    def Int(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        return self._define("Int", args, kwargs)

    def Float(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        return self._define("Float", args, kwargs)

    def Boolean(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        return self._define("Boolean", args, kwargs)

    def _define(self, kind, args, kwargs):
        method = getattr(self._hp, kind)
        given = inspect.signature(method).bind(*args, **kwargs).arguments
        name = given["name"]
        parent = {n: given.pop(n) for n in ("parent_name", "parent_values") if n in given}
        if name in self._arm.set:
            value = self._arm.set[name]
            if value not in given.get("values", [value]):
                raise ValueError(
                    f"set: {name} must be one of {list(given['values'])}. Received: {value!r}"
                )
        elif any(fnmatch.fnmatchcase(name, pattern) for pattern in self._arm.hold):
            value = getattr(keras_tuner.HyperParameters(), kind)(**given)
        else:
            return method(*args, **kwargs)
        return self._hp.Fixed(name, value, **parent)


def _activation(hp, arm):
    return search.activation(
        hp,
        among=arm.activation,
        axis=-1 if arm.per_channel else None,
        search_bounds=arm.search_bounds,
        search_trainable=arm.search_trainable,
    )


def _dense(hp, units, arm, inputs):
    x = keras.layers.Flatten()(inputs[0])
    for count in units:
        if arm.layers == "yat":
            x = search.yat_dense(hp, count, "yat")(x)
        else:
            x = _activation(hp, arm)(keras.layers.Dense(count)(x))
    return x


def _convolution(hp, units, arm, inputs):
    x = inputs[0]
    for i, filters in enumerate(units):
        # Small images are not downsampled by the first convolution.
        strides = 1 if i == 0 and x.shape[1] < 16 else 2
        if arm.layers == "yat":
            x = search.yat_conv(hp, filters, 3, "yat", strides=strides, padding="same")(x)
        else:
            x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same")(x)
            x = _activation(hp, arm)(x)
    return keras.layers.Flatten()(x)


def _recurrent(hp, units, arm, inputs):
    x, *mask = inputs
    for i, count in enumerate(units):
        settings = {"return_sequences": i < len(units) - 1}
        if arm.layers == "yat":
            layer = search.yat_recurrent(hp, count, "recurrent", arm.cells, **settings)
        else:
            layer = _RECURRENT[hp.Choice("recurrent", arm.cells)](count, **settings)
        x = layer(x, mask=mask[0] if mask else None)
    return x


def activations_of(model: keras.Model) -> list[Any]:
    """The trainable activations of a model in the order of its layers."""
    found = []
    for layer in model.layers:
        for item in (layer, getattr(layer, "activation", None)):
            if isinstance(item, _trainable()):
                found.append(item)
    return found


@functools.cache
def _trainable() -> tuple[type, ...]:
    layers = (type(keras_yat.activations.get(n)) for n in keras_yat.activations.names())
    return tuple(cls for cls in layers if hasattr(cls, "default_bounds"))
