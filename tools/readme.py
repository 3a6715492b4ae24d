"""Writes the tables of activations and of exports into the README.

python -m tools.readme            writes them
python -m tools.readme --check    ends with the status 1 if one is stale
"""

import argparse
import csv
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
EXPORTS = README.parent / "tests" / "exports.csv"
HEAD = "| name | layer | formula | parameters and their starting values | bounds |"
HEAD_OF_EXPORTS = "| file, run by | TensorFlow | JAX | torch |"
FORMATS = {
    "tf_saved_model": "SavedModel, TensorFlow",
    "onnx": "ONNX, onnxruntime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "torch": "`.pt2`, torch",
}


def table() -> str:
    """The table, from the docstrings and signatures of the package."""
    from keras_yat import activations
    from keras_yat._describe import describe

    rows = [HEAD, "|---|---|---|---|---|"]
    for name in activations.names():
        found = describe(name)
        starts = ", ".join(f"{n} {v}" for n, v in found.starts.items()) or "none"
        formula = found.formula.replace("|", "\\|")
        cells = (f"`{name}`", f"`{found.layer}`", formula, starts, ", ".join(found.limits))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def table_of_exports() -> str:
    """The second table: what `model.export` writes, as `tests/exports.py` measured it."""
    with EXPORTS.open() as file:
        rows = list(csv.DictReader(file))
    lines = [HEAD_OF_EXPORTS, "|---|---|---|---|"]
    for file_format, title in FORMATS.items():
        cells = [title]
        for backend in ("tensorflow", "jax", "torch"):
            found = {
                row["layer"]: row["outcome"]
                for row in rows
                if (row["backend"], row["format"]) == (backend, file_format)
            }
            cells.append(_summary(found))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _summary(outcomes):
    """The outcome of most layers, and those with another."""
    most = max(outcomes.values(), key=list(outcomes.values()).count)
    others = [f"`{name}`: {found}" for name, found in outcomes.items() if found != most]
    return "; ".join([most, *others])


def written(text: str) -> str:
    """`text` with the current tables."""
    for head, current in ((HEAD, table()), (HEAD_OF_EXPORTS, table_of_exports())):
        start = text.index(head)
        end = text.index("\n\n", start)
        text = text[:start] + current + text[end:]
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    text = README.read_text()
    if written(text) == text:
        return
    if parser.parse_args().check:
        sys.exit("A table of the README is stale. Run python -m tools.readme.")
    README.write_text(written(text))
    print("Wrote README.md.")


if __name__ == "__main__":
    main()
