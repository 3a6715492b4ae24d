"""Rewrites the configuration of a model: other activations, other layers, the same names."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import keras

from keras_yat import _validate
from keras_yat._keras_compat import sublayers
from keras_yat._types import Config
from keras_yat.convert._rewrite.activations import (
    LAYER_CLASSES,
    Found,
    found,
    found_operation,
    is_custom,
)
from keras_yat.convert._rewrite.gates import gates
from keras_yat.convert._rewrite.plan import Change, Plan
from keras_yat.layers._kernel import KernelLayer


class Replacement(NamedTuple):
    """What replaces an activation.

    Attributes:
        target: A function, or a layer from whose configuration a new one is made.
        arguments: Those of the layer that differ from the target's.
        start: As in `Change`.
        residual: As in `Change`.
    """

    target: Any
    arguments: Mapping[str, Any]
    start: str | None = None
    residual: float | None = None


class Choice(Protocol):
    """Chooses what is replaced, for `Rewriting`."""

    def activation(self, old: Found, path: str, gate: bool) -> Replacement | str:
        """What replaces an activation, or why it stays."""

    def layer(
        self, layer: keras.layers.Layer, path: str
    ) -> tuple[type, Mapping[str, Any]] | str | None:
        """The class that replaces another layer, with options; or why it stays, or None."""


class Rewriting:
    """Rewrites the configuration of a model in place, as a `Choice` says.

    Attributes:
        plan: What was replaced.
        functions: Those of the model that no file could name, by a name.
        apart: For the path of each layer of the graph the names of the activations in it that the
            old or the new layer has alone.
        classes: The changes of layers, by the path of the layer of the graph and their name.
    """

    def __init__(self, choice: Choice):
        self._choice = choice
        self.plan = Plan()
        self.functions: dict[str, Any] = {}
        self.apart: dict[str, set[str]] = defaultdict(set)
        self.classes: dict[tuple[str, str], Change] = {}
        self._leaf = ""
        self._alive: list[keras.layers.Layer] = []
        self._inside: dict[str, keras.layers.Layer] = {}

    def rewrite(self, entry: Config, model: keras.Model) -> None:
        if is_graph(entry):
            self._graph(entry, model, "")
        else:
            self._leaf_layer(entry, model, model.name, gate=False)

    def _graph(self, entry, model, prefix):
        config = entry["config"]
        gated = gates(config) if "input_layers" in config else set()
        layers = {layer.name: layer for layer in model.layers}
        operations = {each.name: each for each in getattr(model, "operations", ())}
        for item in config["layers"]:
            name = item["config"]["name"]
            path, gate = prefix + name, name in gated
            if name in layers:
                self._member(item, layers[name], path, gate)
            elif name in operations:  # unlike the input of a Sequential model
                self._operation(item, operations[name], path, gate)

    def _member(self, item, layer, path, gate):
        if is_graph(item):
            self._graph(item, layer, f"{path}/")
        else:
            self._leaf_layer(item, layer, path, gate)

    def _operation(self, item, operation, path, gate):
        """Makes an operation such as that of `keras.ops.relu` a layer."""
        old = found_operation(operation)
        chosen = None if old is None else self._choose(old, path, None, gate)
        if chosen is not None:
            self._exchange_activation(item, chosen, operation.name)

    def _leaf_layer(self, item, layer, path, gate):
        self._leaf = path
        self._inside = {sub.name: sub for sub in sublayers(layer)}
        first = len(self.plan.changes)
        self._layer(item, layer, path, gate)
        seen = {change.old for change in self.plan.changes[first:]}
        if (path, layer.name) not in self.classes:
            self._hidden(layer, path, seen)

    def _layer(self, item, layer, path, gate):
        if isinstance(layer, LAYER_CLASSES):
            self._activation_layer(item, layer, path, gate)
            return
        chosen = self._choice.layer(layer, path)
        if isinstance(chosen, str):
            self.plan.changes.append(Change(path, None, type(layer).__name__, reason=chosen))
        if chosen is None or isinstance(chosen, str):
            self._arguments(item, layer, path, gate)
        else:
            self._class(item, layer, path, *chosen)

    def _arguments(self, item, layer, path, gate):
        """The activations and layers among the arguments of a layer."""
        config = item["config"]
        for name, value in config.items():
            if name == "activation" or name.endswith("_activation"):
                self._argument(item, name, layer, path, gate or name == "recurrent_activation")
                continue
            for inner in _layers_in(value):
                # The cell of a layer, the layer of a wrapper.
                own = self._inside.get(inner["config"]["name"])
                if own is None:
                    own = keras.saving.deserialize_keras_object(inner, safe_mode=False)
                self._layer(inner, own, f"{path}/{own.name}", False)

    def _argument(self, item, name, layer, path, gate):
        value = getattr(layer, name, None)
        if not callable(value):
            value = keras.activations.get(item["config"][name])
        shared = None
        if is_custom(value):
            # The copy gets the function itself.
            called = f"{found(value).name}_{id(value)}"
            self.functions[called] = value
            item["config"][name] = {**_FUNCTION, "config": called}
        if isinstance(value, keras.layers.Layer):
            # Keras marks some layers that occur twice: mark all. Their ids are those of objects
            # that live on.
            self._alive.append(value)
            shared = item["config"][name]["shared_object_id"] = id(value)
        chosen = self._choose(found(value), path, name, gate)
        if chosen is None:
            return
        if isinstance(value, keras.layers.Layer):
            self.apart[self._leaf].add(value.name)
        if not isinstance(chosen.target, keras.layers.Layer):
            item["config"][name] = keras.activations.serialize(chosen.target)
            return
        prefix = name.removesuffix("activation")
        called = f"{layer.name}_{prefix}{type(chosen.target).__name__.lower()}"
        settings = item["config"]
        if isinstance(value, keras.layers.Layer):
            called, settings = value.name, item["config"][name]["config"]
        self.apart[self._leaf].add(called)
        item["config"][name] = _new(chosen, called, settings, shared)

    def _activation_layer(self, item, layer, path, gate):
        chosen = self._choose(found(layer), path, None, gate)
        if chosen is not None:
            self.apart[self._leaf].add(layer.name)
            self._exchange_activation(item, chosen, layer.name)

    def _exchange_activation(self, item, chosen, name):
        if not isinstance(chosen.target, keras.layers.Layer):
            chosen = Replacement(keras.layers.Activation(chosen.target), {})
        _exchange(item, _new(chosen, name, item["config"]))

    def _choose(self, old, path, argument, gate):
        """The replacement of an activation, or None; listed in the plan."""
        if old.name == "linear":
            return None
        chosen = self._choice.activation(old, path, gate)
        change = Change(path, argument, old.name)
        self.plan.changes.append(change)
        if isinstance(chosen, str):
            change.reason = chosen
            return None
        change.new = target_name(chosen.target)
        change.start, change.residual = chosen.start, chosen.residual
        return chosen

    def _class(self, item, layer, path, cls, options):
        old = item["config"]
        known = inspect.signature(cls.__init__).parameters
        config = {
            name: value
            for name, value in old.items()
            if name in known and not name.endswith("initializer")
        }
        into_yat = issubclass(cls, KernelLayer) and not isinstance(layer, KernelLayer)
        # Yat neurons need no activation; a gate or a distribution stays.
        if into_yat and not found(layer.activation).is_gate:
            config["activation"] = None
        config.update({name: old[name] for name in ("name", "trainable", "dtype")}, **options)
        missing = [
            name
            for name, parameter in known.items()
            if name not in ("self", "args", "kwargs", *config)
            and parameter.default is parameter.empty
        ]
        if missing:
            _validate.invalid_argument(
                "rules",
                f"replace {type(layer).__name__} by a class with the same required arguments",
                cls.__name__,
                missing=missing,
            )
        _exchange(item, keras.saving.serialize_keras_object(cls.from_config(config)))
        change = Change(path, None, type(layer).__name__, cls.__name__, "default")
        self.plan.changes.append(change)
        self.classes[self._leaf, layer.name] = change

    def _hidden(self, layer, path, seen):
        """Lists the activations in a layer that its configuration does not show."""
        for inner in sublayers(layer)[1:]:
            value = getattr(inner, "activation", None)
            value = inner if isinstance(inner, LAYER_CLASSES) else value
            if not callable(value):
                continue
            old, place = found(value), f"{path}/{inner.name}"
            if old.name in seen or isinstance(self._choice.activation(old, place, False), str):
                continue
            seen.add(old.name)
            reason = f"set in the code of {type(layer).__name__}, not by its configuration"
            self.plan.changes.append(Change(place, None, old.name, reason=reason))


_FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "function"}


def is_graph(entry: Config) -> bool:
    """Whether an entry is that of a functional or Sequential model."""
    return isinstance(entry["config"].get("layers"), list)


def target_name(target: Any) -> str:
    """The name of what replaces an activation."""
    return type(target).__name__ if isinstance(target, keras.layers.Layer) else found(target).name


def _layers_in(value: Any) -> Iterator[Config]:
    """The entries of layers in the value of an argument."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _layers_in(item)
    elif isinstance(value, dict) and _is_layer(value):
        yield value


def _is_layer(entry):
    config = entry.get("config") if "class_name" in entry else None
    return isinstance(config, dict) and {"name", "trainable"} <= set(config)


def _new(chosen, name, config, shared=None):
    """The entry of a new activation, with the settings of the layer that it belongs to."""
    entry = keras.saving.serialize_keras_object(chosen.target)
    entry.pop("build_config", None)
    if shared is not None:
        entry["shared_object_id"] = shared
    # An operation has neither.
    given = {key: config[key] for key in ("trainable", "dtype") if key in config}
    policy = given.get("dtype")
    if isinstance(policy, dict) and "source_name" in policy["config"]:
        given["dtype"] = policy["config"]["source_name"]  # that of a quantized layer
    entry["config"].update(chosen.arguments, **given, name=name)
    return entry


def _exchange(item, new):
    """Replaces an entry, in its place in the graph."""
    kept = {k: item[k] for k in ("name", "inbound_nodes", "shared_object_id") if k in item}
    item.clear()
    item.update(new, **kept)
