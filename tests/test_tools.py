"""The tools that write parts of the source."""

import ast

import pytest

from tests.fault_cases import FAULTS
from tests.faults import ROOT
from tools import arguments, tables
from tools.arguments import OF_BASE
from tools.recurrent_arguments import CELL
from tools.shared_arguments import KERNEL

pytestmark = pytest.mark.once

NEW = '''"""A new layer."""


@register()
class YatNew(KernelLayer):
    """New.

    Args:
        size: Its own argument,
            on two lines.
        activation: Another text.

    Input shape:
        Any.
    """

    def __init__(self, size: int, use_bias: bool = False, *, own: str = "x", **kwargs: int) -> None:
        super().__init__(features=size * 2, **kwargs)
        self.size = size
'''


def test_a_new_class_gets_what_its_base_shares():
    source = arguments.written(NEW.replace("Another text.", "Another text.\n        own: A word."))
    cls = ast.parse(source).body[1]
    init = cls.body[1]
    names = [a.arg for a in init.args.args[1:]], [a.arg for a in init.args.kwonlyargs]
    shared = [a.name for a in KERNEL if not a.keyword_only]
    # Own arguments stay in their places; a shared one that is there keeps its place and default.
    assert names[0][:2] == ["size", "use_bias"]
    assert sorted(names[0][1:]) == sorted(shared)
    assert names[1] == ["own", *(a.name for a in KERNEL if a.keyword_only)]
    assert ast.unparse(init.args.defaults[0]) == "False"
    assert ast.unparse(init.args.kwarg.annotation) == "Unpack[LayerOptions]"
    passed = {k.arg: ast.unparse(k.value) for k in init.body[0].value.keywords}
    assert passed == {
        "features": "size * 2",
        **{a.name: a.name for a in KERNEL},
        None: "kwargs",
    }
    documented = [
        line.strip().split(":")[0]
        for line in ast.get_docstring(cls, clean=False).splitlines()
        if line.startswith("        ") and line[8] != " " and ":" in line
    ]
    assert documented == [*names[0], *names[1], "**kwargs"]
    assert "            on two lines." in source.splitlines()
    assert "Another text." not in source
    assert arguments.written(source) == source


def test_an_argument_without_a_description_is_an_error():
    with pytest.raises(SystemExit, match="YatNew: `own` is not described under Args:"):
        arguments.written(NEW)


def test_bases_that_exist():
    """A base that was renamed would leave its classes without the arguments."""
    text = "\n".join(file.read_text() for file in arguments.files())
    for base in OF_BASE:
        assert f"class {base}(" in text, base


def test_a_cell_has_no_argument_twice():
    names = [a.name for a in CELL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.area)
def test_faults_are_put_into_code_that_exists(fault):
    assert fault.old in (ROOT / fault.file).read_text()
    for place in fault.tests.split():
        assert (ROOT / place.split("::")[0]).exists()


def test_tables_are_found_anywhere_on_a_page():
    heads = f"{tables.HEAD_OF_EXPORTS}\n| old |", tables.HEAD_OF_RESNET
    page = "before\n\n{}\n\nafter\n\n{}\n\n"
    current = {tables.HEAD_OF_EXPORTS: lambda: "new", tables.HEAD_OF_RESNET: tables.table_of_resnet}
    found = tables.with_current(page.format(*heads), current)
    assert found == page.format("new", tables.table_of_resnet())
