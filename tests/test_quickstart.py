"""The first command of the README, on each backend."""

import pytest

from examples import quickstart
from tests.helpers import BACKEND, ROOT, refusal, run


@pytest.mark.slow
def test_quickstart(tmp_path):
    result = run("-m", "examples.quickstart", "--epochs", "3", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert f"on {BACKEND}." in result.stdout
    accuracy = float(result.stdout.split("Test accuracy: ")[1].split()[0])
    assert accuracy > 0.8
    rows = [line.split() for line in result.stdout.splitlines()]
    moved = {(r[1], r[2]): float(r[3]) - float(r[4]) for r in rows if len(r) == 5 and r[0] in "123"}
    assert set(moved) == {
        *(("Nami", n) for n in "wab"),
        ("Mila", "beta"),
        *(("CosLU", n) for n in ("alpha", "beta")),
    }
    assert all(moved.values())
    assert "Loaded in a new process: 360 predictions" in result.stdout
    assert (tmp_path / "quickstart.keras").exists()
    assert (tmp_path / "quickstart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.nightly
def test_quickstart_as_a_script_with_one_name(tmp_path):
    script = str(ROOT / "examples" / "quickstart.py")
    options = ("--activation", "norm_lincomb", "--epochs", "1", "--out", str(tmp_path))
    result = run(script, *options, "--backend", BACKEND, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("NormLinComb  coefficients") == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--activation", "namii"], "did you mean 'nami'"),
        (["--activation", "nami,mila"], "--activation takes 1 name or 3, not 2"),
        (["--epochs", "0"], "--epochs must be 1 or more, not 0"),
        (["--data", "letters"], "invalid choice: 'letters'"),
    ],
)
def test_quickstart_refuses(options, message, tmp_path, monkeypatch, capsys):
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(quickstart, options, monkeypatch, capsys)
