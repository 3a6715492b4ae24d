"""The command line `python -m keras_yat`."""

import inspect
import re

import pytest

import keras_yat
from keras_yat import __main__, activations
from tests.helpers import run

pytestmark = pytest.mark.once

NAMES = [*activations.names(), *(n for n in keras_yat.layers.__all__ if n.startswith("Yat"))]


def main(*arguments):
    """The exit status of `python -m keras_yat` with these arguments."""
    with pytest.raises(SystemExit) as left:
        __main__.main(list(arguments))
    return left.value.code


def class_of(name):
    return getattr(keras_yat, name, None) or type(activations.get(name))


def plain(text):
    """The text without its line breaks."""
    return " ".join(text.split())


def documented(cls):
    """The formula and the reference in a docstring."""
    text = inspect.getdoc(cls)
    formula = re.sub(r"^[\w ]+: ", "", plain(text.split("\n\n")[0]))
    return formula.rstrip("."), plain(text.split("\nReference:\n")[1]).rstrip(".")


def test_list(capsys):
    assert main("list") == 0
    lines = [plain(line) for line in capsys.readouterr().out.splitlines()]
    for name in NAMES:
        cls = class_of(name)
        parts = [name, cls.__name__] if name in activations.names() else [name]
        assert " ".join([*parts, documented(cls)[0]]) in lines
    assert "w=0.3, a=1.0, b=1.5" in lines


@pytest.mark.parametrize("name", NAMES)
def test_show(name, capsys):
    assert main("show", name) == 0
    out, cls = capsys.readouterr().out, class_of(name)
    formula, reference = documented(cls)
    assert out.startswith(f"{name} (keras_yat.{cls.__name__})\n\n  {formula}\n\n  ")
    assert plain(out).endswith(f"Reference: {reference}")
    told = inspect.getdoc(cls).split("\n\n", 1)[1].split("\nArgs:")[0]
    assert plain(told) in plain(out)
    assert ">>>" not in out
    for argument, default in inspect.signature(cls).parameters.items():
        if default.kind is not default.VAR_KEYWORD:
            needed = default.default is default.empty
            given = " (required)" if needed else f" = {default.default!r}"
            assert f"\n    {argument}{given}\n" in out
            first = re.search(rf"^    {argument}: (.+)$", inspect.getdoc(cls), re.M)[1]
            assert f"{argument}{given} {plain(first).rstrip('.')}" in plain(out)
    for parameter in getattr(cls, "default_bounds", ()):
        assert re.search(rf"Bounds: .*\b{parameter} (in|≥) ", out), parameter


@pytest.mark.parametrize(
    ("name", "near"),
    [("namy", "nami"), ("yatdens", "YatDense"), ("Soft-Tanh", "soft_tanh"), ("qqqq", None)],
)
def test_show_of_no_name(name, near, capsys):
    assert main("show", name) == 2
    told = capsys.readouterr().err
    assert told.startswith("`name` must be listed by `python -m keras_yat list`")
    assert told.endswith(f"Received: name={name!r}\n")
    suggested = re.findall(r"did you mean (.*?)\?", told)
    assert near in suggested[0].split(" or ") if near else not suggested


def test_plot(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main("plot", "mila") == 0
    assert capsys.readouterr().out == "Saved mila-curves.png.\n"
    assert (tmp_path / "mila-curves.png").read_bytes()[:4] == b"\x89PNG"
    assert main("plot", "mlia") == 2
    assert "did you mean 'mila'" in capsys.readouterr().err
    assert main("plot", "mila", "--out", "nowhere/mila.png") == 2
    assert capsys.readouterr().err == "nowhere/mila.png: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["draw"], "invalid choice: 'draw'"),
        (["plot", "mila", "--picture", "curve"], "invalid choice: 'curve'"),
        (["demo"], "invalid choice: 'demo'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments(arguments, said, capsys):
    assert main(*arguments) == 2
    assert said in capsys.readouterr().err


def test_as_a_module():
    done = run("-m", "keras_yat", "show", "nami")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nami (keras_yat.Nami)\n")
