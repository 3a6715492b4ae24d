"""Writes the shared arguments into signatures, docstrings and `super().__init__` calls.

    python -m tools.arguments            writes the source
    python -m tools.arguments --check    ends with the status 1 if the source is stale

A new class needs `def __init__(self, its, own, arguments, **kwargs)` with a docstring whose `Args:`
describe them. What its base shares with others is inserted, from `tools/shared_arguments.py`,
`tools/attention_arguments.py` and `tools/recurrent_arguments.py`: after the shared argument before
it, or at the end. Own arguments, and defaults that differ from the shared ones, stay as they are.
"""

import argparse
import ast
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tools.attention_arguments import ATTENTION
from tools.recurrent_arguments import CALL, CELL, LAYER, RECURRENT_ACTIVATION
from tools.shared_arguments import (
    AXIS_AND_BOUNDS,
    DEPTHWISE,
    FUNCTIONS,
    KERNEL,
    LORA,
    NEURON,
    OPTIONS,
    QUANTIZER,
    SEPARABLE,
    Argument,
)

ROOT = Path(__file__).parent.parent
FOLDERS = ("keras_yat/activations", "keras_yat/layers")
WIDTH = 100
OF_BASE = {
    "Activation": [],
    "Squasher": [],
    "TrainableActivation": AXIS_AND_BOUNDS,
    "Combination": [*FUNCTIONS, *AXIS_AND_BOUNDS],
    "KernelLayer": KERNEL,
    "BaseYatDense": KERNEL,
    "BaseYatConv": KERNEL,
    "BaseYatConvTranspose": KERNEL,
    "BaseYatDepthwiseConv": DEPTHWISE,
    "BaseYatSeparableConv": SEPARABLE,
    "LoraLayer": [*LORA, QUANTIZER, *NEURON],
    "YatLayer": NEURON,
    "BaseYatAttention": ATTENTION,
    "BaseYatCell": CELL,
    "BaseGatedYatCell": [*CELL, *RECURRENT_ACTIVATION],
    "BaseYatRecurrent": LAYER,
    "BaseGatedYatRecurrent": [*LAYER, *RECURRENT_ACTIVATION],
}
"""The shared arguments of the subclasses of each base class."""


@dataclass
class Parameter:
    """A parameter of a signature, in the form of its source."""

    name: str
    annotation: str
    default: str | None
    keyword_only: bool

    def __str__(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.annotation}{default}"


def written(source: str) -> str:
    """The source of a module with all shared arguments in place."""
    lines = source.splitlines()
    edits: list[tuple[int, int, list[str]]] = []
    for cls in ast.parse(source).body:
        if isinstance(cls, ast.ClassDef) and _shared(cls) is not None:
            edits += _edits(cls, source)
    for start, end, new in sorted(edits, reverse=True):
        lines[start:end] = new
    return "\n".join(lines) + "\n"


def _shared(cls: ast.ClassDef) -> list[Argument] | None:
    """The shared arguments of a public class; None for others."""
    bases = [base.id for base in cls.bases if isinstance(base, ast.Name) and base.id in OF_BASE]
    if not bases or not cls.decorator_list:
        return None
    return OF_BASE[bases[0]]


def _edits(cls, source):
    """(first line, end, new lines) of the docstring, the signature and the call of the base."""
    shared = {argument.name: argument for argument in _shared(cls) or []}
    init = next((n for n in cls.body if getattr(n, "name", "") == "__init__"), None)
    if init is None:
        raise SystemExit(f"{cls.name} has no __init__")
    parameters = _with_shared(_parameters(init, source), list(shared.values()))
    docstring = cls.body[0]
    yield docstring.lineno - 1, docstring.end_lineno, _docstring(cls, parameters, shared, source)
    yield init.lineno - 1, init.body[0].lineno - 1, _signature(parameters)
    call = next((n for n in init.body if _is_call_of_base(n)), None)
    names = [p.name for p in parameters if p.name in shared]
    if call is not None and not set(names) & _positional_names(call):
        yield call.lineno - 1, call.end_lineno, _call(call.value, names, source)


def _positional_names(call):
    return {a.id for a in call.value.args if isinstance(a, ast.Name)}


def _is_call_of_base(node):
    function = getattr(getattr(node, "value", None), "func", None)
    return getattr(function, "attr", "") == "__init__"


