"""Graphs as lists of edges: checks, padding, batches, and sums over the edges into each node.

A batch of graphs is one graph without edges between its parts. A padded edge leads from the first
node of its graph to that node, with the weight 0: it changes no sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._backend import segment_sum, sparse_entries
from keras_yat._numerics.gradients import at_least_float32
from keras_yat._sizes import fits, positions, product
from keras_yat._types import Tensor

NORMALIZATIONS = ("symmetric", "mean", None)


@dataclass(frozen=True)
class Edges:
    """The edges of a graph.

    Attributes:
        sources: Ints `(edges,)`.
        targets: Ints `(edges,)`.
        weights: Floats `(edges,)`, 0 for padded edges.
        nodes: Number of nodes.
    """

    sources: Tensor
    targets: Tensor
    weights: Tensor
    nodes: Any

    def with_self_loops(self) -> Edges:
        """The same edges, and one of weight 1 from each node to itself."""
        loops = positions(self.nodes)
        ones = ops.ones(ops.shape(loops), dtype=self.weights.dtype)
        return Edges(
            ops.concatenate([self.sources, loops]),
            ops.concatenate([self.targets, loops]),
            ops.concatenate([self.weights, ones]),
            self.nodes,
        )

    def normalized(self, how: str | None) -> Edges:
        """The edges with weights divided by degrees: see `NORMALIZATIONS`.

        The degree of a node is the sum of the weights of its incoming edges. Nodes whose degree is
        not above 0 have incoming and, if symmetric, outgoing weights of 0.
        """
        if how is None:
            return self
        degree = self.incoming(self.weights)
        some = degree > 0
        degree = ops.where(some, degree, 1.0)
        inverse = ops.rsqrt(degree) if how == "symmetric" else 1.0 / degree
        inverse = ops.where(some, inverse, 0.0)
        factor = ops.take(inverse, self.targets, axis=0)
        if how == "symmetric":
            factor = factor * ops.take(inverse, self.sources, axis=0)
        return Edges(self.sources, self.targets, factor * self.weights, self.nodes)

    def incoming(self, values: Tensor) -> Tensor:
        """The sum of `values`, `(edges, …)`, over the incoming edges of each node."""
        return segment_sum(values, self.targets, self.nodes)

    def aggregated(self, x: Tensor) -> Tensor:
        """The weighted sum over the incoming edges of x, `(nodes, features)`, at their sources."""
        messages = ops.take(x, self.sources, axis=0)
        return self.incoming(messages * ops.expand_dims(self.weights, -1))


def check_shapes(shapes: Sequence[Any]) -> None:
    """Raises unless `shapes` are those of features and a graph."""
    several = all(hasattr(shape, "__len__") for shape in shapes)
    shapes = [tuple(shape) for shape in shapes] if several else []
    allowed = (
        "be a list of features `(nodes, features)` or `(batch, nodes, features)` and a graph: "
        "`[x, edge_index]`, `[x, edge_index, edge_weight]` or `[x, adjacency]`"
    )
    if len(shapes) not in (2, 3) or len(shapes[0]) not in (2, 3):
        _validate.invalid_argument("inputs", allowed, shapes)
    x, graph, *weight = shapes
    if len(graph) not in (2, len(x)):
        _validate.invalid_argument("inputs", allowed, shapes)
    if len(graph) == 3 and not fits(graph[0], x[0]):
        _validate.invalid_argument("edge_index", "have the batch of x", graph, x=x)
    if weight and (
        len(weight[0]) != len(graph) - 1
        or not fits(weight[0][-1], graph[-1])
        or not fits(weight[0][0] if len(graph) == 3 else None, x[0])
    ):
        _validate.invalid_argument(
            "edge_weight", "have a number for each edge", weight[0], edge_index=graph
        )


def read(inputs: Sequence[Any], features: Any, mask: Any = None) -> tuple[Tensor, Edges]:
    """The features `(nodes of all graphs, features)` and the edges of `[x, graph, …]`.

    Both in float32 or wider. Edges from masked nodes are left out, and their features are 0.
    """
    check_shapes([getattr(item, "shape", ()) for item in inputs])
    x, graph, *weight = inputs
    x = ops.convert_to_tensor(x)
    if not fits(x.shape[-1], features):
        _validate.invalid_argument("x", f"have {features} features", tuple(x.shape))
    dtype = at_least_float32(x)
    single = len(x.shape) == 2
    batch, nodes = (1, ops.shape(x)[0]) if single else ops.shape(x)[:2]
    index, weights = _entries(graph, x.shape[-2], weight, dtype)
    if len(index.shape) == 2:
        index, weights = ops.expand_dims(index, 0), ops.expand_dims(weights, 0)
    sources, targets = index[:, 0], index[:, 1]
    valid = (sources >= 0) & (targets >= 0) & (sources < nodes) & (targets < nodes)
    first = ops.expand_dims(positions(batch) * nodes, -1)
    places = [ops.where(valid, place + first, first) for place in (sources, targets)]
    sources, targets = (ops.reshape(place, (-1,)) for place in places)
    weights = ops.where(valid, weights, 0.0) * ops.ones_like(first, dtype=dtype)
    weights = ops.reshape(weights, (-1,))
    x = ops.reshape(ops.cast(x, dtype), (product((batch, nodes)), x.shape[-1]))
    if mask is not None:
        mask = ops.reshape(ops.cast(mask, "bool"), (-1,))
        # A weight of 0 does not stop NaN.
        x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
        weights = weights * ops.cast(ops.take(mask, sources, axis=0), dtype)
    return x, Edges(sources, targets, weights, product((batch, nodes)))


def _entries(graph, nodes, weight, dtype):
    """The indices `(…, 2, edges)` of the edges of a graph, and their weights."""
    entries = sparse_entries(graph)
    if entries is None and "int" in keras.backend.standardize_dtype(graph.dtype):
        index = _narrow(graph)
        if not fits(index.shape[-2], 2):
            _validate.invalid_argument(
                "edge_index", "have two rows, sources and targets", tuple(graph.shape)
            )
        if weight:
            return index, ops.cast(weight[0], dtype)
        return index, ops.ones(ops.shape(index[..., 0, :]), dtype=dtype)
    if weight:
        _validate.invalid_argument(
            "edge_index", "be ints where there is an `edge_weight`", str(graph.dtype)
        )
    if not all(fits(size, nodes) for size in graph.shape[-2:]):
        _validate.invalid_argument(
            "adjacency", "have a row and a column for each node", tuple(graph.shape), nodes=nodes
        )
    if entries is not None:
        targets, sources, values = entries
        index = ops.stack([_narrow(sources), _narrow(targets)])
        return index, ops.cast(values, dtype)
    return _all_pairs(ops.cast(graph, dtype))


def _narrow(index):
    """Indices as int32. What is out of range stays an index of no node."""
    dtype = keras.backend.standardize_dtype(index.dtype)
    if dtype == "int64":
        index = ops.clip(index, -1, 2**31 - 1)
    elif dtype in ("uint32", "uint64"):
        index = ops.minimum(index, 2**31 - 1)
    return ops.cast(index, "int32")


def _all_pairs(adjacency):
    """The edges of a dense matrix `(…, targets, sources)`: all pairs."""
    shape = ops.shape(adjacency)
    count = shape[-1]
    places = positions(product((count, count)))
    index = ops.stack([places % count, places // count])
    weights = ops.reshape(adjacency, (*shape[:-2], product((count, count))))
    if len(shape) == 3:
        index = ops.broadcast_to(ops.expand_dims(index, 0), (shape[0], *ops.shape(index)))
    return index, weights


def unflat(outputs: Tensor, x: Any) -> Tensor:
    """`outputs` of the nodes of all graphs, in the axes of the input `x`."""
    if len(x.shape) == 2:
        return outputs
    return ops.reshape(outputs, (*ops.shape(x)[:-1], outputs.shape[-1]))
