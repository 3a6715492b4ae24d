"""The benchmark for GPUs runs on a CPU with tiny sizes, and keeps to its time."""

import argparse
import signal
import time

import keras
import numpy as np
import pytest

from benchmarks import accelerator, accelerator_cases, accelerator_training, harness, memory
from benchmarks.command import Budget, OutOfTime, write
from tests.helpers import BACKEND
from tests.test_benchmarks import command

pytestmark = pytest.mark.backends("jax", "torch")
MODE = {"jax": "jit", "torch": "eager"}[BACKEND] if BACKEND != "tensorflow" else None
AGES = Budget(time.time() + 1e6)


def test_rows_and_tables(tmp_path):
    options = ["--quick", "--only", "dense", "attention", "accuracy", "--modes", "jit", "eager"]
    rows, tables = command("accelerator", tmp_path / "a.csv", *options, "--policy", "float32")
    times = [row for row in rows if row["what"] != "accuracy"]
    assert [(row["what"], row["contestant"]) for row in times] == [
        *(("dense", name) for name in ("Keras", "Yat")),
        *(("attention", name) for name in ("Keras", "Keras, unfused", "Yat")),
        *(("attention, causal", name) for name in ("Keras", "Keras, unfused", "Yat")),
    ]
    for row in rows:
        found = tuple(row[c] for c in ("device", "backend", "mode", "precision", "failure"))
        assert found == ("CPU", BACKEND, MODE, "float32", "")
        assert float(row["seconds"]) > 0.0
    for row in times:
        assert min(float(row[c]) for c in ("forward", "train", "memory", "step")) > 0.0
        assert int(row["peak bytes"]) > 0
        first, third = map(float, row["train quartiles"].split("-"))
        assert 0.99 * first <= float(row["train"]) <= 1.01 * third
        if row["contestant"] == "Keras":
            assert row["forward"] == row["train"] == row["memory"] == "1"
        else:
            assert f"| {row['contestant']} | {float(row['train']):.2f} (" in tables
    check_errors([row for row in rows if row["what"] == "accuracy"])


def check_errors(rows):
    """Errors in float32 of a kernel with 16 entries, at distances δ from a prototype."""
    names = list(accelerator_cases.DISTANCES)
    places = [(n, apart) for n in names for apart in accelerator_cases.NEAR]
    assert [(row["contestant"], float(row["distance"])) for row in rows] == places
    entries, unit = 16, 2.0**-24
    for row in rows:
        error, apart = float(row["error"]), float(row["distance"])
        # Σ(w - x)² and ⟨w, x⟩², each of n terms that are rounded a few times.
        bound = (3 * entries + 8) * unit
        if row["contestant"] == "Yat":
            # ‖w‖² + ‖x‖² - 2⟨w, x⟩: 4‖w‖²·(n + 2) roundings, over δ²‖w‖². Below it there is a
            # floor, which makes the output smaller.
            bound = min(bound + 4.0 * (entries + 2) * unit / apart**2, 1.0)
        assert 0.0 < error <= bound


@pytest.mark.nightly
def test_every_case_runs(tmp_path):
    options = ["--quick", "--modes", "jit", "eager", "--policy", "tf32", "mixed_bfloat16"]
    rows, tables = command("accelerator", tmp_path / "a.csv", *options)
    assert not [row for row in rows if row["failure"]]
    found = {(row["what"], row["precision"]) for row in rows}
    names = {"dense", "conv2d", "attention", "attention, causal", "accuracy", "lstm"}
    assert found == {(n, p) for n in names for p in ("tf32", "mixed_bfloat16")} | {
        ("activation", "mixed_bfloat16")
    }
    for precision in ("tf32", "mixed_bfloat16"):
        assert f"### CPU, {precision}" in tables
    assert ("| ResNet-8, mixed_bfloat16, jax, CPU |" in tables) == (BACKEND == "jax")


