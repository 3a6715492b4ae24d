"""How the package and its commands start and end: the backend, errors, Ctrl-C, closed pipes."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from examples import command
from keras_yat import _command, _start, _validate
from tests.helpers import BACKEND, ROOT

pytestmark = pytest.mark.once

ALL = ["jax", "tensorflow", "torch"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """`machine(installed, variable, of_keras)`: KERAS_BACKEND after `select` on such a machine."""

    def select(installed, variable=None, of_keras=None):
        monkeypatch.setattr(_start, "sys", types.SimpleNamespace(modules={}))
        monkeypatch.setattr(_start, "installed", lambda: installed)
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        if variable is None:
            monkeypatch.delenv("KERAS_BACKEND", raising=False)
        else:
            monkeypatch.setenv("KERAS_BACKEND", variable)
        if of_keras is not None:
            (tmp_path / "keras.json").write_text(of_keras)
        _start.select()
        return os.environ.get("KERAS_BACKEND") or None

    return select


@pytest.mark.parametrize(
    ("installed", "variable", "of_keras", "chosen"),
    [
        (["jax"], None, None, "jax"),
        (["torch"], None, None, "torch"),
        (["torch"], "", None, "torch"),
        (["jax", "torch"], None, None, "jax"),
        (["jax", "torch"], "torch", None, "torch"),
        (["jax"], "numpy", None, "numpy"),
        ([], "numpy", None, "numpy"),
        # What Keras would take by itself stays as it is.
        (["tensorflow"], None, None, None),
        (ALL, None, None, None),
        (ALL, None, '{"backend": "torch"}', None),
        # Keras writes this file itself when it is first imported.
        (["jax", "torch"], None, '{"backend": "tensorflow"}', "jax"),
        (["jax"], None, '{"floatx": "float32"}', "jax"),
        # Backends that do not train are Keras's concern.
        (["jax"], None, '{"backend": "numpy"}', None),
        (["torch"], None, "damaged", "torch"),
    ],
)
def test_a_backend_that_is_installed_is_chosen(machine, installed, variable, of_keras, chosen):
    assert machine(installed, variable, of_keras) == chosen


@pytest.mark.parametrize(
    ("installed", "variable", "words"),
    [
        ([], None, "No backend is installed"),
        ([], "jax", r"must be an installed backend \(none\). Received: 'jax'"),
        (["jax"], "torch", r"must be an installed backend \(jax\). Received: 'torch'"),
        (ALL, "nope", "must be one of jax, tensorflow, torch. Received: 'nope'"),
    ],
)
def test_one_that_is_not_installed_is_refused(machine, installed, variable, words):
    with pytest.raises(ImportError, match=words):
        machine(installed, variable)


def test_nothing_is_chosen_once_keras_is_there(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nope")
    _start.select()
    assert os.environ["KERAS_BACKEND"] == "nope"


# How a command ends.


def fail(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "status", "told"),
    [
        (lambda: None, 0, ""),
        (lambda: 3, 3, ""),
        (fail(SystemExit("--rate: wrong")), 2, "--rate: wrong\n"),
        (fail(SystemExit(5)), 5, ""),
        (lambda: _validate.count("x", 0), 2, "`x` must be an int of at least 1. Received: x=0\n"),
        (fail(ModuleNotFoundError("No module named 'x'")), 2, "No module named 'x'\n"),
        (fail(NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b")), 2,
         "a/b: Not a directory\n"),
        (fail(OSError(errno.ENOSPC, "No space left on device")), 1,
         "[Errno 28] No space left on device\n"),
        (fail(KeyboardInterrupt), 130, "Interrupted.\n"),
        (fail(KeyboardInterrupt("Go on with …")), 130, "Go on with …\n"),
    ],
)  # fmt: skip
def test_a_command_ends_with_a_line_and_a_status(main, status, told, capsys):
    with pytest.raises(SystemExit) as left:
        _command.run(main)
    assert (left.value.code or 0) == status
    assert capsys.readouterr().err == told


def test_what_is_a_fault_of_ours_keeps_its_traceback():
    for error in (ZeroDivisionError, ValueError, BrokenPipeError):
        with pytest.raises(error):
            _command.run(fail(error))


# Commands as processes.

MODULES = [
    f"{folder}.{file.stem}"
    for folder in ("examples", "tuning", "benchmarks")
    for file in sorted((ROOT / folder).glob("*.py"))
    if '\nif __name__ == "__main__":\n' in file.read_text()
]


def process(*arguments, **settings):
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, **settings.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", *map(str, arguments)]
    # Where the tests run in the background Ctrl-C is ignored, which a process hands down.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, env=environment, **{**pipes, **settings})
    finally:
        signal.signal(signal.SIGINT, before)


def ended(*arguments, **settings):
    """The exit status, and what was printed to the standard error."""
    return end(process(*arguments, **settings))


def end(found):
    try:
        _, errors = found.communicate(timeout=60)
    finally:
        found.kill()
    return found.returncode, errors


def test_there_are_commands():
    assert {"examples.quickstart", "tuning.launch", "benchmarks.layers"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_each_command_explains_itself_without_keras(module):
    """In a fraction of a second: Keras, which would refuse this backend, is not imported."""
    status, errors = ended(module, "--help", env={"KERAS_BACKEND": "nope"})
    assert (status, errors) == (0, "")


# A command of each package, with arguments that are right.
RIGHT = {
    "keras_yat": ["keras_yat", "list"],
    "examples": ["examples.quickstart", "--epochs", "1000"],
    "tuning": ["tuning.study", "tuning/configs/activations.toml"],
}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", RIGHT.values(), ids=RIGHT)
def test_a_backend_that_there_is_not_takes_one_line(arguments):
    status, errors = ended(*arguments, env={"KERAS_BACKEND": "nope"})
    assert status == 2
    assert errors.startswith("`KERAS_BACKEND` must be one of jax, tensorflow, torch. ")
    assert errors.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["keras_yat", "plot", "nami"], "file/nami.png"),
        (RIGHT["examples"], "file"),
        (RIGHT["tuning"], "file/study"),
    ],
)
def test_a_folder_that_cannot_be_made_takes_one_line(arguments, out, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    status, errors = ended(*arguments, "--out", tmp_path / out)
    assert status == 2
    assert errors.splitlines()[-1].startswith(str(file))
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.4, 0.8, 1.6])
@pytest.mark.parametrize("arguments", RIGHT.values(), ids=RIGHT)
def test_ctrl_c_at_any_time(arguments, after, tmp_path):
    more = [] if arguments[0] == "keras_yat" else ["--out", tmp_path]
    found = process(*arguments, *more)
    time.sleep(after)
    found.send_signal(signal.SIGINT)
    status, errors = end(found)
    assert status in (0, 130)  # a short one may have ended before
    assert "Traceback" not in errors


@pytest.mark.slow
def test_ctrl_c_in_a_training(tmp_path):
    found = process("examples.quickstart", "--epochs", "1000", "--out", tmp_path)
    while "Epoch" not in found.stdout.readline():
        assert found.poll() is None
    found.send_signal(signal.SIGINT)
    status, errors = end(found)
    assert status == 130
    assert errors.endswith("Interrupted.\n")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_closed_pipe_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    status, errors = ended("keras_yat", "list", stdout=writer)
    os.close(writer)
    assert (status, errors) == (0, "")


def test_missing_packages_are_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "list"])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as left:
            command.prepare(__file__, "examples", "json", "no_such", "nor_this")
    finally:
        signal.signal(signal.SIGINT, before)
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("Not installed: no_such, nor_this.")
    assert 'pip install -e ".[examples]"' in told


def test_only_a_module_of_this_package_is_a_command_of_it(monkeypatch):
    found = []
    for words in (
        ["-m", "keras_yat", "list"],
        ["-X", "dev", "-m", "keras_yat.demo"],
        ["-m", "other.train", "-m", "keras_yat"],
        ["script.py", "keras_yat"],
    ):
        monkeypatch.setattr(sys, "orig_argv", ["python", *words])
        monkeypatch.setattr(sys, "argv", ["-m" if "-m" in words else "script.py"])
        found.append(_start.is_command())
    assert found == [True, True, False, False]


def test_a_library_that_is_imported_prepares_nothing(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    before = signal.getsignal(signal.SIGINT)
    command.prepare(__file__, "examples", "no_such")
    assert signal.getsignal(signal.SIGINT) is before


# Files of results.


@pytest.mark.parametrize("content", ["", "{", "[1,", "\x00"])
def test_a_damaged_file_is_named(content, tmp_path):
    from examples import durable

    file = tmp_path / "run" / "metrics.json"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(SystemExit) as refused:
        durable.read(file)
    assert refused.value.code.startswith(f"{file} is missing or damaged: JSONDecodeError")
    file.write_text(json.dumps({"a": 1}))
    assert durable.read(file) == {"a": 1}
