"""`python -m keras_yat`: lists, describes and plots activations and layers.

python -m keras_yat list
python -m keras_yat show nami
python -m keras_yat plot mila --picture contours
"""

import argparse
import inspect
import textwrap
from typing import Any, NoReturn

from keras_yat import _command, activations, layers
from keras_yat._describe import describe

PICTURES = ("curves", "contours", "gradient_field", "landscape")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command in `arguments` (by default those of the process) and exits."""

    def run() -> None:
        parsed = vars(_parser().parse_args(arguments))
        parsed.pop("command")(**parsed)

    _command.run(run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m keras_yat",
        description="Trainable activations and Yat layers for Keras 3. KERAS_BACKEND chooses "
        "tensorflow, jax or torch.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = "an activation's name, such as nami"

    command = commands.add_parser("list", help="all activations and layers, with their formulas")
    command.set_defaults(command=list_all)

    command = commands.add_parser("show", help="formula, arguments, defaults and reference")
    command.add_argument("name", help=f"{named}, or a layer's, such as YatDense")
    command.set_defaults(command=show)

    command = commands.add_parser("plot", help="plot of an activation")
    command.add_argument("name", help=named)
    command.add_argument(
        "--picture",
        choices=PICTURES,
        default="curves",
        help="curves of the function and its derivatives; contours or gradients over x and a "
        "parameter; landscape of a random network's output (default: %(default)s)",
    )
    command.add_argument("--out", help="file (default: NAME-PICTURE.png)")
    command.set_defaults(command=draw)
    return parser


def list_all() -> None:
    """Prints each activation and each Yat layer with its formula."""
    found = [describe(name) for name in activations.names()]
    print("Activations, by name (keras_yat.activations.get) and layer:\n")
    widths = [max(len(getattr(d, part)) for d in found) for part in ("name", "layer")]
    for d in found:
        starts = ", ".join(f"{name}={value}" for name, value in d.starts.items())
        print(f"  {d.name:{widths[0]}}  {d.layer:{widths[1]}}  {d.formula}")
        print(f"  {'':{sum(widths) + 2}}  {starts or 'no parameters'}")
    print("\nYat layers:\n")
    names = [name for name in layers.__all__ if name.startswith("Yat")]
    for name in names:
        print(f"  {name:{max(map(len, names))}}  {describe(name).formula}")


def show(name: str) -> None:
    """Prints the description of an activation or a layer."""
    d = describe(name)
    print(f"{d.name} (keras_yat.{d.layer})\n\n  {d.formula}\n")
    print(textwrap.indent(d.text, "  ") + "\n")
    print("  Arguments and their defaults:" if d.defaults else "  No arguments.")
    for argument, default in d.defaults.items():
        required = default is inspect.Parameter.empty
        print(f"    {argument} (required)" if required else f"    {argument} = {default!r}")
        print(textwrap.indent(textwrap.fill(d.meanings.get(argument, ""), 80), " " * 8))
    if d.limits:
        print(f"\n  Bounds: {', '.join(d.limits)}")
    print("\n" + textwrap.indent(textwrap.fill(f"Reference: {d.reference}", 88), "  "))


def draw(name: str, picture: str, out: str | None) -> None:
    """Plots an activation and saves the figure."""
    from keras_yat import plot

    if name in layers.__all__:
        name = describe(name).name
    function: Any = getattr(plot, picture)
    if picture == "landscape":
        figure, _ = function(list(dict.fromkeys(["relu", "silu", name])))
    else:
        figure, _ = function(name)
    out = out or f"{name}-{picture}.png"
    try:
        figure.savefig(out, dpi=150)
    except ValueError as error:  # unknown file format
        raise SystemExit(f"--out: {error}") from error
    print(f"Saved {out}.")


if __name__ == "__main__":
    main()
