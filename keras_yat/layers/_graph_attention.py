"""Attention over the edges of a graph, with Yat scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._numerics import graph
from keras_yat._numerics.formula import YatFormula, on_sphere
from keras_yat._register import register
from keras_yat._space import Choice, Space
from keras_yat._types import Config, Identifier, LayerOptions, Shape, Tensor
from keras_yat.layers._base import checked_activation
from keras_yat.layers._epsilon_alpha import EpsilonAlphaLayer
from keras_yat.layers._score_layer import SCORE_BIAS, ScoreLayer
from keras_yat.layers._weight_options import WeightOptions, checked_regularizer, serialized
from keras_yat.ops._score_normalization import SMALLEST_SUM

NORMS = (None, "sphere")


@register()
class YatGraphAttention(ScoreLayer):
    """Graph attention with the scores `(⟨q_i, k_j⟩ + b)² / (‖q_i - k_j‖² + epsilon)`.

    q, k and v are linear projections of the nodes. The score of the edge from j to i is large where
    the key of j points along the query of i and lies close to it. Scores are not negative: their
    weights are the scores divided by their sum over the edges into i, without an exponential.
    The output of a node is the weighted sum of the values at the sources of its edges, for each
    head; a node without edges gets zeros. Scores and weights are computed in float32 or wider, the
    distance from differences, edge by edge: nothing cancels. Time and memory grow with the number
    of edges.

    Graphs are given as for `keras_yat.YatGraphConv`: `[x, edge_index]`,
    `[x, edge_index, edge_weight]` or `[x, adjacency]`, for a graph or a batch of them. Weights of
    edges, of at least 0, are factors of the scores.

    Args:
        num_heads: Number of heads, an int of at least 1.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value; None: `key_dim`.
        concat_heads: Whether the outputs of the heads are concatenated. False: their mean.
        activation: Activation of the output: a name of `keras_yat.activations.get`, a layer, a
            callable, or None.
        dropout: Dropout rate of the weights, in [0, 1).
        use_bias: Whether the projections have a bias.
        kernel_initializer: Initializer of the kernels of the projections, any of
            `keras.initializers.get`. Each projection gets its own values.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the kernels, or None.
        bias_regularizer: Regularizer of the biases, or None.
        activity_regularizer: Regularizer of the output, or None.
        kernel_constraint: Constraint on the kernels, or None.
        bias_constraint: Constraint on the biases, or None.
        seed: Seed for reproducible masks, an int, or None.
        add_self_loops: Whether each node gets an edge of weight 1 to itself.
        normalize: None, or `"sphere"` to divide each query and key by its norm, so that the
            distance is `2 - 2·cos`. Vectors of zeros stay zero.
        score_bias: b: a number of at least 0, a list with one for each head, None for 0, or
            `"learned"` to train a value for each head, at least 0.
        score_bias_initializer: Initializer of a learned `score_bias`. None: 1.
        epsilon: Added to the squared distance: a number above 0, in squared units of the query, or
            a list with one for each head. Within this squared distance the score levels off.
        learn_epsilon: Whether an epsilon for each head is trained. It starts at `epsilon` and stays
            at or above 1e-7.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: A list of `x` and a graph.
        training: Whether dropout applies.
        mask: None, or a list that begins with booleans in the shape of x without the features:
            False for padded nodes. Edges from these are left out, and the mask is passed on.

    Input shape:
        A list: `(nodes, features)`, `(2, edges)` and, if given, `(edges,)`; or each with a batch
        axis before.

    Output shape:
        `(nodes, num_heads·value_dim)`, or `(nodes, value_dim)` for the mean of the heads; with the
        batch axis of x, if it has one.

    Raises:
        ValueError: If an argument is out of range, or shapes do not match.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    >>> edge_index = np.array([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])  # a path, both ways
    >>> layer = keras_yat.YatGraphAttention(num_heads=2, key_dim=8)
    >>> layer([x, edge_index]).shape == (4, 16)
    True

    Reference:
        P. Veličković et al., Graph Attention Networks, ICLR 2018, for attention over edges;
        arXiv:2605.03262 for the scores.
    """

    search_space: ClassVar[Space] = {
        **{n: d for n, d in EpsilonAlphaLayer.search_space.items() if n != "alpha"},
        "normalize": Choice.of(*NORMS),
        "score_bias": Choice({n: SCORE_BIAS[n] for n in ("constant", "learned")}),
        "kernel_initializer": Choice.of("glorot_uniform", "he_normal", "orthogonal"),
    }

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        concat_heads: bool = True,
        activation: Identifier | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Identifier = "glorot_uniform",
        bias_initializer: Identifier = "zeros",
        kernel_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        seed: int | None = None,
        *,
        add_self_loops: bool = True,
        normalize: Literal["sphere"] | None = None,
        score_bias: float | Sequence[float] | Literal["learned"] | None = 1.0,
        score_bias_initializer: Identifier | None = None,
        epsilon: float | Sequence[float] = 1e-5,
        learn_epsilon: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        # The checks of the base need it.
        self.num_heads: int = _validate.count("num_heads", num_heads)
        super().__init__(
            score_bias=score_bias,
            score_bias_initializer=score_bias_initializer,
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            # A factor of the scores has no effect.
            alpha=None,
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **kwargs,
        )
        self.key_dim: int = _validate.count("key_dim", key_dim)
        self.value_dim: int = (
            key_dim if value_dim is None else _validate.count("value_dim", value_dim)
        )
        self.concat_heads: bool = _validate.flag("concat_heads", concat_heads)
        self.activation: Any = checked_activation("activation", activation, self.dtype_policy)
        self.dropout: float = _validate.rate("dropout", dropout)
        self.use_bias: bool = _validate.flag("use_bias", use_bias)
        self._kernel_options = WeightOptions(
            self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self._bias_options = WeightOptions(
            self, "bias", bias_initializer, bias_regularizer, bias_constraint
        )
        self.seed: int | None = _validate.seed("seed", seed)
        self.seed_generator: Any = keras.random.SeedGenerator(seed) if dropout else None
        self.add_self_loops: bool = _validate.flag("add_self_loops", add_self_loops)
        self.normalize: str | None = _validate.one_of("normalize", normalize, NORMS)
        self._features: Any = None
        # It would round the weights of edges.
        self.autocast = False
        self.supports_masking = True

    def build(self, input_shape: Sequence[Shape]) -> None:
        graph.check_shapes(input_shape)
        self._features = input_shape[0][-1]
        shape = (None, _validate.last_axis("x", input_shape[0]))
        sizes = (self.num_heads, self.key_dim)
        self.query_dense: Any = self._projection("query", shape, sizes)
        self.key_dense: Any = self._projection("key", shape, sizes)
        self.value_dense: Any = self._projection("value", shape, (self.num_heads, self.value_dim))
        self._add_epsilon_and_alpha(None)
        self._add_score_bias()
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build(self.compute_output_shape(input_shape))

    @property
    def _projection_initializer(self) -> Any:
        return self._kernel_options.initializer

    def _projection_arguments(self) -> dict[str, Any]:
        options = {**self._kernel_options.get_config(), **self._bias_options.get_config()}
        return {**options, "dtype": self.dtype_policy}

    def call(
        self, inputs: Sequence[Tensor], training: bool | None = None, mask: Any = None
    ) -> Tensor:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        x, edges = graph.read(inputs, self._features, mask)
        if self.add_self_loops:
            edges = edges.with_self_loops()
        heads = [layer(x) for layer in (self.query_dense, self.key_dense, self.value_dense)]
        query, key, value = (ops.cast(head, x.dtype) for head in heads)
        weights = self._weights(query, key, edges)
        # The rate first: `training` may be a tracer, which has no truth value.
        if self.dropout and training:
            weights = keras.random.dropout(weights, self.dropout, seed=self.seed_generator)
        messages = ops.take(value, edges.sources, axis=0) * ops.expand_dims(weights, -1)
        outputs = edges.incoming(messages)
        if self.concat_heads:
            outputs = ops.reshape(outputs, (-1, self.num_heads * self.value_dim))
        else:
            outputs = ops.mean(outputs, axis=1)
        outputs = graph.unflat(ops.cast(outputs, self.compute_dtype), inputs[0])
        if self.activation is not None:
            outputs = self.activation(outputs)
        return ops.cast(outputs, self.compute_dtype)

    def _weights(self, query, key, edges):
        """The weights of the edges, `(edges, heads)`."""
        if self.normalize == "sphere":
            query, key = (on_sphere(head, -1) for head in (query, key))
        query = ops.take(query, edges.targets, axis=0)
        key = ops.take(key, edges.sources, axis=0)
        bias = self._bias_of_scores()
        bias, epsilon = (_of_heads(p) for p in (bias, self._epsilon_and_alpha()["epsilon"]))
        formula = YatFormula(0.0, bias, 1.0, epsilon, floor=None, limit=None)
        difference = query - key
        scores = formula(
            ops.sum(query * key, axis=-1), ops.sum(difference * difference, axis=-1)
        ) * ops.expand_dims(edges.weights, -1)
        total = edges.incoming(scores) + SMALLEST_SUM
        return scores / ops.take(total, edges.targets, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        size = self.num_heads * self.value_dim if self.concat_heads else self.value_dim
        return (*input_shape[0][:-1], size)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self) -> Config:
        config = super().get_config()
        del config["alpha"], config["alpha_initializer"]
        return {
            **config,
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "concat_heads": self.concat_heads,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            **self._kernel_options.get_config(),
            **self._bias_options.get_config(),
            "activity_regularizer": serialized(self.activity_regularizer),
            "seed": self.seed,
            "add_self_loops": self.add_self_loops,
            "normalize": self.normalize,
        }


def _of_heads(value):
    """A parameter of the scores as a number or a tensor."""
    if value is None:
        return 0.0
    return ops.convert_to_tensor(value, "float32") if isinstance(value, (list, tuple)) else value