@pytest.mark.nightly
@pytest.mark.backends("torch")
def test_compiled(tmp_path):
    options = ["--quick", "--modes", "compile", "--only", "dense", "--policy", "float32"]
    rows, _ = command("accelerator", tmp_path / "a.csv", *options)
    assert [(row["mode"], row["contestant"]) for row in rows] == [
        ("compile", "Keras"),
        ("compile", "Yat"),
    ]
    assert all(float(row["train"]) > 0.0 and not row["failure"] for row in rows)


@pytest.mark.nightly
@pytest.mark.backends("jax")
def test_training():
    rows = list(accelerator_training.rows(AGES, quick=True))
    assert [row["contestant"] for row in rows] == list(accelerator_training.CONTESTANTS)
    for row in rows:
        assert row["failure"] is None, row
        assert 0.0 <= row["test accuracy"] <= 1.0
        assert row["loss"] > 0.0
        assert row["seconds"] > 0.0


@pytest.mark.once
def test_training_without_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_YAT_DATA", str(tmp_path))

    def load_data():
        raise OSError("no connection")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", load_data)
    assert list(accelerator_training.rows(AGES, quick=False)) == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("The training is left out: The data set 'cifar10' is not available.")


class Fails(keras.layers.Layer):
    def call(self, inputs):
        raise MemoryError("out of memory\nby some bytes")


@pytest.mark.parametrize("names", [("Keras", "Yat"), ("Yat", "Keras"), ("Keras",)])
def test_a_layer_that_fails_is_a_row(names):
    """Whether it is the base of the others or not."""
    # As in the command. Where a test cleared the session it is on again.
    keras.config.disable_traceback_filtering()

    def layers(policy):
        return {
            name: Fails() if name == "Keras" else keras.layers.Dense(2, dtype=policy)
            for name in names
        }

    case = accelerator_cases.Comparison("case", (3, 2), layers)
    rows = {row["contestant"]: row for row in accelerator_cases.compare(case, "float32", False)}
    assert rows.keys() == set(names)
    assert rows["Keras"]["failure"] == "MemoryError: out of memory"
    assert rows["Keras"]["train"] is None
    if "Yat" in rows:
        assert rows["Yat"]["failure"] is None
        assert rows["Yat"]["step"] > 0.0
        assert rows["Yat"]["train"] == (1.0 if names[0] == "Yat" else None)


def test_a_task_that_fails_is_a_row(monkeypatch):
    def fail(quick):
        raise ValueError("this is wrong")

    monkeypatch.setattr(accelerator_cases, "comparisons", fail)
    task = accelerator.Task("dense", 0, MODE, "float32")
    (row,) = accelerator.measured(task, AGES, quick=True)
    assert (row["what"], row["failure"]) == ("dense", "ValueError: this is wrong")
    assert list(row) == list(accelerator_cases.COLUMNS)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows has no timer")
def test_a_task_ends_with_the_time(monkeypatch):
    def wait(precision, quick):
        yield accelerator_cases.columns("accuracy", "Yat", {"error": 0.5})
        try:
            time.sleep(60.0)
        except Exception:  # as libraries do
            yield {}

    monkeypatch.setattr(accelerator_cases, "near_prototypes", wait)
    task = accelerator.Task("accuracy", 0, MODE, "float32")
    start = time.time()
    first, last = accelerator.measured(task, Budget(start + 0.3), quick=True)
    assert time.time() - start < 20.0
    assert (first["error"], last["failure"]) == (0.5, "OutOfTime: no time was left")
    time.sleep(0.4)  # nothing is raised behind the context
    with pytest.raises(OutOfTime), Budget(0.0).limit():
        time.sleep(60.0)


def arguments(**changed):
    every = {"backend": BACKEND, "only": [*accelerator.CASES, "training"], "quick": True}
    modes = {"modes": ["jit", "eager", "compile"], "policy": accelerator.PRECISIONS}
    time_left = {"seconds": 450.0, "start": None, "append": False}
    return argparse.Namespace(**{**every, **modes, **time_left, **changed})


