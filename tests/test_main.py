"""The command line, and the demo that it runs."""

import inspect
import re

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import keras_yat
from keras_yat import __main__, activations, demo
from tests.helpers import draw, run, scramble, to_numpy

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
    for parameter in getattr(cls, "published_bounds", ()):
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
        (["demo", "--model-initialization", "functional"], "invalid choice: 'functional'"),
        (["demo", "--epochs", "0"], "must be a whole number of 1 or more, not '0'"),
        (["demo", "--seed", "4294967296"], "from 0 to 4294967295, not '4294967296'"),
        (["demo", "--seed", "-1"], "from 0 to 4294967295, not '-1'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments(arguments, said, capsys):
    assert main(*arguments) == 2
    assert said in capsys.readouterr().err


def test_demo_gets_its_arguments(monkeypatch):
    got = []
    defaults = {n: p.default for n, p in inspect.signature(demo.run).parameters.items()}
    monkeypatch.setattr(demo, "run", lambda **kwargs: got.append(kwargs))
    main("demo")
    main("demo", "--activation=nami", "--model-initialization=class", "--epochs=2", "--seed=3")
    other = {"activation": "nami", "model_initialization": "class", "epochs": 2, "seed": 3}
    assert got == [defaults, other]


def test_as_a_module():
    done = run("-m", "keras_yat", "show", "nami")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nami (keras_yat.Nami)\n")


def digits(part):
    # Real images, as large as those of Fashion-MNIST.
    found = load_digits()
    images = np.kron(found.images[part], np.ones((3, 3))) * 15
    return np.pad(images, ((0, 0), (2, 2), (2, 2))).astype("uint8"), found.target[part]


def test_both_initializations_are_the_same_network():
    def parts():
        hidden = [layers.Dense(n, activation="relu") for n in demo.UNITS]
        return [layers.Flatten(), *hidden, layers.Dropout(0.5), layers.Dense(10)]

    stacked, derived = (demo.network(parts(), (28, 28), how) for how in ("sequential", "class"))
    assert stacked.count_params() == derived.count_params() == 242_762
    assert type(stacked) is keras.Sequential
    scramble(derived)
    stacked.set_weights(derived.get_weights())
    x = draw((3, 28, 28))
    expected = to_numpy(derived(x))
    np.testing.assert_allclose(to_numpy(stacked(x)), expected, rtol=1e-6)
    assert np.abs(to_numpy(derived(x, training=True)) - expected).max() > 1e-3


@pytest.mark.slow
def test_demo_learns_and_tells_what_it_measures(monkeypatch, capsys):
    made, network, data = [], demo.network, (digits(slice(640)), digits(slice(640, 900)))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: data)
    monkeypatch.setattr(demo, "network", lambda *a: made.append(network(*a)) or made[-1])
    # The same seed: the same numbers, up to rounding.
    first, second = (demo.run("mila", how, 3, seed=1) for how in ("sequential", "class"))
    assert second == pytest.approx(first, rel=1e-3)
    assert type(made[1]) is demo.Network
    x, y = data[1]
    logits = to_numpy(made[0](x.astype("float32") / 255)).astype("float64")
    entropy = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(y)), y]
    accuracy = (logits.argmax(-1) == y).mean()
    assert accuracy > 0.6
    assert first == pytest.approx({"accuracy": accuracy, "loss": entropy.mean()}, rel=1e-4)
    out = capsys.readouterr().out
    assert "242,765" in out
    assert re.search(r"^mila\w*/beta: -0.2500 before the training, -0.\d+ now$", out, re.M)
    assert f"Test data: accuracy {accuracy:.4f}, loss {entropy.mean():.4f}" in out


def test_demo_without_data(monkeypatch, capsys):
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: np.load("nowhere"))
    assert main("demo") == 2
    told = capsys.readouterr().err
    assert re.match(r"Fashion-MNIST could not be had: .* 'nowhere'\nWith", told)


def test_bad_arguments_of_the_demo():
    with pytest.raises(ValueError, match=r"`initialization` must be one of 'class', 'sequential'"):
        demo.network([layers.Dense(1)], (2,), "functional")
    with pytest.raises(ValueError, match=r"`layers` must have one entry at least"):
        demo.Network([])
    with pytest.raises(ValueError, match=r"`epochs` must be an int of at least 1"):
        demo.run(epochs=0)
