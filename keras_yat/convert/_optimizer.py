"""`optimizer`: separate settings for the parameters of activations."""

from __future__ import annotations

import re
from typing import Any

import keras

from keras_yat import _validate
from keras_yat._keras_compat import sublayers
from keras_yat.activations._base import TrainableActivation


def optimizer(
    model: keras.Model, base: Any = "adamw", *, learning_rate: Any = None
) -> keras.optimizers.Optimizer:
    """Returns an optimizer with separate settings for the parameters of activations.

    They get no weight decay, which would pull them towards 0 instead of a neutral value. With a
    `learning_rate` they are also trained at that rate, by an optimizer of the same class and
    settings, within a `keras.optimizers.MultiOptimizer`. That has no `learning_rate` for callbacks
    to change: schedules are arguments of `base` and of this function. `clipnorm` and
    `global_clipnorm` then apply to each of the two groups.

    The parameters are those of this package's activations, and of `keras.layers.PReLU`. Without a
    `learning_rate` Keras does not save the exclusion from weight decay with a compiled model: call
    this function again for a loaded one.

    Args:
        model: A built model, without a `learning_rate` one that has been called.
        base: The optimizer of all other weights: a name, a configuration, or an optimizer that has
            not been used. Without a `learning_rate`, that optimizer is changed and returned.
        learning_rate: The rate of the parameters: a number, a schedule, or None for that of `base`.

    Returns:
        An optimizer for `model.compile`.

    Raises:
        ValueError: If the model is not built, not called or has no such parameters, one of its
            other layers has the name of an activation, or the optimizer has been used or wraps
            others.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras_yat.Mila()])
    >>> adam = keras.optimizers.AdamW(1e-3, weight_decay=0.01)
    >>> optimizer = keras_yat.convert.optimizer(model, adam, learning_rate=1e-2)
    >>> model.compile(optimizer, "mse")

    Reference:
        This package.
    """
    if not isinstance(model, keras.Model) or not model.built:
        _validate.invalid_argument("model", "be a built Keras model", model)
    activations = [layer for layer in sublayers(model) if isinstance(layer, _KINDS)]
    if not activations:
        _validate.invalid_argument("model", "have trained activations", model.name)
    if base is None:
        _validate.invalid_argument("base", "be an optimizer, or the name or config of one", base)
    base = _validate.resolved("base", base, "an optimizer", keras.optimizers.get)
    wraps = (keras.optimizers.MultiOptimizer, keras.optimizers.LossScaleOptimizer)
    if base.built or isinstance(base, wraps):
        _validate.invalid_argument(
            "base", "be an optimizer that has not been used and wraps no other", base
        )
    if learning_rate is None:
        base.exclude_from_weight_decay(var_list=_parameters(model, activations))
        return base
    config = base.get_config()
    own = {"learning_rate": _rate(learning_rate), "name": f"{base.name}_of_activations"}
    if config.get("weight_decay") is not None:
        own["weight_decay"] = 0.0
    other = type(base).from_config({**config, **own})
    of_activations = {_paths(model, activations): other}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(base, of_activations))


_KINDS = (TrainableActivation, keras.layers.PReLU)


def _rate(value):
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return keras.saving.serialize_keras_object(value)
    return _validate.number("learning_rate", value, above=0.0)


def _parameters(model, activations):
    if not all(layer.weights for layer in activations):
        _validate.invalid_argument(
            "model", "have been called: its activations have no weights yet", model.name
        )
    return [weight for layer in activations for weight in layer.weights]


def _paths(model, activations):
    """A regular expression for the paths of the weights of activations.

    By the names of the layers: they are the same before the first call, which makes weights and
    moves them into the layers around them, and in a loaded model.
    """
    names = "|".join(sorted({re.escape(layer.name) for layer in activations}))
    pattern = rf"(?:.*/)?(?:{names})/[^/]+"
    own = {id(weight) for layer in activations for weight in layer.weights}
    for weight in model.trainable_weights:
        if id(weight) not in own and re.fullmatch(pattern, weight.path):
            _validate.invalid_argument(
                "model", "have activations whose names no other layer has", weight.path
            )
    return pattern
