"""The configuration of a live model, and a model of a configuration."""

from __future__ import annotations

from typing import Any

import keras

from keras_yat._keras_compat import is_functional, sharing, sublayers
from keras_yat._types import Config
from keras_yat.convert._rewriting import is_graph


def configuration(model: keras.Model) -> tuple[Config, keras.Model]:
    """The entry of a model, and the model whose layers it describes.

    The entry of a graph has its layers, whatever class of model built the graph.
    """
    if any(is_functional(m) and not _shows_layers(m) for m in _models(model)):
        # Plain models of the same layers.
        model = keras.models.clone_model(model, clone_function=lambda layer: layer, recursive=True)
    with sharing():
        return keras.saving.serialize_keras_object(model), model


def model_of(entry: Config, old: keras.Model) -> keras.Model:
    """The model of an entry, not compiled; `old` has its custom classes and functions."""
    with keras.saving.custom_object_scope(_custom_objects(old)), sharing():
        new = keras.saving.deserialize_keras_object(_uncompiled(entry), safe_mode=False)
    if old.built and not new.built:
        new.build_from_config(old.get_build_config())
    return new


def _shows_layers(model):
    return is_graph({"config": model.get_config()})


def _models(model):
    return [layer for layer in sublayers(model) if isinstance(layer, keras.Model)]


def _custom_objects(model: keras.Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in sublayers(model):
        function = getattr(layer, "activation", None)
        for item in (type(layer), function):
            name = getattr(item, "__name__", "<")
            # Keras finds its own and registered ones, and the code of a lambda in its entry.
            own = getattr(item, "__module__", "keras").split(".")[0] == "keras"
            if not own and "<" not in name and keras.saving.get_registered_name(item) == name:
                found.setdefault(name, item)
    return found


def _uncompiled(value: Any) -> Any:
    """A part of a configuration without the settings of `compile`."""
    if isinstance(value, dict):
        return {k: _uncompiled(v) for k, v in value.items() if k != "compile_config"}
    if isinstance(value, (list, tuple)):
        return type(value)(_uncompiled(item) for item in value)
    return value
