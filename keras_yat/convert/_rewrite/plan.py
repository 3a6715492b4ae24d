"""What `replace` does: a list of changes, shown as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Change:
    """An activation or layer of a model that is replaced, or the reason why it is not.

    Args:
        path: Names of the models and layers that contain it, and its own, joined by `/`.
        argument: Argument of the layer whose value it is, such as `"activation"`, or None for a
            layer.
        old: Name of the activation or class.
        new: Name of what replaces it, or None.
        start: For an activation how it starts: `"exact"`, `"least squares"` or `"default"`. For
            another layer `"weights kept"` or `"default"`.
        residual: Root mean square of the difference between the old and the new function on
            [-6, 6], or None. Of a layer with kept weights: on normal inputs, relative to the old
            output.
        reason: Why it is not replaced, or None.

    Example:

    >>> change = keras_yat.convert.Change("head", "activation", "softmax", reason="no rule")

    Reference:
        This package.
    """

    path: str
    argument: str | None
    old: str
    new: str | None = None
    start: str | None = None
    residual: float | None = None
    reason: str | None = None


@dataclass
class Plan:
    """What `keras_yat.convert.replace` would replace in a model. Printed, it is a table.

    Args:
        changes: One `Change` for each activation of the model, and for each layer that is replaced.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu")])
    >>> plan = keras_yat.convert.plan(model, {"relu": keras_yat.ShiLU})
    >>> [(change.old, change.new, change.start) for change in plan.replaced]
    [('relu', 'ShiLU', 'exact')]

    Reference:
        This package.
    """

    changes: list[Change] = field(default_factory=list)

    @property
    def replaced(self) -> list[Change]:
        """The changes that are made."""
        return [change for change in self.changes if change.new is not None]

    @property
    def skipped(self) -> list[Change]:
        """The activations that are left as they are, with their reasons."""
        return [change for change in self.changes if change.new is None]

    def __str__(self) -> str:
        rows = [
            ("place", "old", "new", "start, or reason to skip"),
            *map(_row, self.changes),
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        ]
        total = f"{len(self.replaced)} replaced, {len(self.skipped)} left"
        return "\n".join([*(line.rstrip() for line in lines), total])


def _row(change):
    place = change.path if change.argument is None else f"{change.path} ({change.argument})"
    if change.new is None:
        return place, change.old, "", change.reason
    residual = f", rms {change.residual:.2g}" if change.residual else ""
    return place, change.old, change.new, f"{change.start or ''}{residual}"


def error_if_empty(plan: Plan) -> None:
    """Raises an error if nothing is replaced; it names what there is."""
    if plan.replaced:
        return
    reasons: dict[str, Any] = {}
    for change in plan.skipped:
        reasons.setdefault(f"{change.old} ({change.reason})", None)
    there = ", ".join(reasons) or "none"
    raise ValueError(f"No rule applies to the model. Its activations: {there}.")