def _parameters(init, source) -> list[Parameter]:
    arguments = init.args
    plain = arguments.args[1:]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults

    def made(argument, default, keyword_only):
        annotation = _text(source, argument.annotation)
        text = None if default is None else _text(source, default)
        return Parameter(argument.arg, annotation, text, keyword_only)

    return [
        *(made(a, d, False) for a, d in zip(plain, defaults, strict=True)),
        *(
            made(a, d, True)
            for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ),
    ]


def _with_shared(parameters: list[Parameter], shared: list[Argument]) -> list[Parameter]:
    """The parameters, with the shared ones that are missing, and the shared annotations."""
    found = list(parameters)
    for i, argument in enumerate(shared):
        present = next((p for p in found if p.name == argument.name), None)
        if present is not None:
            present.annotation = argument.annotation
            continue
        before = {a.name for a in shared[:i] if a.keyword_only == argument.keyword_only}
        places = [k for k, p in enumerate(found) if p.name in before]
        same = [k for k, p in enumerate(found) if p.keyword_only <= argument.keyword_only]
        place = max(places or same, default=-1) + 1
        new = Parameter(argument.name, argument.annotation, argument.default, argument.keyword_only)
        found.insert(place, new)
    return found


def _text(source: str, node: ast.AST) -> str:
    """The source of a node."""
    return ast.get_source_segment(source, node) or ""


def _signature(parameters: list[Parameter]) -> list[str]:
    lines = ["self"]
    for i, parameter in enumerate(parameters):
        if parameter.keyword_only and not (i and parameters[i - 1].keyword_only):
            lines.append("*")
        lines.append(str(parameter))
    lines.append("**kwargs: Unpack[LayerOptions]")
    line = f"    def __init__({', '.join(lines)}) -> None:"
    if len(line) <= WIDTH:
        return [line]
    return ["    def __init__(", *(f"        {line}," for line in lines), "    ) -> None:"]


def _call(call, names, source) -> list[str]:
    own = [_text(source, argument) for argument in call.args]
    for keyword in call.keywords:
        value = _text(source, keyword.value)
        if keyword.arg not in names and value != "kwargs":
            own.append(f"**{value}" if keyword.arg is None else f"{keyword.arg}={value}")
    parts = [*own, *(f"{name}={name}" for name in names), "**kwargs"]
    line = f"        super().__init__({', '.join(parts)})"
    if len(line) <= WIDTH:
        return [line]
    return ["        super().__init__(", *(f"            {part}," for part in parts), "        )"]


def _docstring(cls, parameters, shared, source) -> list[str]:
    node = cls.body[0]
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
    lines = _section(
        lines,
        "Args:",
        {p.name: shared[p.name].text if p.name in shared else None for p in parameters}
        | {"**kwargs": None},
        {"**kwargs": OPTIONS},
        cls.name,
    )
    if "Recurrent" in "".join(b.id for b in cls.bases if isinstance(b, ast.Name)):
        lines = _section(lines, "Call arguments:", {**CALL, "initial_state": None}, {}, cls.name)
    return lines


def _section(lines, title, texts, defaults, name) -> list[str]:
    """A section of a docstring with the given entries; None keeps the text that is there."""
    start = next(i for i, line in enumerate(lines) if line.strip() == title) + 1
    end = next(i for i in range(start, len(lines)) if not lines[i].strip())
    there: dict[str, list[str]] = {}
    for line in lines[start:end]:
        entry = re.match(r"        ([\w*]+)(:|$)", line)
        if entry:
            there[entry[1]] = []
            current = there[entry[1]]
        current.append(line)
    new: list[str] = []
    for argument, text in texts.items():
        own = there.get(argument, [])
        if text is None and (not own or own[0].strip() == argument):
            text = defaults.get(argument)
            if text is None:
                raise SystemExit(f"{name}: `{argument}` is not described under {title}")
        new += own if text is None else _entry(argument, text)
    return lines[:start] + new + lines[end:]


def _entry(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        f"{name}: {text}",
        WIDTH,
        initial_indent=" " * 8,
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def files() -> list[Path]:
    """The modules that have shared arguments."""
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.py"))]


def stale() -> list[str]:
    """The modules whose source is not as this tool writes it."""
    return [
        str(file.relative_to(ROOT))
        for file in files()
        if written(file.read_text()) != file.read_text()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    found = stale()
    if parser.parse_args().check and found:
        sys.exit(f"Stale: {', '.join(found)}. Run python -m tools.arguments.")
    for name in found:
        (ROOT / name).write_text(written((ROOT / name).read_text()))
        print(f"Wrote {name}.")


if __name__ == "__main__":
    main()
