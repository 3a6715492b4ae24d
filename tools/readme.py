"""Writes the table of the activations into the README.

python -m tools.readme            writes it
python -m tools.readme --check    ends with the status 1 if it is stale
"""

import argparse
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
HEAD = "| name | layer | formula | parameters and their starting values | bounds |"


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


def written(text: str) -> str:
    """`text` with the current table."""
    start = text.index(HEAD)
    end = text.index("\n\n", start)
    return text[:start] + table() + text[end:]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    text = README.read_text()
    if written(text) == text:
        return
    if parser.parse_args().check:
        sys.exit("The table of the README is stale. Run python -m tools.readme.")
    README.write_text(written(text))
    print("Wrote README.md.")


if __name__ == "__main__":
    main()
