"""The benchmarks run, and the compositions in their comparisons are right."""

import csv
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks import activations as measured
from benchmarks import adding, attention, gates, harness, recurrent, scale
from benchmarks.accuracy import RESULTS
from benchmarks.cases import CASES
from benchmarks.compositions import COMPOSITIONS
from benchmarks.memory import peak_memory
from keras_yat import activations, config, layers
from keras_yat.ops import yat_attention
from tests.helpers import BACKEND, COMMANDS, ROOT, draw, to_numpy

NORMALIZATIONS = {"YatLayerNormalization", "YatBatchNormalization"}


def test_compositions_are_named_after_activations():
    assert set(COMPOSITIONS) <= set(activations.names())


@pytest.mark.parametrize("name", activations.names())
def test_compositions_agree_with_the_activations(name):
    x = ops.convert_to_tensor(draw((3, 5)))
    own, plain = (make(name, "float32") for make in (measured.own, measured.plain))
    np.testing.assert_allclose(to_numpy(plain(x)), to_numpy(own(x)), rtol=1e-5, atol=1e-6)
    assert config.backward_pass() == "speed"


def command(name, path, *options):
    """The rows that the benchmark `name` writes on this backend, and its tables."""
    own = [sys.executable, "-m", f"benchmarks.{name}", "--csv", str(path)]
    settings = {"cwd": ROOT, "env": {**os.environ, **COMMANDS}}
    subprocess.run([*own, "--backend", BACKEND, *options], check=True, **settings)
    tables = subprocess.check_output([*own, "--markdown"], text=True, **settings)
    return list(csv.DictReader(path.read_text().splitlines())), tables


@pytest.mark.nightly
@pytest.mark.once
@pytest.mark.slow
def test_activations_benchmark(tmp_path):
    options = ["--only", "mila", "--rounds", "2"]
    rows, tables = command("activations", tmp_path / "activations.csv", *options)
    assert [r["precision"] for r in rows] == ["float32", "mixed_bfloat16"]
    for row in rows:
        assert float(row["train/silu"]) > 0.0
        assert f"{float(row['train/silu']):.2f}" in tables
        # The size of one input is kept on every backend; the plain composition keeps more.
        assert float(row["kept"]) == pytest.approx(1.0, abs=0.01)
        assert float(row["kept plain"]) > 2.0


@pytest.mark.nightly
@pytest.mark.once
@pytest.mark.slow
def test_versions_benchmark(tmp_path):
    """Of this version over itself: everything runs twice, and nothing is left out."""
    options = ["--base", str(ROOT), "--quick", "--rounds", "3"]
    rows, tables = command("versions", tmp_path / "versions.csv", *options)
    layers_alone = {n for n in layers.__all__ if n[:3] == "Yat" and n[-4:] not in ("Cell", "ores")}
    layers_alone -= NORMALIZATIONS
    assert {row["name"] for row in rows} == layers_alone | set(activations.names())
    for row in rows:
        assert float(row["train"]) > 0.0
        assert f"{float(row['train']):.2f}" in tables


def test_every_layer_is_measured():
    alone = {f"Yat{case.name}" for case in CASES.values()}
    over_time = {f"Yat{name}{kind}" for name in recurrent.LAYERS for kind in ("", "Cell")}
    # Layers that Keras has too: what they are compared with.
    every = {name for name in layers.__all__ if hasattr(keras.layers, name.removeprefix("Yat"))}
    every = {name for name in every if name.startswith("Yat")}
    assert alone | over_time | {"YatMultiHeadAttention"} == every - NORMALIZATIONS


@pytest.mark.parametrize("name", CASES)
def test_a_layer_replaces_its_keras_counterpart(name):
    case = CASES[name].small()
    x = ops.convert_to_tensor(draw(case.shape))
    own, stock = (case.layer(contestant, "float32") for contestant in ("own", "keras"))
    assert own(x).shape == stock(x).shape


def test_peak_memory_is_that_of_the_output():
    x = ops.convert_to_tensor(draw((1024, 256)))
    layer = keras.layers.Dense(1024)
    layer(x)
    # The output is allocated once, and may be copied once when the bias is added.
    size = 4 * 1024 * 1024
    assert 1.0 <= peak_memory(harness.forward(layer, x)) / size <= 2.1


