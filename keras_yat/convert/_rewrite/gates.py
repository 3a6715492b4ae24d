"""Which layers of a functional model are gates: factors of something they do not depend on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras_yat._types import Config

# Operations behind an activation that leave it a gate.
_PASSING = frozenset(
    ("Dropout", "ExpandDims", "Identity", "Permute", "RepeatVector", "Rescaling", "Reshape")
)


def gates(config: Config) -> set[str]:
    """The names of the layers that are gates, of the configuration of a functional model.

    A layer is a gate if its output, perhaps scaled or reshaped, is multiplied by a tensor that does
    not depend on it. In a squeeze-and-excitation block these are the layers of the branch that
    weights the channels, not the activation whose output is weighted.
    """
    graph = _Graph(config)
    return {name for name in graph.inputs if graph.is_gate(name)}


class _Graph:
    def __init__(self, config):
        self._classes = {entry["name"]: entry["class_name"] for entry in config["layers"]}
        # For each layer its calls, and for each call the layers of its tensors.
        self.inputs: dict[str, list[list[str]]] = {
            entry["name"]: [list(_sources(node)) for node in entry["inbound_nodes"]]
            for entry in config["layers"]
        }
        self._consumers: dict[str, set[str]] = {name: set() for name in self.inputs}
        for name, calls in self.inputs.items():
            for source in (s for call in calls for s in call):
                self._consumers[source].add(name)

    def is_gate(self, name):
        behind = None
        for consumer, operand in self._uses(name):
            if self._classes[consumer] != "Multiply":
                continue
            for call in self.inputs[consumer]:
                if operand not in call or len(call) < 2:
                    continue
                others = list(call)
                others.remove(operand)
                behind = behind or self._behind(name)
                if behind.isdisjoint(others):
                    return True
        return False

    def _uses(self, name):
        """The layers that get the output of a layer, and the operand as which they get it."""
        for consumer in self._consumers[name]:
            yield consumer, name
            if self._passes(consumer):
                yield from self._uses(consumer)

    def _passes(self, name):
        scales = self._classes[name] == "Multiply" and all(len(c) == 1 for c in self.inputs[name])
        return scales or self._classes[name] in _PASSING

    def _behind(self, name):
        """The layer, and all that depend on it."""
        found, waiting = set(), [name]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._consumers[name])
        return found


def _sources(value: Any) -> Iterator[str]:
    """The names of the layers whose tensors are in a part of a configuration."""
    if isinstance(value, dict):
        history = value.get("keras_history")
        if history is not None:
            yield history[0]
            return
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _sources(item)