def test_without_time_everything_is_left_out(capsys):
    assert list(accelerator.measure(arguments(seconds=0.0))) == []
    out = capsys.readouterr().out
    for case in accelerator.CASES:
        assert f"{case} {MODE} mixed_bfloat16" in out
    assert ("no time was left: training" in out) == (BACKEND == "jax")


def test_without_an_accelerator_full_sizes_are_left_out(capsys):
    assert list(accelerator.measure(arguments(quick=False))) == []
    assert "it finds no accelerator" in capsys.readouterr().out
    assert harness.device_name() == "CPU"
    assert not harness.on_gpu()


def test_order_of_the_tasks():
    found = accelerator.plan(arguments())
    assert len(set(found)) == len(found)
    assert found[0] == accelerator.Task("dense", 0, MODE, "mixed_bfloat16")
    first = {task.what for task in found[: next(i for i, t in enumerate(found) if "act" in t.what)]}
    assert first == set(accelerator.CASES) - {"activations"}
    assert not [t for t in found if t.what == "activations" and t.precision == "tf32"]


def test_the_time_is_shared():
    def ends(**changed):
        return [b.end - 100.0 for b in accelerator.budgets(arguments(start=100.0, **changed))]

    share = accelerator.SHARES[BACKEND] * 450.0
    assert ends() == pytest.approx([450.0, share])
    rest = 450.0 if BACKEND == "jax" else share
    assert ends(only=["dense"]) == pytest.approx([450.0, rest])


def test_rows_are_written_as_they_come(tmp_path):
    path = tmp_path / "folder" / "rows.csv"

    def rows():
        yield {"a": 1, "b": 0.123456}
        assert path.read_text().splitlines() == ["a,b", "1,0.1235"]
        yield {"a": 2, "b": None}

    write(iter([]), path, append=False)
    assert not path.exists()
    write(rows(), path, append=False)
    write([{"a": 3, "b": None}], path, append=True)
    assert path.read_text().splitlines() == ["a,b", "1,0.1235", "2,", "3,"]


@pytest.mark.parametrize("precision", accelerator.PRECISIONS)
def test_settings_of_products_are_restored(precision):
    def settings():
        if BACKEND == "jax":
            import jax

            return jax.config.jax_default_matmul_precision
        import torch

        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before = settings()
    with accelerator_cases.products(precision):
        inside = settings()
    assert settings() == before
    expected = {
        "jax": {"tf32": "tensorfloat32", "float32": "highest"},
        "torch": {"tf32": ("high", True), "float32": ("highest", False)},
    }[BACKEND].get(precision, before)
    assert inside == expected


@pytest.mark.backends("torch")
def test_calls_on_a_gpu(monkeypatch):
    """That torch is waited for, and that the peak is the one of the call."""
    import torch

    done = []
    for name, found in {"memory_allocated": 3, "max_memory_allocated": 10}.items():
        monkeypatch.setattr(
            torch.cuda, name, lambda name=name, found=found: done.append(name) or found
        )
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: done.append(name))
    for module in (harness, memory):
        monkeypatch.setattr(module, "on_gpu", lambda: True)
    assert harness.time_of(lambda: done.append("call")) > 0.0
    assert done == ["synchronize", "call", "synchronize"]
    assert memory.peak_memory(lambda: done.append("call")) == 7
    counted = ["reset_peak_memory_stats", "memory_allocated", "call", "synchronize"]
    assert done[3:] == ["call", "synchronize", *counted, "max_memory_allocated"]


def test_activations_have_their_size():
    found = accelerator_cases.comparisons(quick=False)
    assert {np.prod(case.shape) for case in found["activations"]} == {2**28}
    (dense,), (conv2d,) = found["dense"], found["conv2d"]
    assert (dense.shape, conv2d.shape) == ((8192, 4096), (128, 56, 56, 256))
    assert {case.shape for case in found["attention"]} == {(8, 4096, 16 * 64)}