@pytest.mark.nightly
def test_layers_benchmark(tmp_path):
    options = ["--quick", "--rounds", "3", "--only", "dense", "embedding"]
    rows, tables = command("layers", tmp_path / "layers.csv", *options)
    assert len(rows) == 2 * 2 * (2 if BACKEND == "tensorflow" else 1)
    for row in rows:
        assert float(row["forward"]) > 0.0
        assert float(row["train"]) > 0.0
        assert f"{float(row['train']):.2f}" in tables
        # TensorFlow does not count such small amounts.
        assert BACKEND == "tensorflow" or 0.2 < float(row["memory"]) < 5.0


@pytest.mark.nightly
def test_recurrent_benchmark(tmp_path):
    rows, tables = command("recurrent", tmp_path / "r.csv", "--quick", "--rounds", "3")
    assert [row["layer"] for row in rows] == list(recurrent.LAYERS)
    for row in rows:
        times = [float(row[f"{n} train"]) for n in ("Keras", "Yat", "RNN(Yat cell)")]
        assert min(times) > 0.0
        assert float(row["cell over layer"]) == pytest.approx(times[2] / times[1], rel=1e-3)
        assert f"{times[1]:.2f}" in tables


@pytest.mark.nightly
def test_attention_benchmark(tmp_path):
    options = ["--lengths", "4", "6", "--rounds", "3"]
    rows, tables = command("attention", tmp_path / "attention.csv", *options)
    names = [*attention.contestants(), "cache"]
    assert [(r["length"], r["layer"]) for r in rows] == [(n, m) for n in "46" for m in names]
    for row in rows:
        assert float(row["forward"]) > 0.0
        assert row["layer"] == "cache" or float(row["train"]) > 0.0
        assert f" {float(row['forward']):.2f} " in tables


@pytest.mark.parametrize("name", ["Keras, fused", "Yat, plain", "Yat, window", "Yat, linear"])
def test_compared_models_have_the_same_weights(name):
    x = ops.convert_to_tensor(draw((1, 3, attention.HEADS * attention.SIZE)))
    layers = [attention.contestants()[n] for n in (attention.BASE, name)]
    for layer in layers:
        layer(x)
    shapes = [sorted(tuple(w.shape) for w in layer.weights if len(w.shape)) for layer in layers]
    assert shapes[0] == shapes[1]


def test_blocks_need_memory_in_proportion_to_the_length():
    def peak(length, block_size):
        x, upstream = (harness.tensor((1, length, 2, 8), "float32", seed) for seed in (0, 1))
        layer = SelfAttention(block_size)
        layer(x)
        return peak_memory(harness.forward_backward(layer, x, upstream))

    plain, blocks = peak(1024, None), peak(1024, 32)
    if BACKEND == "tensorflow":
        # Not every build of TensorFlow counts memory, and it runs loops in parallel.
        assert (plain is None) == (not counted())
        assert plain is None or blocks <= plain / 4
    else:
        assert blocks <= plain / 4
        assert blocks <= 2.5 * peak(512, 32)


class SelfAttention(keras.layers.Layer):
    def __init__(self, block_size):
        super().__init__()
        self.block_size = block_size

    def call(self, x):
        return yat_attention(x, x, x, is_causal=True, block_size=self.block_size)


def counted():
    import tensorflow as tf

    try:
        tf.config.experimental.get_memory_info("CPU:0")
    except ValueError:
        return False
    return True


@pytest.mark.nightly
def test_gates_benchmark(tmp_path):
    options = ["--quick", "--seeds", "2", "--tasks", "digits", "--layers", "SimpleRNN"]
    rows, tables = command("gates", tmp_path / "gates.csv", *options)
    assert [row["activation"] for row in rows] == [*gates.ACTIVATIONS, "Keras"]
    for row in rows:
        assert 0.0 <= float(row["accuracy"]) <= 1.0
        assert f"{float(row['accuracy']):.3f} ± {float(row['spread']):.3f}" in tables


