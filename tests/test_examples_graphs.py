"""The example of graphs, run as a user runs it."""

import csv

import keras
import numpy as np
import pytest

import keras_yat
from examples import graphs
from examples.graph_layers import Attention, Propagation
from tests import reference_graph
from tests.helpers import draw, refusal, run, to_numpy
from tests.layers.test_yat_graph import EDGES, NODES, X, assert_near

pytestmark = pytest.mark.once


@pytest.mark.slow
def test_karate(tmp_path):
    options = ("--data", "karate", "--splits", "2", "--steps", "2", "--out", str(tmp_path))
    result = run("-m", "examples.graphs", *options)
    assert result.returncode == 0, result.stderr
    assert "34 nodes, 156 edges, 2 labels a class" in result.stdout
    with (tmp_path / "accuracy.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == graphs.VARIANTS
    plain, yat, *attention = (int(row["parameters"]) for row in rows)
    assert yat == plain + 1  # alpha
    assert len(set(attention)) == 1
    assert rows[1]["difference from the plain layer (95 %)"]
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_splits():
    graph = graphs.load("digits", 100, 3)
    train, valid, test = graphs.split(graph, seed=1)
    assert sorted([*train, *valid, *test]) == list(range(1797))
    for part in (train, valid):
        np.testing.assert_array_equal(np.bincount(graph.labels[part]), 10)
    assert not np.array_equal(train, graphs.split(graph, seed=2)[0])
    edges = set(map(tuple, graph.edge_index.T))
    assert edges == {(b, a) for a, b in edges}


def test_plain_layers():
    """A plain graph convolution, and attention with the softmax of inner products."""
    matrix = reference_graph.adjacency(NODES, EDGES)
    edges = EDGES[None]
    found = Propagation()([X[None], edges])
    # Its degrees, of incoming edges, as in Yat layers.
    expected = reference_graph.normalized(matrix, "symmetric") @ X
    assert_near(found[0], expected)
    query, key, value = (draw((1, NODES, 4), seed=i) for i in range(3))
    found = to_numpy(Attention(2)([query, key, value, edges]))[0]
    for head in (slice(0, 2), slice(2, 4)):
        scores = matrix * np.exp(query[0, :, head] @ key[0, :, head].T / 2**0.5)
        expected = scores / scores.sum(axis=1, keepdims=True) @ value[0, :, head]
        assert_near(found[:, head], expected)


def test_networks():
    graph = graphs.load("karate", 0, 0)
    for variant in graphs.VARIANTS:
        model = graphs.build(graph, variant)
        assert model.output_shape == (None, None, 2)
        own = [layer for layer in model.layers if type(layer).__name__ in keras_yat.layers.__all__]
        assert bool(own) == variant.startswith("Yat")
        assert isinstance(model.layers[-1], keras.layers.Dense)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "karate,cora"], "--data: must be of karate, digits, fashion_mnist, not 'cora'"),
        (["--splits", "0"], "--splits: must be a whole number of 1 or more, not '0'"),
    ],
)
def test_wrong_use(options, message, tmp_path, monkeypatch, capsys):
    options = [*options, "--out", str(tmp_path)]
    assert message in refusal(graphs, options, monkeypatch, capsys)
