"""Writes what the interactive pages of the documentation know of the activations.

    python -m tools.playground            writes docs/_static/playground/activations-data.js
    python -m tools.playground --check    ends with the status 1 if it is stale
    python -m tools.playground --bare FOLDER    writes the pages without a theme, for tests

Names, formulas, parameters, starting values and ranges are those of the package. The pages are
in `docs/playground`; their scripts in `docs/_static/playground` need no server.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent.parent / "docs" / "playground"
FOLDER = PAGES.parent / "_static" / "playground"
DATA = FOLDER / "activations-data.js"
NAMES = ("activations", "neuron", "training")
"""The pages with a widget."""
VARIABLE = "activationsData"
RELATIVE_RANGE = 0.5
"""Range of a number that no search covers: up and down by this part of its size."""
POWER = "The power n is a constant, not trained."
NOTES = {
    "softermax": "Softermax depends on all entries along its axis. Drawn is the first entry of "
    f"softermax([x, 2, 1, 0.5]): the other three stay. {POWER}",
    "rational": "The 14 coefficients start as GELU. Their sliders reach half of each value up and "
    "down. The curve of the coefficient moved last is emphasized.",
    "xielu": "beta is a constant, with a slider from half its value to one and a half.",
    **dict.fromkeys(("soft_tanh", "softer_sigmoid", "score_tanh"), POWER),
}
HIDDEN = ("epsilon", "axis", "functions", "bounds", "like", "degrees")
"""Arguments without a control."""
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def entries() -> list[dict[str, Any]]:
    """The description of each activation."""
    from keras_yat import activations
    from keras_yat._describe import describe

    return [_entry(describe(name)) for name in activations.names()]


def _entry(found: Any) -> dict[str, Any]:
    from keras_yat import activations
    from keras_yat._space import Choice

    layer: Any = activations.get(found.name)
    shown = [name for name in found.defaults if name not in HIDDEN]
    space = layer.search_space
    return {
        "name": found.name,
        "layer": found.layer,
        "formula": found.formula.replace("`", ""),
        "note": NOTES.get(found.name, ""),
        "parameters": [
            each
            for name in shown
            if not isinstance(space.get(name), Choice)
            for each in _parameters(layer, found, name)
        ],
        "choices": [
            {"name": name, "values": list(space[name].options), "start": found.defaults[name]}
            for name in shown
            if isinstance(space.get(name), Choice)
        ],
    }


def _parameters(layer: Any, found: Any, name: str) -> Iterator[dict[str, Any]]:
    """The numbers of an argument: one, or those of a list of coefficients."""
    import keras
    import numpy as np

    from keras_yat._space import FloatList

    value = getattr(layer, name)
    trained = isinstance(value, keras.Variable)
    # float32 numbers as they are written in the source.
    start = np.array(keras.ops.convert_to_numpy(value) if trained else value, "float64")
    low, high = found.bounds.get(name, (None, None))
    dimension = layer.search_space.get(name)
    dimension = dimension.each if isinstance(dimension, FloatList) else dimension
    for index, each in enumerate(np.ravel(start)):
        each = float(f"{each:.9g}") if start.ndim else float(f"{each:.7g}")
        yield {
            "name": name,
            "index": index if start.ndim else None,
            "label": _label(layer, name, index) if start.ndim else name,
            "start": each,
            "trained": trained,
            "bounds": [low, high],
            **_range(dimension, (low, high), each),
        }


def _label(layer: Any, name: str, index: int) -> str:
    """The name of a coefficient in the formula."""
    if name == "coefficients":
        function = layer.functions[index]
        return f"{f'w{index + 1}'.translate(SUBSCRIPTS)} {function.__name__}"
    letter, number = ("a", index) if name == "numerator" else ("b", index + 1)
    return f"{letter}{number}".translate(SUBSCRIPTS)


def _range(dimension: Any, limits: Any, start: float) -> dict[str, Any]:
    """The range of a slider: that of the search, or one around the start."""
    if dimension is None:
        size = RELATIVE_RANGE * max(abs(start), 1.0 if start < 0.01 else 0.0)
        low, high = (float(f"{start + sign * size:.6g}") for sign in (-1, 1))
        return {"low": low, "high": high, "log": False}
    dimension = dimension.within(limits)
    return {"low": dimension.low, "high": dimension.high, "log": dimension.log}


def script(variable: str, content: Any, module: str) -> str:
    """A classic script that holds data: pages opened from a folder cannot read JSON files."""
    # A line for each entry of the outer lists.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    text = re.sub(r'(\{"(?:name":"\w+","layer|activation)")', r"\n\1", text)
    return (
        f"// Written by python -m {module}.\n"
        "window.kerasYat = window.kerasYat || {};\n"
        f"window.kerasYat.{variable} = {text};\n"
    )


def read(file: Path) -> Any:
    """The data in a file that `script` wrote."""
    return json.loads(file.read_text().partition("= ")[2].partition("= ")[2].rstrip(";\n"))


def written() -> str:
    """The current content of `DATA`."""
    return script(VARIABLE, entries(), "tools.playground")


def bare(name: str) -> str:
    """A page without a theme: the raw HTML of its Markdown."""
    blocks = re.findall(
        r"^```\{raw\} html\n(.*?)^```$", (PAGES / f"{name}.md").read_text(), re.M | re.S
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n</head>\n<body>\n<main>\n{''.join(blocks)}</main>\n</body>\n</html>\n"
    )


def write_bare(folder: Path) -> None:
    """Writes all pages and their scripts into `folder`, in the places of the built site."""
    shutil.copytree(FOLDER, folder / "_static" / "playground", dirs_exist_ok=True)
    (folder / "playground").mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / "playground" / f"{name}.html").write_text(bare(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    parser.add_argument("--bare", type=Path, metavar="FOLDER", help="write pages without a theme")
    arguments = parser.parse_args()
    if arguments.bare:
        write_bare(arguments.bare)
    elif not DATA.exists() or DATA.read_text() != written():
        if arguments.check:
            sys.exit(f"{DATA.name} is stale. Run python -m tools.playground.")
        DATA.write_text(written())
        print(f"Wrote {DATA.name}.")


if __name__ == "__main__":
    main()
