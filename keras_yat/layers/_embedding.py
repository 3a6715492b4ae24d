"""The Yat embedding, whose rows are neurons of a tied output head."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import Layer
from keras_yat._numerics.prepared_kernel import DENSE
from keras_yat._register import register
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, LayerOptions, Shape, Tensor
from keras_yat.layers._base import INITIALIZER, YatLayer, shared_config
from keras_yat.layers._weight_options import WeightOptions


@register()
class YatEmbedding(YatLayer):
    """Embedding with a tied output head: `score` returns the Yat product with each row.

    A call looks up rows, as in `keras.layers.Embedding`. `score(x)` computes
    `alpha·(⟨e_i, x⟩ + b)² / (‖e_i - x‖² + epsilon)` for each row e_i. Scores are not negative (for
    alpha ≥ 0): for probabilities use `keras_yat.activations.softermax`, for logits their logarithm.

    Args:
        input_dim: Number of rows: the largest index plus 1.
        output_dim: Length of a row.
        embeddings_initializer: Initializer of the rows: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or any of `keras.initializers.get`.
        embeddings_regularizer: Regularizer of the rows, or None.
        embeddings_constraint: Constraint on the rows, or None.
        mask_zero: Whether index 0 is padding, which following layers mask.
        weights: The initial rows, an array of shape `(input_dim, output_dim)`, or None. With them
            `kernel_multiplier="auto"` is 1.
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

    Input shape:
        Integers of any shape, `(batch, …)`; for `score` floats `(…, output_dim)`.

    Output shape:
        `(batch, …, output_dim)`; of `score` `(…, input_dim)`.

    Raises:
        ValueError: If an argument is out of range, or `weights` has another shape.

    Example:

    >>> layer = keras_yat.YatEmbedding(100, 16)
    >>> rows = layer(np.array([[3, 7]]))
    >>> layer.score(rows).shape == (1, 2, 100)
    True
    >>> int(keras.ops.argmax(layer.score(rows)[0, 1]))
    7

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024; arXiv:2605.03262 and
        arXiv:2603.12276. O. Press and L. Wolf, Using the Output Embedding to Improve Language
        Models, 2017, for the tied head.
    """

    embeddings: Any
    search_space: ClassVar[Space] = {**YatLayer.search_space, "embeddings_initializer": INITIALIZER}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Identifier = "yat_normal",
        embeddings_regularizer: Identifier | None = None,
        embeddings_constraint: Identifier | None = None,
        mask_zero: bool = False,
        weights: Any = None,
        *,
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
        self.input_dim: int = _validate.count("input_dim", input_dim)
        self.output_dim: int = _validate.count("output_dim", output_dim)
        self._embeddings_options = WeightOptions(
            self,
            "embeddings",
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
        )
        self.mask_zero: bool = _validate.flag("mask_zero", mask_zero)
        self.supports_masking: bool = self.mask_zero
        # The compute dtype would round indices.
        self.autocast = False
        if weights is not None:
            weights = weights[0] if isinstance(weights, list) and len(weights) == 1 else weights
            weights = ops.convert_to_numpy(weights)
            if tuple(weights.shape) != (self.input_dim, self.output_dim):
                _validate.invalid_argument(
                    "weights",
                    f"have the shape {(self.input_dim, self.output_dim)}",
                    tuple(weights.shape),
                )
            if self.kernel_multiplier == "auto":
                self.kernel_multiplier: float | str = 1.0
            self.build()
            self.built: bool = True
            self.embeddings.assign(weights / self.multiplier)

    def build(self, input_shape: Shape | None = None) -> None:
        initializer = self._embeddings_options.initializer
        self.multiplier: float = self._multiplier_for(initializer, self.output_dim)
        self.embeddings = self._embeddings_options.add(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.multiplier,
            trainable=self.kernel_trainable,
        )
        _, alpha = self._default_bias_and_alpha(
            initializer, self.output_dim, bias=self.constant_bias or 0.0
        )
        self._add_epsilon_and_alpha(alpha)

    def call(self, inputs: Tensor) -> Tensor:
        if keras.backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        rows = ops.take(ops.convert_to_tensor(self.embeddings), inputs, axis=0)
        return ops.cast(rows * self.multiplier, self.compute_dtype)

    def prototypes(self) -> Tensor:
        """The rows as `score` compares them with its input.

        Returns:
            A tensor of shape `(input_dim, output_dim)`, in float32 or wider: the trained variable
            `embeddings` times the kernel multiplier. With `normalize` each row is divided by its
            norm.

        Raises:
            ValueError: If the layer is not built.
        """
        self._check_built()
        return self._prototypes(self.embeddings, self.multiplier, (1,))

    def score(self, x: Tensor, training: bool | None = None) -> Tensor:
        """The Yat products of `x` with each row.

        Args:
            x: Floats of shape `(…, output_dim)`.
            training: Whether `drop_connect` applies.

        Returns:
            A tensor of shape `(…, input_dim)`, in the layer's compute dtype.

        Raises:
            ValueError: If the size of the last axis of `x` is not `output_dim`.
        """
        if keras.utils.is_keras_tensor(x):
            return YatEmbeddingScores(self)(x)
        x = ops.convert_to_tensor(x)
        if x.shape[-1] != self.output_dim:
            _validate.invalid_argument(
                "x", f"have a last axis of size {self.output_dim}", tuple(x.shape)
            )
        if not self.built:
            self.build()
            self.built = True
        rows = ops.transpose(ops.convert_to_tensor(self.embeddings))
        return self._yat(DENSE, x, rows, None, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **self._embeddings_options.get_config(),
            "mask_zero": self.mask_zero,
        }


@register()
class YatEmbeddingScores(Layer):
    """Tied output head: the `score` of an embedding as a layer.

    `embedding.score(x)` in a functional model adds this layer.

    Args:
        embedding: A `YatEmbedding`.
        **kwargs: `name`, `trainable` of `keras.layers.Layer`. The dtype is the embedding's.

    Input shape:
        Floats `(…, output_dim)`.

    Output shape:
        `(…, input_dim)`.

    Raises:
        ValueError: If `embedding` is not a `YatEmbedding`, or the size of the last axis of the
            input is not its `output_dim`.

    Example:

    >>> embedding = keras_yat.YatEmbedding(100, 16)
    >>> head = keras_yat.YatEmbeddingScores(embedding)
    >>> head(embedding(np.array([[3, 7]]))).shape == (1, 2, 100)
    True

    Reference:
        See `YatEmbedding`.
    """

    def __init__(self, embedding: YatEmbedding, **kwargs: Unpack[LayerOptions]) -> None:
        if not isinstance(embedding, YatEmbedding):
            _validate.invalid_argument("embedding", "be a YatEmbedding", embedding)
        super().__init__(**{**kwargs, "dtype": embedding.dtype_policy})
        self.embedding: YatEmbedding = embedding
        self.supports_masking = True
        # Its inputs may be wider than the compute dtype: `score` casts them, once.
        self.autocast = False

    def build(self, input_shape: Shape) -> None:
        if not self.embedding.built:
            self.embedding.build()
            self.embedding.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.embedding.score(inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[-1] != self.embedding.output_dim:
            size = self.embedding.output_dim
            _validate.invalid_argument("x", f"have a last axis of size {size}", tuple(input_shape))
        return (*input_shape[:-1], self.embedding.input_dim)

    def get_config(self) -> Config:
        config = super().get_config()
        config.pop("dtype")
        return {**config, "embedding": shared_config(self.embedding)}

    @classmethod
    def from_config(cls, config: Config) -> YatEmbeddingScores:
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})
