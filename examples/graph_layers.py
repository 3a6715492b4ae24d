"""Plain graph layers, from operations of Keras: what Yat graph layers are compared with."""

from typing import Any

import keras
from keras import ops


class _OnEdges(keras.layers.Layer):
    """Abstract: a layer on a batch of one graph, with an edge from each node to itself."""

    def _sources_and_targets(self, edges, nodes):
        loops = ops.arange(0, nodes, dtype="int32")
        return (ops.concatenate([edges[0, i], loops]) for i in range(2))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


class Propagation(_OnEdges):
    """Multiplies the features of the nodes by D^(-1/2)·(A + I)·D^(-1/2)."""

    def call(self, inputs: Any) -> Any:
        x, nodes = inputs[0][0], ops.shape(inputs[0])[1]
        sources, targets = self._sources_and_targets(inputs[1], nodes)
        degree = ops.segment_sum(ops.ones_like(targets, dtype=x.dtype), targets, nodes)
        factor = ops.rsqrt(degree)
        weights = ops.take(factor, sources, axis=0) * ops.take(factor, targets, axis=0)
        messages = ops.take(x, sources, axis=0) * ops.expand_dims(weights, -1)
        return ops.expand_dims(ops.segment_sum(messages, targets, nodes), 0)


class Attention(_OnEdges):
    """Attention over edges: the softmax of ⟨q, k⟩ / sqrt(size) over incoming edges."""

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads: int = heads

    def call(self, inputs: Any) -> Any:
        nodes, units = ops.shape(inputs[0])[1], inputs[0].shape[-1]
        size = units // self.heads
        query, key, value = (ops.reshape(x, (-1, self.heads, size)) for x in inputs[:3])
        sources, targets = self._sources_and_targets(inputs[3], nodes)
        products = ops.take(query, targets, axis=0) * ops.take(key, sources, axis=0)
        scores = ops.sum(products, axis=-1) / size**0.5
        largest = ops.stop_gradient(ops.segment_max(scores, targets, nodes))
        scores = ops.exp(scores - ops.take(largest, targets, axis=0))
        total = ops.segment_sum(scores, targets, nodes)
        weights = ops.expand_dims(scores / ops.take(total, targets, axis=0), -1)
        found = ops.segment_sum(ops.take(value, sources, axis=0) * weights, targets, nodes)
        return ops.reshape(found, (1, -1, units))
