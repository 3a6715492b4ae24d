"""Descriptions of activations and layers, parsed from their docstrings and signatures."""

import difflib
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_yat import _validate, activations, layers
from keras_yat._register import LAYERS

OPTIONS = ("axis", "bounds", "functions", "norm", "epsilon", "like", "degrees")
"""Arguments of activations other than trained parameters and numbers."""

OF_NONE = {"coefficients": "1/k", "numerator": "as GELU", "denominator": "as GELU"}
"""The starting values of parameters with the default None."""


@dataclass(frozen=True)
class Description:
    """The description of an activation or a layer."""

    name: str
    """Name of the activation, or of the class."""
    layer: str
    """Name of the class."""
    formula: str
    text: str
    """The docstring between the formula and the arguments."""
    defaults: Mapping[str, Any]
    """Defaults of all arguments."""
    meanings: Mapping[str, str]
    """Descriptions of the arguments."""
    bounds: Mapping[str, tuple[float | None, float | None]]
    """Bounds of the trained parameters."""
    reference: str

    @property
    def starts(self) -> dict[str, Any]:
        """Starting values of an activation's parameters."""
        shown = {n: v for n, v in self.defaults.items() if n not in OPTIONS}
        return {n: OF_NONE[n] if v is None else v for n, v in shown.items()}

    @property
    def limits(self) -> list[str]:
        """Bounds of the parameters, as text."""
        return [
            f"{name} ≥ {low:g}" if high is None else f"{name} in [{low:g}, {high:g}]"
            for name, (low, high) in self.bounds.items()
        ]


def describe(name: str) -> Description:
    """The description of the activation or layer called `name`.

    Raises:
        ValueError: If the name is unknown.
    """
    cls = find(name)
    text = inspect.getdoc(cls) or ""
    first, _, rest = text.partition("\n\n")
    kind, _, formula = first.partition(": ")
    signature = inspect.signature(cls).parameters
    return Description(
        next((known for known, layer in LAYERS.items() if layer is cls), cls.__name__),
        cls.__name__,
        _line(formula or kind),
        rest.partition("\nArgs:")[0].strip(),
        {n: p.default for n, p in signature.items() if p.kind is not p.VAR_KEYWORD},
        _meanings(text),
        getattr(cls, "default_bounds", {}),
        _section(text, "Reference"),
    )


def find(name: str) -> type:
    """The class of the activation or layer called `name`."""
    if name in activations.names():
        return type(activations.get(name))
    if name in layers.__all__:
        return getattr(layers, name)
    every = {n.lower().replace("_", ""): n for n in [*layers.__all__, *activations.names()]}
    near = difflib.get_close_matches(name.lower().replace("_", ""), every, n=3, cutoff=0.5)
    hint = f" (did you mean {' or '.join(every[n] for n in near)}?)" if near else ""
    _validate.invalid_argument("name", f"be listed by `python -m keras_yat list`{hint}", name)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def _meanings(text: str) -> dict[str, str]:
    """The descriptions of the arguments in a docstring."""
    found = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, re.M)
    lines = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", found[1] if found else "", re.M)
    return {name: _line(meaning) for name, meaning in lines}


def _section(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", text, re.M)
    return _line(found[1]) if found else ""
