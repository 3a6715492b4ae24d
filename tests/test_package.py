"""The package as a whole: imports, exports, documentation."""

import ast
import doctest
import functools
import graphlib
import importlib
import inspect
import pkgutil
import pydoc
import re
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_yat
import tools.arguments
import tools.tables
from tests import helpers
from tuning import _keras_tuner_compat

ONCE = pytest.mark.once

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "keras_yat").rglob("*.py"))
MODULES = [keras_yat.__name__] + [
    m.name for m in pkgutil.walk_packages(keras_yat.__path__, "keras_yat.")
]
FORBIDDEN = {"tensorflow", "jax", "torch", "keras_tuner", "sklearn"}
LATE = {"matplotlib", "plotly", "IPython", "tensorboard"}
# Each entry may import from the entries before it.
FLOORS = [
    {
        "keras_yat._start",
        "keras_yat._types",
        "keras_yat._validate",
        "keras_yat._precisions",
        "keras_yat._sizes",
    },
    {"keras_yat.config"},
    {"keras_yat._keras_compat", "keras_yat._backend", "keras_yat._space", "keras_yat._command"},
    {"keras_yat._register", "keras_yat._projection", "keras_yat._numerics"},
    {"keras_yat.initializers", "keras_yat.quantizers"},
    {"keras_yat.activations"},
    {"keras_yat.ops"},
    {"keras_yat.layers"},
    {
        "keras_yat.search",
        "keras_yat.convert",
        "keras_yat.zoo",
        "keras_yat._lipschitz",
    },
    {"keras_yat._derivative"},
    {"keras_yat._plot"},
    {"keras_yat.plot", "keras_yat.callbacks", "keras_yat._describe"},
    {"keras_yat.__main__"},
]


def imports(path, of_functions=True):
    """The imports of a file; without `of_functions` only those at its top level."""
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    later = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if not of_functions and id(node) in later:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@ONCE
@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_no_backend_and_nothing_private_of_keras(path):
    for name in imports(path):
        assert not name.startswith("keras.src"), name
        assert name.split(".")[0] not in FORBIDDEN, name
    for name in imports(path, of_functions=False):
        assert name.split(".")[0] not in LATE, "imported when it is used"
    assert not any(name.startswith("matplotlib.pyplot") for name in imports(path)), "global state"


@ONCE
@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_layers_of_the_package(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    def floor(name):
        levels = [
            i
            for i, names in enumerate(FLOORS)
            if any((name + ".").startswith(n + ".") for n in names)
        ]
        return levels[0] if levels else None

    own = floor(module)
    if own is None:
        assert module == "keras_yat", f"{module} is on no floor"
        return
    for name in imports(path):
        if name.startswith("keras_yat."):
            assert floor(name) <= own, f"{module} imports {name}"


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@ONCE
def test_no_circular_imports():
    modules = {module_of(path): path for path in SOURCES}
    before = {}
    for module, path in modules.items():
        names = set(imports(path, of_functions=False))
        # `from keras_yat import x` depends on the package only if x is not a module.
        inner = {n.rpartition(".")[0] for n in names if n in modules}
        before[module] = {n for n in names if n in modules and n not in inner} - {"keras_yat"}
    order = graphlib.TopologicalSorter(before).static_order()  # or raises CycleError
    assert set(order) == set(modules)


@ONCE
def test_each_folder_has_a_docstring():
    for folder in ("keras_yat", "examples", "tuning", "benchmarks", "tests", "tools"):
        for door in (ROOT / folder).rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(door.read_text())), door


@ONCE
def test_no_file_is_too_long():
    for folder, most in (("keras_yat", 300), ("examples", 300), ("tuning", 300), ("tests", 400)):
        for path in (ROOT / folder).rglob("*.py"):
            lines = len(path.read_text().splitlines())
            assert lines <= most, f"{path.relative_to(ROOT)} has {lines} lines"


# Private names of Keras and of Keras Tuner.

COMPATIBLE = ("_keras_compat", "_keras_tuner_compat.py")
OURS = [
    file
    for folder in ("keras_yat", "examples", "tuning", "benchmarks")
    for file in sorted((ROOT / folder).rglob("*.py"))
    if not set(file.parts) & set(COMPATIBLE)
]


def private(name):
    return name.startswith("_") and not name.startswith("__")


