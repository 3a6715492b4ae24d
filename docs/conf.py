"""Settings of Sphinx. `python -m docs` builds the pages."""

import inspect
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import keras_yat
from docs import inventories, pages

project = "keras-yat"
author = "The keras-yat authors"
copyright = author
version = release = keras_yat.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# Pages are in Markdown. Their code runs, and an error in it is an error of the build.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("DOCS_EXECUTE", "cache")
nb_execution_cache_path = str(Path(__file__).parent / "_build" / "cache")
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "remove"  # what backends print at their import

autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
napoleon_use_rtype = False
napoleon_custom_sections = ["Input shape", "Output shape", ("Call arguments", "params_style")]

intersphinx_mapping = inventories.write(Path(__file__).parent / "_build")

html_theme = "furo"
html_title = f"keras-yat {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": "https://github.com/keras-yat/keras-yat/",
    "source_branch": "main",
    "source_directory": "docs/",
}

_CODE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_SIGNS = re.compile(r"[|]|(?<=\w)_(?=\W)")


def as_restructured_text(app, what, name, obj, options, lines):
    """Docstrings mark code as Markdown does, by single backticks, and nothing else."""
    parts = _CODE.split("\n".join(lines))
    for i, part in enumerate(parts):
        plain = i % 2 == 0
        parts[i] = _SIGNS.sub(r"\\\g<0>", part) if plain else as_code(" ".join(part.split()))
    lines[:] = "".join(parts).split("\n")


def with_links(app, name, source):
    """Links of a page to files of the repository, which are no pages of the site."""
    file = Path(app.env.doc2path(name))
    folder = file.parent
    if file.suffix == ".md" and not name.startswith("generated/"):
        source[0] = pages.with_links(source[0], folder, folder)


def as_code(text):
    """Code, as a link if it is a public name."""
    known = text in inventories.names() or text.startswith("keras_yat.")
    return f":py:obj:`{text}`" if known and re.fullmatch(r"[\w.]+", text) else f"``{text}``"


def signature_of_class(app, what, name, obj, options, signature, annotation):
    """The arguments of `__init__`: Keras wraps the construction of layers."""
    if what != "class":
        return None
    # Annotations are strings; constructors return nothing.
    found = re.sub(r"(: |-> )(['\"])(.*?)\2(?= =|,|\)|$)", r"\1\3", str(inspect.signature(obj)))
    return found.removesuffix(" -> None"), None


def setup(app):
    # It copies MathJax at the end of a build, and does not say that pages may be read in parallel.
    app.setup_extension("sphinx-mathjax-offline")
    app.extensions["sphinx-mathjax-offline"].parallel_read_safe = True
    app.extensions["sphinx-mathjax-offline"].parallel_write_safe = True
    app.connect("source-read", with_links)
    app.connect("autodoc-process-docstring", as_restructured_text)
    app.connect("autodoc-process-signature", signature_of_class)