@pytest.mark.nightly
def test_adding_benchmark(tmp_path):
    options = ["--length", "6", "--steps", "4", "--every", "2", "--only", "YatGRU", "GRU"]
    rows, tables = command("adding", tmp_path / "adding.csv", *options)
    assert [(r["layer"], r["step"]) for r in rows] == [
        ("YatGRU", "2"), ("YatGRU", "4"), ("GRU", "2"), ("GRU", "4"),
    ]  # fmt: skip
    assert f"| YatGRU | 4 | {float(rows[1]['error']):.4f} |" in tables
    assert (tmp_path / "adding.png").read_bytes().startswith(b"\x89PNG")


def test_data_of_the_adding_problem():
    x, y = adding.sequences(20, 7, np.random.default_rng(0))
    np.testing.assert_array_equal(x[..., 1].sum(axis=1), 2.0)
    np.testing.assert_array_equal(x[:, :3, 1].sum(axis=1), 1.0)
    np.testing.assert_allclose(np.prod(x, axis=-1).sum(axis=1, keepdims=True), y, rtol=1e-6)


@pytest.mark.nightly
def test_scale_benchmark(tmp_path):
    options = ["--quick", "--rounds", "2", "--only", "dense_batch", "lstm_width", "sinlu_entries"]
    rows, tables = command("scale", tmp_path / "scale.csv", *options)
    curves = [("dense", "batch"), ("lstm", "width"), ("sinlu", "entries")]
    expected = [(*curve, str(size)) for curve in curves for size in range(2, 7)]
    assert [(row["layer"], row["axis"], row["size"]) for row in rows] == expected
    for row in rows:
        assert min(float(row[f"{who} seconds"]) for who in ("keras", "yat")) > 0.0
        # TensorFlow does not count such small amounts.
        assert BACKEND == "tensorflow" or 0.5 < float(row["memory ratio"]) < 10.0
    assert f"| lstm | width | {BACKEND} | " in tables
    assert f" {float(rows[0]['ratio']):.2f} → {float(rows[4]['ratio']):.2f} |" in tables
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def costs(power, growth=0.0, overhead=0.0):
    """Rows of a cost that grows with a power of the size, and of a ratio that grows too."""
    head = {"layer": "dense", "axis": "width", "backend": BACKEND}
    rows = []
    for size in (1, 2, 4, 8, 16):
        keras_cost, ratio = 3.0 * size**power + overhead, 2.0 * size**growth
        found = {"keras seconds": keras_cost, "yat seconds": ratio * keras_cost, "ratio": ratio}
        found |= {"keras memory": keras_cost, "yat memory": ratio * keras_cost}
        found["memory ratio"] = ratio
        rows.append({**head, "size": str(size), **{k: str(v) for k, v in found.items()}})
    return rows


@pytest.mark.once
def test_exponents_of_costs():
    (found,) = scale.growths(costs(power=2.0, growth=0.5)).values()
    for own in found.values():
        np.testing.assert_allclose(own, (2.0, 2.5, 2.0, 8.0))
        assert own.grows
    # An overhead matters least at the largest sizes, those that are fitted.
    (found,) = scale.growths(costs(power=1.0, overhead=0.3)).values()
    np.testing.assert_allclose(found["time"], (1.0, 1.0, 2.0, 2.0), atol=0.05)
    assert not found["time"].grows
    table = scale.markdown(costs(power=1.0, growth=0.06))  # by 18 %
    assert "| 1.00 | 1.06 | +0.06 | 2.00 → 2.36 | 1.00 | 1.06 | +0.06 | 2.00 → 2.36 | no |" in table
    assert "| time, memory |" in scale.markdown(costs(power=1.0, growth=0.07))


