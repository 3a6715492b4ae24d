"""Entries of a configuration: what Keras serializes a layer, a function or a model to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_yat._types import Config
from keras_yat.convert._rewrite.activations import found

FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "function"}


def is_graph(entry: Config) -> bool:
    """Whether an entry is that of a functional or Sequential model."""
    return isinstance(entry["config"].get("layers"), list)


def target_name(target: Any) -> str:
    """The name of what replaces an activation."""
    return type(target).__name__ if isinstance(target, keras.layers.Layer) else found(target).name


def layers_in(value: Any) -> Iterator[Config]:
    """The entries of layers in the value of an argument."""
    if isinstance(value, dict) and _is_layer(value):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from layers_in(item)


def _is_layer(entry):
    config = entry.get("config") if "class_name" in entry else None
    return isinstance(config, dict) and {"name", "trainable"} <= set(config)


def new_entry(
    target: Any, arguments: Mapping[str, Any], name: str, config: Config, shared: int | None = None
) -> Config:
    """The entry of a new activation, with the settings of the layer that it belongs to."""
    entry = keras.saving.serialize_keras_object(target)
    entry.pop("build_config", None)
    if shared is not None:
        entry["shared_object_id"] = shared
    # An operation has neither.
    given = {key: config[key] for key in ("trainable", "dtype") if key in config}
    policy = given.get("dtype")
    if isinstance(policy, dict) and "source_name" in policy["config"]:
        given["dtype"] = policy["config"]["source_name"]  # that of a quantized layer
    entry["config"].update(arguments, **given, name=name)
    return entry


def exchange(item: Config, new: Config) -> None:
    """Replaces an entry, in its place in the graph."""
    kept = {k: item[k] for k in ("name", "inbound_nodes", "shared_object_id") if k in item}
    item.clear()
    item.update(new, **kept)
