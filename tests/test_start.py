"""Start and exit of the package and its commands: backend, errors, Ctrl-C, closed pipes."""

import errno
import json
import os
import re
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
    """`machine(installed, variable, of_keras)`: KERAS_BACKEND after `select` on that machine."""

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
        # Keras's choice is kept if it is installed.
        (["tensorflow"], None, None, None),
        (ALL, None, None, None),
        (ALL, None, '{"backend": "torch"}', None),
        # Keras writes this file itself when it is first imported.
        (["jax", "torch"], None, '{"backend": "tensorflow"}', "jax"),
        (["jax"], None, '{"floatx": "float32"}', "jax"),
        # Keras handles backends that cannot train.
        (["jax"], None, '{"backend": "numpy"}', None),
        (["torch"], None, "damaged", "torch"),
    ],
)
def test_an_installed_backend_is_chosen(machine, installed, variable, of_keras, chosen):
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
def test_a_missing_backend_raises_an_error(machine, installed, variable, words):
    with pytest.raises(ImportError, match=words):
        machine(installed, variable)


def test_nothing_is_chosen_after_keras_is_imported(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "nope")
    _start.select()
    assert os.environ["KERAS_BACKEND"] == "nope"


# Exit of a command.


def fail(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "status", "message"),
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
def test_a_command_exits_with_a_line_and_a_status(main, status, message, capsys):
    with pytest.raises(SystemExit) as left:
        _command.run(main)
    assert (left.value.code or 0) == status
    assert capsys.readouterr().err == message


def test_other_errors_keep_their_traceback():
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
    # If the tests run in the background, Ctrl-C is ignored, and child processes inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=ROOT, env=environment, **{**pipes, **settings})
    finally:
        signal.signal(signal.SIGINT, before)


def ended(*arguments, **settings):
    """The exit status and the standard error."""
    return end(process(*arguments, **settings))


def end(found):
    try:
        _, errors = found.communicate(timeout=60)
    finally:
        found.kill()
    return found.returncode, OF_TENSORFLOW.sub("", errors)


# On some CPUs TensorFlow prints this whatever TF_CPP_MIN_LOG_LEVEL is.
OF_TENSORFLOW = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]\d{4} \d\d:|I0000 |To enable the following).*\n",
    re.M,
)


def test_there_are_commands():
    assert {"examples.quickstart", "tuning.launch", "benchmarks.layers"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_each_command_explains_itself_without_keras(module):
    """It takes a fraction of a second, without Keras, which would reject this backend."""
    status, errors = ended(module, "--help", env={"KERAS_BACKEND": "nope"})
    assert (status, errors) == (0, "")


# A command of each package, with valid arguments.
RIGHT = {
    "keras_yat": ["keras_yat", "list"],
    "examples": ["examples.quickstart", "--epochs", "1000"],
    "tuning": ["tuning.study", "tuning/configs/activations.toml"],
}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", RIGHT.values(), ids=RIGHT)
def test_an_unknown_backend_prints_one_line(arguments):
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
def test_an_invalid_folder_prints_one_line(arguments, out, tmp_path):
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
    assert status in (0, 130)  # a short command may have ended before
    assert "Traceback" not in errors


@pytest.mark.nightly
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
def test_a_closed_pipe_is_not_an_error():
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
            command.prepare(__file__, "studies", "json", "no_such", "nor_this")
    finally:
        signal.signal(signal.SIGINT, before)
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("Not installed: no_such, nor_this.")
    assert 'pip install -e ".[studies]"' in message


def test_only_modules_of_this_package_are_commands(monkeypatch):
    found = []
    for words in (
        ["-m", "keras_yat", "list"],
        ["-X", "dev", "-m", "keras_yat.search"],
        ["-m", "other.train", "-m", "keras_yat"],
        ["script.py", "keras_yat"],
    ):
        monkeypatch.setattr(sys, "orig_argv", ["python", *words])
        monkeypatch.setattr(sys, "argv", ["-m" if "-m" in words else "script.py"])
        found.append(_start.is_command())
    assert found == [True, True, False, False]


def test_importing_the_library_sets_up_no_command(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    before = signal.getsignal(signal.SIGINT)
    command.prepare(__file__, "studies", "no_such")
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
