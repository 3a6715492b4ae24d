"""The graph layers: outputs and gradients against their definitions, padding, batches, masks."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_yat import YatGraphAttention, YatGraphConv
from tests import reference_graph
from tests.helpers import BACKEND, compiled, double_precision, draw, to_numpy, value_and_gradients

# A graph with edges in one direction, one of them twice, and a node that nothing leads to.
EDGES = np.array([[0, 1, 2, 2, 4, 1, 3, 3], [1, 2, 0, 3, 0, 2, 3, 2]], "int32")
NODES = 5
X = draw((NODES, 3))
WEIGHTS = np.linspace(0.3, 2.0, 8).astype("float32")
LAYERS = {
    "convolution": lambda **kwargs: YatGraphConv(4, **kwargs),
    "attention": lambda **kwargs: YatGraphAttention(2, 3, **kwargs),
}
BOTH = pytest.mark.parametrize("name", LAYERS)


def assert_near(found, expected, tolerance=1e-5):
    found, expected = to_numpy(found), to_numpy(expected)
    scale = max(1.0, float(np.max(np.abs(expected))))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


def built(layer, *inputs):
    """The layer, built, with biases of projections other than 0."""
    layer(list(inputs or (X, EDGES)))
    rng = np.random.default_rng(3)
    for weight in layer.trainable_weights:
        if weight.path.endswith("bias") and "score" not in weight.path:
            weight.assign(to_numpy(weight) + 0.1 * rng.normal(size=tuple(weight.shape)))
    return layer


def weights_of(layer):
    """The trainable weights in float64, by the last two parts of their paths."""
    return {
        "/".join(w.path.split("/")[1:]): to_numpy(w).astype("float64")
        for w in layer.trainable_weights
    }


def definition(layer, x, weight=None, values=None, edges=EDGES):
    """The output of a layer in float64, for other values of its weights."""
    values = weights_of(layer) if values is None else values
    matrix = reference_graph.adjacency(len(x), edges, weight, layer.add_self_loops)
    if isinstance(layer, YatGraphConv):
        settings = {"bias": values["bias"], "alpha": values["alpha"], "epsilon": layer.epsilon}
        kernel = layer.multiplier * values["kernel"]
        return reference_graph.convolution(x, matrix, kernel, layer.normalization, **settings)
    heads = [
        (values[f"{n}/kernel"], values.get(f"{n}/bias", 0.0)) for n in ("query", "key", "value")
    ]
    constants = {"score_bias": layer.score_bias, "epsilon": layer.epsilon}
    bias, epsilon = (values.get(n, c) for n, c in constants.items())
    bias = 0.0 if bias is None else bias
    sphere = layer.normalize == "sphere"
    found = reference_graph.attention(x, matrix, heads, bias, epsilon, sphere)
    return found.reshape(len(x), -1) if layer.concat_heads else found.mean(axis=1)


CASES = [
    ("convolution", {}),
    ("convolution", {"normalization": "mean"}),
    ("convolution", {"normalization": None, "add_self_loops": False}),
    ("convolution", {"add_self_loops": False, "epsilon": 0.1}),
    ("attention", {}),
    ("attention", {"score_bias": [0.5, 2.0], "epsilon": [0.3, 1.0], "concat_heads": False}),
    ("attention", {"score_bias": None, "normalize": "sphere", "use_bias": False, "epsilon": 1.0}),
    ("attention", {"score_bias": "learned", "add_self_loops": False, "value_dim": 2}),
]


@pytest.mark.parametrize("weighted", [False, True], ids=["edges", "weighted"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_outputs(name, arguments, weighted):
    layer = built(LAYERS[name](**arguments))
    found = to_numpy(layer([X, EDGES, WEIGHTS] if weighted else [X, EDGES]))
    assert_near(found, definition(layer, X, WEIGHTS if weighted else None), 3e-5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("convolution", {"epsilon": 0.5}),
        ("attention", {"epsilon": 0.5, "score_bias": "learned", "learn_epsilon": True}),
    ],
)
def test_gradients(name, arguments):
    """In the features, in the weights of edges and in every weight, against differences."""
    layer = built(LAYERS[name](**arguments))
    upstream = draw(tuple(layer([X, EDGES]).shape), seed=4)
    variables = layer.trainable_variables

    def function(x, weight, *values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return layer([x, EDGES, weight])

    tensors = [X, WEIGHTS, *(ops.convert_to_tensor(v.value) for v in variables)]
    _, found = value_and_gradients(function, *tensors, upstream=upstream)
    values = weights_of(layer)

    def loss(x=X, weight=WEIGHTS, **changed):
        return np.sum(upstream * definition(layer, x, weight, {**values, **changed}))

    assert_near(found[0], reference_graph.differences(lambda x: loss(x=x), X), 1e-3)
    expected = reference_graph.differences(lambda w: loss(weight=w), WEIGHTS)
    assert_near(found[1], expected, 1e-3)
    for gradient, (path, value) in zip(found[2:], values.items(), strict=True):
        expected = reference_graph.differences(lambda v, p=path: loss(**{p: v}), value)
        assert_near(gradient, expected, 1e-3)


@BOTH
def test_float64(name):
    """Sums over edges too."""
    with double_precision():
        # A sum of scores gets 1e-12 added: they are well above that.
        bias = {"score_bias": 10.0} if name == "attention" else {}
        layer = LAYERS[name](dtype="float64", epsilon=0.1, **bias)
        x = X.astype("float64")
        layer = built(layer, ops.convert_to_tensor(x, "float64"), EDGES)
        assert_near(
            layer([ops.convert_to_tensor(x, "float64"), EDGES]), definition(layer, x), 1e-11
        )


@BOTH
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_sums_in_float32(name, policy):
    layer = LAYERS[name](epsilon=1.0)
    edges = np.stack([np.arange(4000) % 400, np.zeros(4000, int)])
    x = 1.0 + 0.1 * draw((400, 3))
    expected = to_numpy(layer([x, edges]))
    half = LAYERS[name](epsilon=1.0, dtype=policy)
    half.build([x.shape, edges.shape])
    half.set_weights(layer.get_weights())
    found = to_numpy(half([x, edges]))
    assert_near(found, expected, 0.02 if policy == "mixed_float16" else 0.1)


def jitted(function):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    return compiled(function)


@BOTH
def test_padded_edges_change_nothing(name):
    layer = built(LAYERS[name]())
    padding = np.array([[-1, 0, NODES, 2, -7], [0, -1, 1, 99, NODES]], "int32")
    padded = np.concatenate([padding[:, :2], EDGES, padding[:, 2:]], axis=1)
    weight = np.concatenate([[9.0, 9.0], WEIGHTS, [9.0, np.inf, 9.0]]).astype("float32")
    expected = layer([X, EDGES, WEIGHTS])
    assert_near(layer([X, padded, weight]), expected, 1e-6)
    upstream = draw(tuple(expected.shape), seed=5)

    @jitted
    def call(x, edges, weight):
        return layer([x, edges, weight])

    arrays = [ops.convert_to_tensor(a) for a in (X, padded, weight)]
    assert_near(call(*arrays), expected, 1e-5)
    gradients = [
        value_and_gradients(lambda x, g=graph: layer([x, *g]), X, upstream=upstream)[1][0]
        for graph in ((EDGES, WEIGHTS), (padded, weight))
    ]
    assert_near(gradients[1], gradients[0], 1e-4)


@BOTH
@pytest.mark.backends("tensorflow", "torch")  # JAX has no int64
@pytest.mark.parametrize("index", [2**32, -(2**32) + 1, 2**40 + 1])
def test_indices_of_64_bits(name, index):
    layer = built(LAYERS[name]())
    padded = np.concatenate([EDGES, [[index], [1]], [[1], [index]]], axis=1).astype("int64")
    padded = ops.convert_to_tensor(padded, "int64")
    assert_near(layer([X, padded]), layer([X, EDGES]), 1e-6)


@BOTH
def test_batches(name):
    """A graph of a batch gives the same as alone; a single graph is shared."""
    layer = built(LAYERS[name]())
    graphs = [(X, EDGES), (draw((3, 3), seed=1), np.array([[0, 1], [1, 2]], "int32"))]
    x = np.zeros((2, NODES, 3), "float32")
    edges = np.full((2, 2, 8), -1, "int32")
    weight = np.ones((2, 8), "float32")
    for i, (nodes, index) in enumerate(graphs):
        x[i, : len(nodes)], edges[i, :, : index.shape[1]] = nodes, index
    for inputs in ([x, edges], [x, edges, weight]):
        found = to_numpy(layer(inputs))
        for i, graph in enumerate(graphs):
            assert_near(found[i, : len(graph[0])], layer(list(graph)), 2e-5)
    shared = to_numpy(layer([x, EDGES, WEIGHTS]))
    assert_near(shared[1], layer([x[1], EDGES, WEIGHTS]), 2e-5)


def sparse(rows, columns, values, size):
    """A sparse tensor of the backend."""
    indices = np.stack([rows, columns], axis=1).astype("int64")
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.SparseTensor(indices, values, (size, size))
    if BACKEND == "torch":
        import torch

        return torch.sparse_coo_tensor(indices.T, values, (size, size), check_invariants=True)
    from jax.experimental import sparse

    return sparse.BCOO((values, indices), shape=(size, size))


@BOTH
def test_adjacency(name):
    """Sparse and dense matrices, with a row for each target, give the same as edges."""
    layer = built(LAYERS[name]())
    expected = to_numpy(layer([X, EDGES, WEIGHTS]))
    matrix = sparse(EDGES[1], EDGES[0], WEIGHTS, NODES)
    assert_near(layer([X, matrix]), expected)
    dense = reference_graph.adjacency(NODES, EDGES, WEIGHTS, False).astype("float32")
    assert_near(layer([X, dense]), expected)
    found = layer([np.stack([X, 2.0 * X]), np.stack([dense, dense])])
    assert_near(found[0], expected, 2e-5)


@BOTH
@given(data=st.data())
def test_permutations_of_nodes_and_edges(name, data):
    layer = LAYERS[name](epsilon=0.1)
    places = st.lists(st.integers(0, NODES - 1), min_size=12, max_size=12)
    edges = np.array([data.draw(places), data.draw(places)], "int32")
    order = np.array(data.draw(st.permutations(range(NODES))))
    shuffled = np.array(data.draw(st.permutations(range(12))))
    expected = to_numpy(layer([X, edges]))
    renamed = np.argsort(order).astype("int32")[edges][:, shuffled]
    assert_near(layer([X[order], renamed]), expected[order], 1e-4)


@BOTH
def test_masked_nodes_send_nothing(name):
    layer = built(LAYERS[name]())
    mask = np.array([True, True, True, False, True])
    masked = [bool(mask[s]) for s in EDGES[0]]
    expected = to_numpy(layer([X, EDGES[:, masked]]))
    given = [ops.convert_to_tensor(mask), None]
    found = to_numpy(layer([X, EDGES], mask=given))
    assert_near(found[mask], expected[mask])
    # Whatever is in a masked node.
    x = X.copy()
    x[3] = np.nan
    assert_near(to_numpy(layer([x, EDGES], mask=given))[mask], expected[mask])


@BOTH
def test_nodes_without_edges(name):
    layer = built(LAYERS[name](add_self_loops=False, score_bias=None) if name == "attention"
                  else LAYERS[name](add_self_loops=False))  # fmt: skip
    none = np.full((2, 3), -1, "int32")
    output, (gradient,) = value_and_gradients(lambda x: layer([x, none]), X)
    assert_near(output, definition(layer, X, edges=none))
    np.testing.assert_array_equal(to_numpy(gradient), 0.0)
    zeros, gradients = value_and_gradients(lambda x: layer([x, EDGES]), np.zeros_like(X))
    for array in (zeros, *gradients):
        assert np.all(np.isfinite(to_numpy(array)))
