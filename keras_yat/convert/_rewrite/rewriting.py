"""Rewrites the configuration of a model: other activations, other layers, the same names."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Mapping
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
from keras_yat.convert._rewrite.entries import (
    FUNCTION,
    exchange,
    is_graph,
    layers_in,
    new_entry,
    target_name,
)
from keras_yat.convert._rewrite.gates import gates
from keras_yat.convert._rewrite.plan import Change, Plan
from keras_yat.layers._neurons import NeuronLayer


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

    keeps_weights: bool
    """Whether layers of another class get the weights of those that they replace."""

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
        custom: Functions and classes that no file could name, by a name.
        apart: For the path of each layer of the graph the names of the activations in it that the
            old or the new layer has alone.
        classes: The changes of layers, by the path of the layer of the graph and their name.
    """

    def __init__(self, choice: Choice):
        self._choice = choice
        self.plan = Plan()
        self.custom: dict[str, Any] = {}
        self.apart: dict[str, set[str]] = defaultdict(set)
        self.classes: dict[tuple[str, str], Change] = {}
        self._leaf = ""
        self._alive: list[keras.layers.Layer] = []
        self._twice: set[str] = set()
        self._inside: dict[str, keras.layers.Layer] = {}
        self._everywhere: dict[str, keras.layers.Layer] = {}

    def rewrite(self, entry: Config, model: keras.Model) -> None:
        self._everywhere = {layer.name: layer for layer in sublayers(model)}
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
            # A layer without `get_config` has its name in the entry alone.
            name = item["config"].setdefault("name", item.get("name"))
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
        if old is None:
            return
        if any(call["kwargs"] or len(call["args"]) > 1 for call in item["inbound_nodes"]):
            # A layer takes the tensor alone.
            reason = "an operation that is called with further arguments"
            self.plan.changes.append(Change(path, None, old.name, reason=reason))
            return
        chosen = self._choose(old, path, None, gate)
        if chosen is not None:
            self._exchange_activation(item, chosen, operation.name)

    def _leaf_layer(self, item, layer, path, gate):
        self._leaf = path
        self._inside = {sub.name: sub for sub in sublayers(layer)}
        names = [sub.name for sub in sublayers(layer)]
        self._twice = {name for name in names if names.count(name) > 1}
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
            for inner in layers_in(value):
                # The cell of a layer, the layer of a wrapper.
                called = inner["config"]["name"]
                if called in self._twice:
                    raise ValueError(
                        f"Two layers in {path!r} have the name {called!r}: rename one."
                    )
                # The latter: a layer elsewhere in the model, such as `kernel_from`.
                own = self._inside.get(called) or self._everywhere.get(called)
                if own is None:
                    own = keras.saving.deserialize_keras_object(inner, safe_mode=False)
                self._layer(inner, own, f"{path}/{own.name}", False)

    def _argument(self, item, name, layer, path, gate):
        value = getattr(layer, name, None)
        if not callable(value):
            value = keras.activations.get(item["config"][name])
        shared = None
        if is_custom(value):
            item["config"][name] = self._entry_of(value)
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
            item["config"][name] = self._entry_of(chosen.target)
            return
        self._know(type(chosen.target))
        prefix = name.removesuffix("activation")
        called = f"{layer.name}_{prefix}{type(chosen.target).__name__.lower()}"
        settings = item["config"]
        if isinstance(value, keras.layers.Layer):
            called, settings = value.name, item["config"][name]["config"]
        self.apart[self._leaf].add(called)
        item["config"][name] = new_entry(chosen.target, chosen.arguments, called, settings, shared)

    def _activation_layer(self, item, layer, path, gate):
        chosen = self._choose(found(layer), path, None, gate)
        if chosen is not None:
            self.apart[self._leaf].add(layer.name)
            self._exchange_activation(item, chosen, layer.name)

    def _exchange_activation(self, item, chosen, name):
        if isinstance(chosen.target, keras.layers.Layer):
            self._know(type(chosen.target))
        else:
            function = {"activation": self._entry_of(chosen.target)}
            chosen = Replacement(keras.layers.Activation("linear"), function)
        exchange(item, new_entry(chosen.target, chosen.arguments, name, item["config"]))

    def _entry_of(self, function):
        """The entry of a function. If no file could name it, the copy gets the function itself."""
        if not is_custom(function):
            return keras.activations.serialize(function)
        called = f"{found(function).name}_{id(function)}"
        self.custom[called] = function
        return {**FUNCTION, "config": called}

    def _know(self, cls):
        """Lets the copy have layers of a class, registered or not."""
        if cls.__module__.split(".")[0] not in ("keras", "keras_yat"):
            self.custom[cls.__name__] = cls

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
        self._know(cls)
        into_yat = issubclass(cls, NeuronLayer) and not isinstance(layer, NeuronLayer)
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
        exchange(item, keras.saving.serialize_keras_object(cls.from_config(config)))
        start = "weights kept" if self._choice.keeps_weights else "default"
        change = Change(path, None, type(layer).__name__, cls.__name__, start)
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
