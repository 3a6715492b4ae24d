"""Writes the pages that are made from the code and from other files: docs/generated.

Activations (formula, picture, parameters, measured differences), the API of every public name, and
the pages of the repository whose tables come from CSV files (studies, benchmarks, …), with their
links changed to pages of the site.
"""

import os
import re
import shutil
from pathlib import Path

from docs import activation_pages, api_pages

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
SOURCE = "https://github.com/keras-yat/keras-yat/blob/main"
COPIED = {
    "examples/RESULTS.md": "studies",
    "examples/PROTOTYPES.md": "prototypes",
    "examples/README.md": "examples",
    "tuning/README.md": "tuning",
    "benchmarks/README.md": "benchmarks",
    "keras_yat/zoo/README.md": "zoo",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
}
"""Pages of the repository, and their names on the site."""


def main() -> None:
    shutil.rmtree(GENERATED, ignore_errors=True)
    pages = {**copied_pages(), **activation_pages.pages(), **api_pages.pages()}
    for name, text in pages.items():
        file = GENERATED / f"{name}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.rstrip() + "\n", encoding="utf-8")
    activation_pages.draw_all()
    print(f"Wrote {len(pages)} pages.")


def copied_pages() -> dict[str, str]:
    """The pages of the repository, with links to pages of the site or to the source."""
    return {
        name: with_links((ROOT / file).read_text(encoding="utf-8"), (ROOT / file).parent, GENERATED)
        for file, name in COPIED.items()
    }


def with_links(text: str, folder: Path, place: Path) -> str:
    """A text in which links of a page in `folder` are those of a page in `place`.

    A link to a page that is copied leads to the copy, one to another file to the repository.
    """

    def changed(found: re.Match[str]) -> str:
        mark, text, target = found.groups()
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve()
        name = file.relative_to(ROOT).as_posix()
        if name in COPIED:
            file = GENERATED / f"{COPIED[name]}.md"
        anchor = f"#{anchor}" if anchor else ""
        if mark or DOCS in file.parents:
            return f"{mark}[{text}]({os.path.relpath(file, place)}{anchor})"
        return f"[{text}]({SOURCE}/{name}{anchor})"

    # Code such as `layers[0](x)` looks like a link.
    parts = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
    link = r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)"
    parts[::2] = [re.sub(link, changed, part) for part in parts[::2]]
    return "".join(parts)


if __name__ == "__main__":
    main()