def of_own(tree):
    """The private names that classes define or access by `self` and `super()`, and where."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Call)):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.lineno


@functools.cache
def foreign(cls):
    """The private names of the Keras and Keras Tuner base classes of a class."""
    found = set()
    for base in cls.__mro__:
        if base.__module__.split(".")[0] in ("keras", "keras_tuner"):
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            found |= {name for name, _ in of_own(tree) if private(name)}
    return found


@ONCE
@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_private_names_of_keras_are_in_one_module(path):
    assert not any(re.match(r"keras(_tuner)?\.src\b", name) for name in imports(path))
    text = path.read_text()
    assert "_keras_mask" not in text
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if module.endswith("__main__"):
        return
    found = importlib.import_module(module)
    for node in ast.parse(text).body:
        cls = getattr(found, node.name, None) if isinstance(node, ast.ClassDef) else None
        if not inspect.isclass(cls):
            continue
        used = {name: line for name, line in of_own(node) if private(name)}
        clash = {name: line for name, line in used.items() if name in foreign(cls)}
        assert not clash, f"{path.name}: {cls.__name__} uses what Keras has for itself: {clash}"


@ONCE
def test_tried_versions():
    """They include the versions that the development environment pins."""
    pinned = re.findall(r'"(keras(?:-tuner)?)==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    tried = {"keras": keras_yat._keras_compat.TRIED, "keras-tuner": _keras_tuner_compat.TRIED}
    assert {name for name, _ in pinned} == set(tried)
    assert all(version in tried[name] for name, version in pinned)


@ONCE
@pytest.mark.parametrize("name", MODULES)
def test_exported_names_exist_and_are_documented(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        assert inspect.getdoc(getattr(module, public)), public


@ONCE
def test_every_layer_is_exported():
    for name in keras_yat.layers.__all__:
        assert getattr(keras_yat, name) is getattr(keras_yat.layers, name)
        assert name in keras_yat.__all__


@ONCE
def test_every_layer_is_registered():
    for name in keras_yat.layers.__all__:
        cls = getattr(keras_yat, name)
        assert keras.saving.get_registered_name(cls) == f"keras_yat>{name}"


class _AnyOutput(doctest.OutputChecker):
    """Compares the output of an example only if the example shows one."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


def run_examples(text, name):
    test = doctest.DocTestParser().get_doctest(
        text, {"keras": keras, "keras_yat": keras_yat, "np": np}, name, None, 0
    )
    report = []
    runner = doctest.DocTestRunner(_AnyOutput(), optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
    return len(test.examples)


PUBLIC = {
    f"{name}.{public}": getattr(importlib.import_module(name), public)
    for name in (
        "keras_yat.activations",
        "keras_yat.callbacks",
        "keras_yat.convert",
        "keras_yat.initializers",
        "keras_yat.layers",
        "keras_yat.ops",
        "keras_yat.plot",
        "keras_yat.quantizers",
        "keras_yat.search",
        "keras_yat.zoo",
    )
    for public in importlib.import_module(name).__all__
} | {f"keras_yat.{n}": getattr(keras_yat, n) for n in ("lipschitz", "lipschitz_epsilon")}
PUBLIC |= {f"keras_yat.config.{n}": f for n, f in vars(keras_yat.config).items() if n[0] != "_"}


@pytest.mark.spread
@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_examples_run(name):
    assert run_examples(inspect.getdoc(PUBLIC[name]), name) > 0


@ONCE
@pytest.mark.parametrize("name", [n for n in PUBLIC if "config" not in n])
def test_docstrings_give_every_argument_and_the_source(name):
    item = PUBLIC[name]
    text = inspect.getdoc(item)
    signature = inspect.signature(item)
    for argument in signature.parameters.values():
        stars = {argument.VAR_KEYWORD: "**", argument.VAR_POSITIONAL: "*"}.get(argument.kind, "")
        assert re.search(rf"^    {re.escape(stars)}{argument.name}: ", text, re.M), argument
    assert item.__name__ in ("get", "names") or "Reference:" in text


@ONCE
def test_generated_files_are_up_to_date():
    assert not tools.arguments.stale()
    assert not tools.tables.stale()


@ONCE
def test_version_is_in_the_changelog_and_the_citation():
    assert f"## {keras_yat.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {keras_yat.__version__}\n" in (ROOT / "CITATION.cff").read_text()


# All that a `.keras` file can name of this package.
REGISTERED = {
    *keras_yat.layers.__all__,
    *(name for name in keras_yat.activations.__all__ if name not in ("get", "names")),
    *keras_yat.ops.__all__,
    "FrozenActivation",
    "FrozenModel",
    "Ternary",
    "YatNormal",
}


@ONCE
def test_registered_names_are_public():
    code = "import keras_yat, keras; print(*keras.saving.get_custom_objects())"
    found = helpers.run("-c", code).stdout.split()
    own = {name.removeprefix("keras_yat>") for name in found if name.startswith("keras_yat>")}
    assert own == REGISTERED


@ONCE
@pytest.mark.parametrize("name", keras_yat.layers.__all__)
def test_help_shows_one_signature_and_what_a_user_may_call(name):
    cls = getattr(keras_yat, name)
    text = pydoc.render_doc(cls, renderer=pydoc.plaintext)
    (shown,) = re.findall(rf"^ \|  {name}(\(.*)$", text, re.M)
    (again,) = re.findall(r"^ \|  __init__\(self, (.*)$", text, re.M)
    assert shown.removesuffix(" -> None") == "(" + again.removesuffix(" -> None")
    own = {n for base in cls.__mro__ if base.__module__.startswith("keras_yat") for n in vars(base)}
    methods = {n for n in own if n[0] != "_" and inspect.isfunction(getattr(cls, n))}
    assert methods <= dir_of_keras(cls) | FOR_USERS, methods - dir_of_keras(cls) - FOR_USERS


def dir_of_keras(cls):
    """The names that the bases in Keras have."""
    bases = (base for base in cls.__mro__ if base.__module__.startswith("keras."))
    return {"call", "build", "compute_mask"}.union(*map(dir, bases))


FOR_USERS = {
    *("adapt", "enable_lora", "score", "make_cache", "prototypes", "recurrent_prototypes"),
    *("add_prototypes", "remove_prototypes"),
    "sparsity",
    # Of recurrent cells and layers, and of activations: what one calls of the other.
    *("get_initial_state", "run", "run_loop", "step", "step_backward", "value_and_slope"),
    "function",
    "constants",
    "starts_like",
}
