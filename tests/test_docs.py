"""README and documentation: code, tables, links, and a page for every public name."""

import html
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import pytest

from benchmarks import command
from docs import activation_pages, api_pages, inventories, pages
from tests.test_package import PUBLIC

ONCE = pytest.mark.once
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
GUIDES = [*sorted((ROOT / "docs" / "guides").glob("*.md")), ROOT / "docs" / "mathematics.md"]
TABLES = (
    *("activations", "layers", "recurrent", "scale", "accelerator", "rates", "attention_rates"),
    *("normalization", "ternary", "gates", "adding", "accuracy", "nmn"),
)
"""The benchmarks whose tables are on their page as `--markdown` prints them."""
CELL = r"```{code-cell} python\n(?:---\n.*?---\n)?(.*?)```"
PROGRAMS = {
    f"README, {i}": code
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", README, re.S), start=1)
} | {file.stem: "".join(re.findall(CELL, file.read_text(), re.S)) for file in GUIDES}
"""The code of README and guides: that of a guide is one program."""


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, code in PROGRAMS.items() if code])
def test_examples_run(name, tmp_path, monkeypatch):
    """Each trains for one epoch."""
    monkeypatch.chdir(tmp_path)
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: fit(*a, **{**k, "epochs": 1}))
    exec(compile(PROGRAMS[name], name, "exec"), {"__name__": "guide"})


@ONCE
def test_the_readme_is_short_and_has_examples():
    assert len(README.split("\n")) <= 151
    assert sum(name.startswith("README") for name in PROGRAMS) == 2


@ONCE
@pytest.mark.parametrize("name", TABLES)
def test_tables_of_benchmarks_are_those_of_their_csv(name):
    module = importlib.import_module(f"benchmarks.{name}")
    rows = command.read(command.RESULTS / f"{name}.csv")
    text = module.markdown(rows)
    page = set((ROOT / "benchmarks" / "README.md").read_text().split("\n"))
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert lines
    assert [line for line in lines if line not in page] == []


@ONCE
def test_every_public_name_has_a_page():
    found = "\n".join([*api_pages.pages().values(), *activation_pages.pages().values()])
    named = set(re.findall(r"^\.\. auto\w+:: (\S+)$", found, re.M))
    # A layer is documented by its name at the top.
    missing = {n for n in PUBLIC if n.replace(".layers.", ".") not in named}
    assert not missing


@ONCE
def test_links_of_a_page_lead_to_the_copy_or_to_the_repository():
    text = "[a](../benchmarks/README.md#on-a-gpu) [b](train.py) ![c](results/x.png) [d](#here)"
    code = "\n```python\nlayers[0](x)\n```\n"
    found, end = pages.with_links(text + code, ROOT / "examples", pages.GENERATED).split("\n", 1)
    assert "\n" + end == code
    assert found.split(" ") == [
        "[a](benchmarks.md#on-a-gpu)",
        f"[b]({pages.SOURCE}/examples/train.py)",
        "![c](../../examples/results/x.png)",
        "[d](#here)",
    ]


@ONCE
@pytest.mark.parametrize("file", ["README.md", *pages.COPIED, *GUIDES], ids=lambda f: Path(f).stem)
def test_links_lead_to_files_that_exist(file):
    file = ROOT / file
    for name in re.findall(r"\]\((?!http)([^)#\s]+)[^)]*\)", file.read_text()):
        found = (file.parent / name).resolve()
        assert found.exists() or pages.GENERATED in found.parents, name


@ONCE
def test_links_work_on_a_package_index():
    """The build replaces those to files of the repository."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = README
    hook = settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    assert re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert not re.findall(r"\]\((?!http)([^)#]+)\)", text)
    source = settings["project"]["urls"]["Source"]
    for link in re.findall(rf"\]\({source}/blob/main/([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


@ONCE
def test_names_of_keras_with_a_page_exist():
    for name in inventories.PAGES["keras"]:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


@ONCE
@pytest.mark.nightly
def test_the_documentation_is_built_and_its_links_lead_somewhere():
    """Sphinx makes an error of each warning; anchors in HTML are looked up here."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "docs"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    folder = ROOT / "docs" / "_build" / "html"
    texts = {file: file.read_text() for file in folder.rglob("*.html")}
    anchors = {file: set(re.findall(r'\sid="([^"]+)"', text)) for file, text in texts.items()}
    assert len(texts) > 50
    broken = []
    for file, text in texts.items():
        for link in re.findall(r'<a [^>]*href="(?!\w+:)([^"]+)"', text):
            path, _, anchor = html.unescape(link).partition("#")
            target = (file.parent / path).resolve() if path else file
            known = not anchor or target.suffix != ".html" or anchor in anchors.get(target, ())
            if not target.exists() or not known:
                broken.append(f"{file.name}: {link}")
    assert not broken