def test_a_size_without_memory_has_no_numbers(monkeypatch, tmp_path):
    curve = scale.CURVES["dense_batch"]
    empty = {**dict.fromkeys(scale.COLUMNS), "input": "10000000000000×512"}
    assert scale.at(curve, 10**13, rounds=2) == empty
    # As it is where the backend has none.
    monkeypatch.setattr(scale, "compare", lambda *_: ops.ones((2**44,)))
    assert set(scale.at(curve, 64, rounds=2).values()) == {None, "64×512"}
    # Other errors end the command.
    monkeypatch.setattr(scale, "compare", lambda *_: [][0])
    with pytest.raises(IndexError):
        scale.at(curve, 64, rounds=2)
    # Tables and pictures leave the size out.
    rows = costs(power=1.0)
    rows[-1] |= {name: "" for name in rows[-1] if name in scale.COLUMNS}
    (found,) = scale.growths(rows).values()
    np.testing.assert_allclose(found["memory"], (1.0, 1.0, 2.0, 2.0))
    without = [{**row, **{n: "" for n in row if n in scale.COLUMNS}} for row in rows]
    assert f"| {BACKEND} {'|  ' * 8}| no |" in scale.markdown(without)
    scale.draw(without, tmp_path / "scale.png")


@pytest.mark.parametrize("name", scale.CURVES)
def test_compared_layers_of_a_curve_have_outputs_of_one_shape(name):
    curve = scale.CURVES[name].small()
    shape, features = curve.at(curve.sizes[-1])
    layers = scale.contestants(curve.layer, shape, features).values()
    shapes = {layer(keras.Input(batch_shape=shape)).shape for layer in layers}
    assert len(shapes) == 1
    assert len(curve.sizes) == len(scale.CURVES[name].sizes) == 5


@pytest.mark.nightly
def test_accuracy_benchmark(tmp_path):
    rows, tables = command("accuracy", tmp_path / "accuracy.csv", "--quick")
    assert len(rows) == 3 * 2 * 3 * 4
    for row in rows:
        found = [float(row[name] or 0) for name in RESULTS]
        largest = [float(row[f"{name} max"] or 0) for name in RESULTS]
        assert all(m <= most for m, most in zip(found, largest, strict=True))
        if row["dtype"] == "float32" and row["distance"] == "direct":
            assert 0.0 < max(largest) <= 1e-3
        # The rounding error of the result alone is above 0 and below 0.01.
        if row["dtype"] == "bfloat16" and row["distance"] == "direct":
            assert 1e-4 < found[0] < 1e-2
    # The reason for the direct form.
    places = [(r["dtype"], r["norm"], r["apart"]) for r in rows]
    near = [r for r, p in zip(rows, places, strict=True) if p == ("float32", "100", "0.001")]
    expanded, direct = (float(row["output"]) for row in near)
    assert expanded > 1e3 * direct
    for name in RESULTS:
        assert f"### {name}" in tables


def test_bits_of_a_ternary_kernel():
    from benchmarks import ternary

    model = keras.Sequential([keras.Input((64,)), layers.YatDense(20), keras.layers.Dense(2)])
    again = ternary.ternary(model, 0.7)
    again.compile(loss="mse", metrics=["accuracy"])
    found = ternary.measured(again, (np.ones((4, 64)), np.ones((4, 2))))
    assert found["bits"] == 8 * (256 + 4 * 20) / (64 * 20)
    assert found["sparsity"] == again.layers[0].sparsity()
    assert again.layers[0].kernel_quantizer.threshold == 0.7
    assert ternary.kernel_bytes(model) == 4 * 64 * 20


@pytest.mark.once
def test_table_of_ternary_kernels():
    from benchmarks import ternary

    accuracies = {"float": (0.8, 0.9), "ternary": (0.79, 0.88), "float, trained on": (0.81, 0.92)}
    rows = [
        {"task": "t", "variant": name, "seed": seed, "accuracy": a, "sparsity": 0.3, "bits": 1.65}
        for name, values in accuracies.items()
        for seed, a in enumerate(values)
    ]
    assert "| ternary | 83.50 | -1.50 ± 0.50 | -3.00 ± 1.00 | 30 % | 1.65 |" in ternary.markdown(
        rows
    )


@pytest.mark.nightly
@pytest.mark.backends("jax")
def test_attention_rates_benchmark(tmp_path):
    options = ["--variants", "Yat, linear", "--rates", "0.01", "--seeds", "1"]
    (row,), table = command("attention_rates", tmp_path / "rates.csv", *options)
    # Better than the frequencies of single characters; a training of 400 steps.
    assert 2.5 < float(row["bits"]) < 4.0
    assert 0.3 < float(row["accuracy"]) < 0.5
    assert f"| Yat, linear | {float(row['bits']):.3f} |" in table
