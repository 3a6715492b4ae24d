"""The Yat graph convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Unpack

from keras_yat import _validate
from keras_yat._numerics import graph
from keras_yat._register import register
from keras_yat._space import Choice, Space
from keras_yat._types import Config, Identifier, LayerOptions, Shape, Tensor
from keras_yat.layers._base_dense import BaseYatDense


@register()
class YatGraphConv(BaseYatDense):
    """Graph convolution of Yat neurons: `YatDense` on `Σ_j Â_ij·x_j`.

    Each node gets the weighted sum of the features of the nodes with an edge to it, and Yat neurons
    are applied to the sum: `alpha·(⟨w, s⟩ + b)² / (‖w - s‖² + epsilon)`. By default
    `Â = D^(-1/2)·(A + I)·D^(-1/2)`, where A_ij is the weight of the edge from j to i and D the sums
    of the rows of A + I. Sums are computed in float32 or wider. Time and memory grow with the
    number of edges.

    A graph is given with the features, as a list:

    - `[x, edge_index]` or `[x, edge_index, edge_weight]`: `edge_index` has two rows of ints, the
      sources and the targets of the edges. An edge with an index below 0, or not below the number
      of nodes, is padding: it changes nothing.
    - `[x, adjacency]`: A, with a row for each target, as a sparse matrix of the backend
      (`tf.SparseTensor`, `jax.experimental.sparse.BCOO`, a sparse tensor of torch), or dense floats
      for small graphs: all pairs of nodes are then edges.

    `x` is `(nodes, features)`, or `(batch, nodes, features)` for a batch of graphs, which are
    padded to equal numbers of nodes and edges; a single graph for the batch is shared.
    `model.fit` needs the axis of the batch; a single graph is then a batch of one.

    Args:
        units: Number of neurons, an int of at least 1.
        activation: Activation of the output: a name of `keras_yat.activations.get`, a layer, a
            callable, or None.
        use_bias: Whether the neurons have a bias b.
        kernel_initializer: Initializer of the kernel: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
            `"glorot_uniform"` gives the published start: bias 0, alpha 1.
        bias_initializer: Initializer of the bias. None: the kernel initializer's matching default,
            that of `YatNormal`, or 0 for others.
        kernel_regularizer: Regularizer of the kernel, or None.
        bias_regularizer: Regularizer of the bias, or None.
        activity_regularizer: Regularizer of the output, or None.
        kernel_constraint: Constraint on the kernel, or None.
        bias_constraint: Constraint on the bias, or None.
        lora_rank: Rank of a trained low-rank term of the kernel, which is frozen then: see
            `enable_lora`. None for no such term.
        lora_alpha: Factor of the low-rank term, a number above 0, which is divided by `lora_rank`.
            None for `lora_rank`.
        add_self_loops: Whether I is added to A. Edges from a node to itself that are there stay.
        normalization: `"symmetric"`; `"mean"` for `Â = D^(-1)·(A + I)`; None for A + I.
        kernel_from: A layer of the same class whose kernel this layer uses, or None. The two share
            a single weight, also in the `.keras` file of a model that has both among its own
            layers; Keras's `clone_model` and `model_from_json` give each its own. Setting
            `trainable` to False on either freezes the kernel for both; `kernel_trainable=False`
            here freezes it for this layer alone. The multiplier is that of `kernel_from`.
        kernel_slice: (start, stop): the neurons of `kernel_from` that this layer uses. None: all.
        kernel_quantizer: None for a float kernel; `"ternary"` or a `keras_yat.quantizers.Ternary`
            for weights -β, 0 and β, with a β per neuron: product and norm use these, training is
            straight-through, and files hold them packed.
        epsilon: Added to the squared distance: a number above 0, in squared units of the input.
            Within this squared distance the output levels off.
        learn_epsilon: Whether epsilon is trained. It starts at `epsilon` and stays at or above
            1e-7. Adam moves it by about its learning rate per step: start it at the scale of the
            squared distances of the data.
        alpha: Factor of the Yat product: `"learned"` to train it, a number for a constant, None for
            1.
        alpha_initializer: Initializer of a learned alpha. None: the kernel initializer's matching
            default, that of `YatNormal`, or 1 for others.
        constant_bias: A number that replaces the trained bias, or None.
        kernel_multiplier: Factor between the trained variable and the weights w of the neurons: a
            number above 0, or `"auto"` for the kernel initializer's matching default. With that of
            `YatNormal` the usual learning rates of Keras's layers are suitable; with others it is
            1. `prototypes()` returns w. Regularizers, constraints and weight decay apply to the
            trained variable.
        normalize: None; `"kernel"` to divide each w by its norm; `"sphere"` to divide each input by
            its norm as well. Vectors of zeros stay zero.
        distance: `"expanded"`: a single matrix product or convolution. Its rounding hides distances
            ‖w - x‖ below about 1e-3·‖w‖ in float32, 0.1·‖w‖ in half precision. `"direct"`: the sum
            of squared differences, exact and slow.
        drop_connect: DropConnect rate of the kernel in training, in [0, 1). Kept entries are
            divided by 1 - rate; each call draws a new mask.
        seed: Seed for reproducible masks, an int, or None.
        kernel_trainable: Whether the kernel is trained. False freezes the kernel alone.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: A list of `x` and a graph, as above.
        training: Whether `drop_connect` applies.
        mask: None, or a list that begins with booleans in the shape of x without the features:
            False for padded nodes. Edges from these are left out, and the mask is passed on.

    Input shape:
        A list: `(nodes, features)`, `(2, edges)` and, if given, `(edges,)`; or each with a batch
        axis before.

    Output shape:
        `(nodes, units)` or `(batch, nodes, units)`.

    Raises:
        ValueError: If an argument is out of range, or shapes do not match.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    >>> edge_index = np.array([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])  # a path, both ways
    >>> layer = keras_yat.YatGraphConv(16)
    >>> layer([x, edge_index]).shape == (4, 16)
    True

    A model for `fit`, with graphs of any size:

    >>> nodes, edges = keras.Input((None, 8)), keras.Input((2, None), dtype="int32")
    >>> hidden = keras_yat.YatGraphConv(16)([nodes, edges])
    >>> model = keras.Model([nodes, edges], keras_yat.YatGraphConv(3)([hidden, edges]))
    >>> model.predict([x[None], edge_index[None]], verbose=0).shape
    (1, 4, 3)

    Reference:
        T. N. Kipf and M. Welling, Semi-Supervised Classification with Graph Convolutional Networks,
        ICLR 2017, for Â; T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024, for
        the neurons.
    """

    built: bool

    search_space: ClassVar[Space] = {
        **BaseYatDense.search_space,
        "normalization": Choice.of(*graph.NORMALIZATIONS),
    }

    def __init__(
        self,
        units: int,
        activation: Identifier | None = None,
        use_bias: bool = True,
        kernel_initializer: Identifier = "yat_normal",
        bias_initializer: Identifier | None = None,
        kernel_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        *,
        add_self_loops: bool = True,
        normalization: Literal["symmetric", "mean"] | None = "symmetric",
        kernel_from: Any = None,
        kernel_slice: tuple[int, int] | None = None,
        kernel_quantizer: Identifier | None = None,
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = "learned",
        alpha_initializer: Identifier | None = None,
        constant_bias: float | None = None,
        kernel_multiplier: float | Literal["auto"] = "auto",
        normalize: Literal["kernel", "sphere"] | None = None,
        distance: Literal["expanded", "direct"] = "expanded",
        drop_connect: float = 0.0,
        seed: int | None = None,
        kernel_trainable: bool = True,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            kernel_from=kernel_from,
            kernel_slice=kernel_slice,
            kernel_quantizer=kernel_quantizer,
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            alpha=alpha,
            alpha_initializer=alpha_initializer,
            constant_bias=constant_bias,
            kernel_multiplier=kernel_multiplier,
            normalize=normalize,
            distance=distance,
            drop_connect=drop_connect,
            seed=seed,
            kernel_trainable=kernel_trainable,
            **kwargs,
        )
        self.add_self_loops: bool = _validate.flag("add_self_loops", add_self_loops)
        self.normalization: str | None = _validate.one_of(
            "normalization", normalization, graph.NORMALIZATIONS
        )
        self._features: Any = None
        # It would round the weights of edges.
        self.autocast = False

    def build(self, input_shape: Any) -> None:
        graph.check_shapes(input_shape)
        self._features = input_shape[0][-1]
        super().build(tuple(input_shape[0]))

    def call(
        self, inputs: Sequence[Tensor], training: bool | None = None, mask: Any = None
    ) -> Tensor:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        outputs = super().call(self._aggregated(inputs, mask), training)
        return graph.unflat(outputs, inputs[0])

    def _aggregated(self, inputs, mask=None):
        """The input of the neurons, `(nodes of all graphs, features)`."""
        x, edges = graph.read(inputs, self._features, mask)
        if self.add_self_loops:
            edges = edges.with_self_loops()
        return edges.normalized(self.normalization).aggregated(x)

    def adapt(self, data: Any, samples: int = 4096, seed: int | None = 0) -> None:
        """Initializes the kernel from `samples` nodes by k-means++, as `YatDense.adapt`.

        Args:
            data: Inputs of the layer: a list of `x` and a graph.
            samples: Maximal number of nodes, at least the number of neurons.
            seed: An int, or None for random draws.

        Raises:
            ValueError: As `YatDense.adapt`.

        Example:

        >>> x = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
        >>> edge_index = np.stack([np.arange(50), np.arange(50)[::-1]])
        >>> layer = keras_yat.YatGraphConv(4)
        >>> layer.adapt([x, edge_index])

        Reference:
            D. Arthur and S. Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
        """
        super().adapt(self._aggregated(data), samples, seed)

    def _build_on(self, inputs: Any) -> None:
        if not self.built:
            self.build([tuple(inputs.shape), (2, None)])
            self.built = True

    def compute_output_shape(self, input_shape: Any) -> Shape:
        # The bases give the shape of the features alone.
        single = isinstance(input_shape[-1], int)
        return super().compute_output_shape(tuple(input_shape if single else input_shape[0]))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "add_self_loops": self.add_self_loops,
            "normalization": self.normalization,
        }
