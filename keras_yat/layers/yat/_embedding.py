"""Embedding whose rows are Yat neurons for a tied output head."""

from typing import Any

import keras
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._register import register
from keras_yat.layers.yat import _base
from keras_yat.layers.yat._base import YatLayer, shared
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._scales import serialized
from keras_yat.ops import _product as yat_ops


@register()
@documented
class YatEmbedding(YatLayer):
    """Embedding, and by `score` the Yat products of an input with every row of it.

    A call looks rows up, as `keras.layers.Embedding` does. `score(x)` gives
    `alpha·(⟨e_i, x⟩ + b)² / (‖e_i - x‖² + epsilon)` for each row e_i: a tied output
    head. Scores are not negative (for alpha ≥ 0): for probabilities take
    `keras_yat.activations.softermax`, or as logits their logarithm.

    Args:
        input_dim: Number of rows: 1 more than the largest index.
        output_dim: Length of a row.
        embeddings_initializer: `"yat_normal"` (see
            `keras_yat.initializers.YatNormal`), or whatever
            `keras.initializers.get` takes.
        embeddings_regularizer: None, or a regularizer of the rows.
        embeddings_constraint: None, or a constraint on the rows.
        mask_zero: Whether index 0 is padding, and masked in what follows.
        weights: None, or the rows to start from, an array `(input_dim, output_dim)`.
        <yat arguments>

    Input shape:
        Integers of any shape, `(batch, …)`; for `score` floats `(…, output_dim)`.

    Output shape:
        `(batch, …, output_dim)`; of `score` `(…, input_dim)`.

    Raises:
        ValueError: if an argument is out of range, or `weights` has another shape.

    Example:

    >>> layer = keras_yat.YatEmbedding(100, 16)
    >>> rows = layer(np.array([[3, 7]]))
    >>> layer.score(rows).shape == (1, 2, 100)
    True
    >>> int(keras.ops.argmax(layer.score(rows)[0, 1]))
    7

    Reference:
        The embedding of the Yat networks; O. Press and L. Wolf, Using the Output
        Embedding to Improve Language Models, 2017, for the tied head.
    """

    search_space = {**YatLayer.search_space, "embeddings_initializer": _base.INITIALIZER}

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "yat_normal",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.input_dim = _validate.count("input_dim", input_dim)
        self.output_dim = _validate.count("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(
            embeddings_initializer, "embeddings_initializer"
        )
        self.embeddings_regularizer = _base.regularizer(
            "embeddings_regularizer", embeddings_regularizer
        )
        self.embeddings_constraint = _base.constraint(
            "embeddings_constraint", embeddings_constraint
        )
        self.mask_zero = _validate.flag("mask_zero", mask_zero)
        self.supports_masking = self.mask_zero
        # Indices are not to be rounded to the compute dtype.
        self.autocast = False
        if weights is not None:
            weights = weights[0] if isinstance(weights, list) and len(weights) == 1 else weights
            weights = ops.convert_to_numpy(weights)
            if tuple(weights.shape) != (self.input_dim, self.output_dim):
                _validate.refuse(
                    "weights",
                    f"have the shape {(self.input_dim, self.output_dim)}",
                    tuple(weights.shape),
                )
            self.build()
            self.built = True
            self.embeddings.assign(weights)

    def build(self, input_shape=None):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            trainable=self.kernel_trainable,
            autocast=False,
        )
        _, alpha = self.suited_bias_and_alpha(
            self.embeddings_initializer, self.output_dim, bias=self.constant_bias or 0.0
        )
        self.add_scales(alpha)

    def call(self, inputs):
        if keras.backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        rows = ops.take(ops.convert_to_tensor(self.embeddings), inputs, axis=0)
        return ops.cast(rows, self.compute_dtype)

    def score(self, x: Any, training: Any = None) -> Any:
        """The Yat products of `x` with every row.

        Args:
            x: Floats of shape `(…, output_dim)`.
            training: Whether `drop_connect` applies.

        Returns:
            A tensor of shape `(…, input_dim)`, in the layer's compute dtype.

        Raises:
            ValueError: if the last axis of `x` is not `output_dim` long.
        """
        if keras.utils.is_keras_tensor(x):
            return EmbeddingScores(self)(x)
        x = ops.convert_to_tensor(x)
        if x.shape[-1] != self.output_dim:
            _validate.refuse("x", f"have a last axis of size {self.output_dim}", tuple(x.shape))
        if not self.built:
            self.build()
            self.built = True
        rows = ops.transpose(ops.convert_to_tensor(self.embeddings))
        return self.yat(yat_ops.DENSE, x, rows, None, training)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self):
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": serialized(self.embeddings_initializer),
            "embeddings_regularizer": serialized(self.embeddings_regularizer),
            "embeddings_constraint": serialized(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }


@register()
class EmbeddingScores(keras.layers.Layer):
    """`score` of an embedding as a layer of a functional model."""

    def __init__(self, embedding: YatEmbedding, **kwargs: Any):
        super().__init__(dtype=embedding.dtype_policy, **kwargs)
        self.embedding = embedding
        self.supports_masking = True
        # Its inputs may be wider than the compute dtype: they are cast once.
        self.autocast = False

    def build(self, input_shape):
        if not self.embedding.built:
            self.embedding.build()
            self.embedding.built = True

    def call(self, inputs, training=None):
        return self.embedding.score(inputs, training)

    def compute_output_shape(self, input_shape):
        if input_shape[-1] != self.embedding.output_dim:
            size = self.embedding.output_dim
            _validate.refuse("x", f"have a last axis of size {size}", tuple(input_shape))
        return (*input_shape[:-1], self.embedding.input_dim)

    def get_config(self):
        config = super().get_config()
        config.pop("dtype")
        return {**config, "embedding": shared(self.embedding)}

    @classmethod
    def from_config(cls, config):
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding})
