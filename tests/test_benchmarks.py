"""The benchmarks run, and the compositions that they compare with are right."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from benchmarks.compositions import COMPOSITIONS
from keras_yat import activations
from tests.helpers import BACKEND, draw, to_numpy

ROOT = Path(__file__).parent.parent


def test_every_activation_is_measured():
    assert set(COMPOSITIONS) == set(activations.names())


@pytest.mark.parametrize("name", activations.names())
def test_a_composition_computes_the_same(name):
    x = ops.convert_to_tensor(draw((3, 5)))
    layer = activations.get(name)
    plain = COMPOSITIONS[name](x, *[w.value for w in layer.weights])
    np.testing.assert_allclose(to_numpy(plain), to_numpy(layer(x)), rtol=1e-5, atol=1e-6)


def test_activations_benchmark(tmp_path):
    path = tmp_path / "activations.csv"
    options = ["--backend", BACKEND, "--only", "mila", "--rounds", "2", "--csv", str(path)]
    subprocess.run([sys.executable, "-m", "benchmarks.activations", *options], cwd=ROOT, check=True)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [r["precision"] for r in rows] == ["float32", "mixed_bfloat16"]
    for row in rows:
        assert float(row["train/silu"]) > 0.0
        # One input's size is kept, on every backend; the plain composition keeps more.
        assert float(row["kept"]) == pytest.approx(1.0, abs=0.01)
        assert float(row["kept plain"]) > 2.0
