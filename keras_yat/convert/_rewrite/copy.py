"""The configuration of a live model, and a model of a configuration."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from keras_yat._keras_compat import is_functional, overrides_call, sharing, sublayers
from keras_yat._types import Config
from keras_yat.convert._rewrite.entries import is_graph


def configuration(model: keras.Model) -> tuple[Config, keras.Model]:
    """The entry of a model, and the model whose layers it describes.

    The entry of a graph has its layers, whatever class of model built the graph.
    """
    if any(is_functional(m) and not _shows_layers(m) for m in _models(model)):
        for each in _models(model):
            if is_functional(each) and not _shows_layers(each) and overrides_call(each):
                raise ValueError(
                    f"{type(each).__name__} {each.name!r} builds a graph of layers but overrides "
                    "`call`: its configuration does not describe what it computes."
                )
        # Plain models of the same layers.
        model = keras.models.clone_model(model, clone_function=lambda layer: layer, recursive=True)
    with sharing(), warnings.catch_warnings():
        # The copy is made at once: that a lambda is unsafe in files does not matter.
        warnings.filterwarnings("ignore", message=".*being serialized includes a `lambda`")
        return keras.saving.serialize_keras_object(model), model


def model_of(entry: Config, old: keras.Model, custom: dict[str, Any]) -> keras.Model:
    """The model of an entry, not compiled, with the classes of `old` and other objects by name."""
    with keras.saving.custom_object_scope({**_classes(old), **custom}), sharing():
        new = keras.saving.deserialize_keras_object(_uncompiled(entry), safe_mode=False)
    if old.built and not new.built:
        new.build_from_config(old.get_build_config())
    return new


def _shows_layers(model):
    return is_graph({"config": model.get_config()})


def _models(model):
    return [layer for layer in sublayers(model) if isinstance(layer, keras.Model)]


def _classes(model: keras.Model) -> dict[str, Any]:
    """The classes of layers that are neither Keras's nor registered with it."""
    classes = {type(layer) for layer in sublayers(model)}
    own = {cls for cls in classes if cls.__module__.split(".")[0] == "keras"}
    registered = keras.saving.get_registered_name
    return {cls.__name__: cls for cls in classes - own if registered(cls) == cls.__name__}


def _uncompiled(value: Any) -> Any:
    """A part of a configuration without the settings of `compile`."""
    if isinstance(value, dict):
        return {k: _uncompiled(v) for k, v in value.items() if k != "compile_config"}
    if isinstance(value, (list, tuple)):
        return type(value)(_uncompiled(item) for item in value)
    return value
