"""The API of every public name, with every argument."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType

MODULES = {
    "activations": "Activations as functions",
    "ops": "Operations",
    "initializers": "Initializers",
    "quantizers": "Quantizers",
    "convert": "Changing models",
    "callbacks": "Callbacks",
    "plot": "Plots",
    "search": "Search spaces",
    "zoo": "Trained networks",
    "config": "Settings",
}
"""The public modules, with the titles of their pages."""
FAMILIES = {
    "Dense and embedding": r"Yat(Dense|Embedding)",
    "Convolutions": r"Yat\w*Conv\d\w*",
    "Recurrent layers": r"Yat(SimpleRNN|LSTM|GRU)\w*",
    "Attention": r"Yat(MultiHead|Linear)Attention",
    "Graphs": r"YatGraph\w+",
    "Normalization": r"Yat\w+Normalization",
}
"""The Yat layers of each page of the API, by their names."""
BOUNDS = ("lipschitz", "lipschitz_epsilon")


def pages() -> dict[str, str]:
    """The API of every public name: a page for each family of layers and for each module."""
    import keras_yat

    found = {}
    layers = [n for n in keras_yat.layers.__all__ if n.startswith("Yat")]
    for title, pattern in FAMILIES.items():
        names = [n for n in layers if re.fullmatch(pattern, n)]
        parts = [f"# {title}", *(directive("autoclass", f"keras_yat.{name}") for name in names)]
        found[f"api/{title.split()[0].lower()}"] = "\n\n".join(parts)
    for name, title in MODULES.items():
        found[f"api/{name}"] = module_page(name, title)
    bounds = [directive("autofunction", f"keras_yat.{name}") for name in BOUNDS]
    found["api/lipschitz"] = "\n\n".join(["# Lipschitz bounds", *bounds])
    listed = "\n".join(name.removeprefix("api/") for name in found)
    found["api/index"] = f"# API\n\n{OF_API}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```"
    return found


OF_API = """All public names, with every argument. The layers of the activations are on
[their own pages](../activations/index.md)."""


def module_page(name: str, title: str) -> str:
    import keras_yat

    module: ModuleType = getattr(keras_yat, name)
    parts = [f"# {title}", f"`keras_yat.{name}`", inspect.getdoc(module)]
    elsewhere = name == "activations"  # each function is on the page of its activation
    for public in public_names(module):
        if not (elsewhere and public in keras_yat.activations.names()):
            kind = "autoclass" if inspect.isclass(getattr(module, public)) else "autofunction"
            parts.append(directive(kind, f"keras_yat.{name}.{public}"))
    return "\n\n".join(part for part in parts if part)


def public_names(module: ModuleType) -> list[str]:
    own = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    ]
    return sorted(own)


def directive(kind: str, name: str) -> str:
    """The directive that documents a name, with the methods that a user calls."""
    lines = [f"```{{eval-rst}}\n.. {kind}:: {name}"]
    if kind == "autoclass":
        methods = ", ".join(methods_of(resolve(name)))
        if methods:
            lines.append(f"   :members: {methods}")
    return "\n".join([*lines, "```"])


def resolve(name: str) -> type:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def methods_of(cls: type) -> Iterator[str]:
    """The documented methods that this package adds to a class of Keras, or defines."""
    of_keras = {
        n for base in cls.__mro__ if base.__module__.startswith("keras.") for n in vars(base)
    }
    for base in cls.__mro__:
        if base.__module__.startswith("keras_yat"):
            for name, value in vars(base).items():
                plain: Callable | None = getattr(value, "__func__", value)
                is_method = inspect.isfunction(plain) or isinstance(value, property)
                documented = bool(getattr(plain, "__doc__", None))
                if name[0] != "_" and is_method and documented and name not in of_keras:
                    yield name
