"""The page of each activation: formula, picture, parameters, measured differences, source, API."""

import re
from pathlib import Path

from docs import api_pages
from tools import tables

THEMES = {"light": ("default", "0.92"), "dark": ("dark_background", "0.25")}
"""For each theme of the site a style of Matplotlib, and the grey of its grid."""
FOLDER = Path(__file__).parent / "generated" / "activations"


def pages() -> dict[str, str]:
    """A page for each activation, and the page that lists them."""
    from keras_yat import activations

    measured = differences()
    names = activations.names()
    index = f"# Activations\n\n{INTRODUCTION}\n\n{activation_table()}\n\n"
    index += "```{toctree}\n:hidden:\n\n"
    index += "\n".join(names) + "\n```\n"
    pages = {f"activations/{name}": activation_page(name, measured.get(name, {})) for name in names}
    return {"activations/index": index, **pages}


def activation_table() -> str:
    """All activations, from the docstrings and signatures of the package."""
    from keras_yat import activations
    from keras_yat._describe import describe

    rows = ["| name | layer | formula | starting values |", "|---|---|---|---|"]
    for name in activations.names():
        found = describe(name)
        starts = ", ".join(f"{n} {v}" for n, v in found.starts.items()) or "none"
        shown = formula(found).replace("|", "\\|")
        cells = f"[`{name}`]({name}.md)", f"`{found.layer}`", shown, starts
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


INTRODUCTION = """Each function has a layer, whose parameters are trained, and a pure function,
which takes them as arguments. `python -m keras_yat list` prints this table."""


def activation_page(name: str, measured: dict[str, str]) -> str:
    from keras_yat import activations
    from keras_yat._describe import describe

    found = describe(name)
    parts = [f"# {found.layer}", formula(found), found.text]
    alt = f"{found.layer}, with its first and second derivative, for several parameters"
    for theme in THEMES:
        picture = f"{name}-{theme}.png"
        parts.append(f"```{{image}} {picture}\n:alt: {alt}\n:class: only-{theme}\n```")
    rows = [
        f"| `{parameter}` | {start} | {limits(found, parameter)} | {meaning_of(found, parameter)} |"
        for parameter, start in found.starts.items()
        if parameter in found.meanings
    ]
    if rows:
        head = "| parameter | default | bounds | meaning |\n|---|---|---|---|\n"
        parts += ["## Parameters", head + "\n".join(rows)]
    parts += ["## When to use it", when(measured)]
    parts += ["## Source", found.reference]
    parts += ["## API", api_pages.directive("autoclass", f"keras_yat.{found.layer}")]
    if name in activations.__all__:
        parts.append(api_pages.directive("autofunction", f"keras_yat.activations.{name}"))
    return "\n\n".join(parts)


def formula(found) -> str:
    """The formula; in the docstring the code of a formula with words is marked already."""
    is_code = "`" not in found.formula and re.search("[(/·]", found.formula)
    return f"`{found.formula}`" if is_code else found.formula


def limits(found, parameter: str) -> str:
    low, high = found.bounds.get(parameter, (None, None))
    if low is None and high is None:
        return "none"
    return f"{'' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"


def meaning_of(found, parameter: str) -> str:
    return found.meanings[parameter].replace("|", "\\|")


def draw_all() -> None:
    """Draws the picture of each activation."""
    from keras_yat import activations

    for name in activations.names():
        draw(name)


def draw(name: str) -> None:
    """The curves of an activation, for a light and a dark page."""
    from matplotlib import style

    from keras_yat import activations, plot

    FOLDER.mkdir(parents=True, exist_ok=True)
    for theme, (looks, grey) in THEMES.items():
        with style.context(looks):
            if name == "softermax":
                figure, _ = plot.curves(first_of_three, low=0.0)
            else:
                figure, _ = plot.curves(activations.get(name))
            for axis in figure.axes:
                axis.grid(color=grey)
            file = FOLDER / f"{name}-{theme}.png"
            figure.savefig(file, dpi=110, transparent=True, bbox_inches="tight")


def first_of_three(x):
    """The first output of softermax for the inputs x, 1 and 2."""
    from keras import ops

    from keras_yat import activations

    rest = [ops.full_like(x, value) for value in (1.0, 2.0)]
    return activations.softermax(ops.stack([x, *rest], axis=-1))[..., 0]


first_of_three.__name__ = "first output for (x, 1, 2)"  # the title of the picture


def differences() -> dict[str, dict[str, str]]:
    """By variant, the difference from ReLU in each network of the study."""
    rows = tables.rows_of_rates(tables.NETWORKS)
    return {row["variant"]: {k: v for k, v in row.items() if k != "variant"} for row in rows}


def when(measured: dict[str, str]) -> str:
    """Where the activation was better or worse than ReLU, each at its own learning rate."""
    if not measured:
        return "It was not compared with ReLU."
    kinds: dict[str, list[str]] = {"better than ReLU": [], "worse": [], "no difference shown": []}
    for network, cell in measured.items():
        shown = cell.startswith("**")
        kind = "no difference shown"
        if shown:
            kind = "better than ReLU" if cell.startswith("**+") else "worse"
        kinds[kind].append(network)
    said = "; ".join(f"{kind} in {', '.join(n)}" for kind, n in kinds.items() if n)
    rows = "\n".join(f"| {network} | {cell} |" for network, cell in measured.items())
    return f"""Each at its own learning rate, with ten seeds: {said}.

| network | difference from ReLU in points of test accuracy (95 %), best rate |
|---|---|
{rows}

**Bold**: significant after adjustment for all variants. The study, with all activations:
[studies](../studies.md)."""
