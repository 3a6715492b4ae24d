"""Faults of graph layers, for `tests.faults`."""

from tests.fault import Fault

GRAPH, TESTS = "keras_yat/_numerics/graph.py", "tests/layers/test_yat_graph.py"
OF_GRAPHS = [
    Fault(
        "graphs: the degree of the sources",
        GRAPH,
        "factor = factor * ops.take(inverse, self.sources, axis=0)",
        "factor = factor * factor",
        TESTS,
    ),
    Fault(
        "graphs: padded edges have a weight",
        GRAPH,
        "weights = ops.where(valid, weights, 0.0) *",
        "weights = weights *",
        TESTS,
    ),
    Fault(
        "graphs: the nodes of a batch",
        GRAPH,
        "first = ops.expand_dims(positions(batch) * nodes, -1)",
        "first = ops.expand_dims(positions(batch) * 0, -1)",
        TESTS,
    ),
    Fault(
        "graph attention: the sum over outgoing edges",
        "keras_yat/layers/_graph_attention.py",
        "return scores / ops.take(total, edges.targets, axis=0)",
        "return scores / ops.take(total, edges.sources, axis=0)",
        TESTS,
    ),
    Fault(
        "graphs: sums in float64 on torch",
        "keras_yat/_backend.py",
        "return x.new_zeros((count, *x.shape[1:])).index_add(0, segments, x)",
        "return keras.ops.segment_sum(x, segments, count)",
        TESTS,
    ),
]
