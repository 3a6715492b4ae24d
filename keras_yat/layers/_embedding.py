"""The Yat embedding, whose rows are neurons of a tied output head."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

import keras
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import ReversibleLayer
from keras_yat._numerics.prepared_kernel import DENSE
from keras_yat._register import register
from keras_yat._sizes import fits
from keras_yat._space import Space
from keras_yat._types import Config, Identifier, LayerOptions, Shape, Tensor
from keras_yat.layers._base import INITIALIZER, YatLayer
from keras_yat.layers._lora import LoraLayer
from keras_yat.layers._weight_options import WeightOptions


@register()
class YatEmbedding(LoraLayer, ReversibleLayer):
    """Embedding with a tied output head, as `keras.layers.ReversibleEmbedding`.

    A call looks up rows. A call with `reverse=True` is the head: it computes
    `alpha·(⟨e_i, x⟩ + b)² / (‖e_i - x‖² + epsilon)` for each row e_i. These scores are not negative
    (for alpha ≥ 0): for probabilities use `keras_yat.activations.softermax`, for logits their
    logarithm. `score(x)` is the same call.

    Only the head has an alpha. For a layer that only looks up rows pass `alpha=None`: TensorFlow
    and torch warn of a weight without a gradient.

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
        lora_rank: Rank of a trained low-rank term of the kernel, which is frozen then: see
            `enable_lora`. None for no such term.
        lora_alpha: Factor of the low-rank term, a number above 0, which is divided by `lora_rank`.
            None for `lora_rank`.
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
        kernel_quantizer: None for a float kernel; `"ternary"` or a `keras_yat.quantizers.Ternary`
            for weights -β, 0 and β, with a β per neuron: product and norm use these, training is
            straight-through, and files hold them packed.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        inputs: Integers, indices of rows; with `reverse` floats.
        reverse: Whether to return scores.
        training: Whether `drop_connect` applies to the scores.

    Input shape:
        Integers of any shape, `(batch, …)`; with `reverse` floats `(…, output_dim)`.

    Output shape:
        `(batch, …, output_dim)`; with `reverse` `(…, input_dim)`.

    Raises:
        ValueError: If an argument is out of range, `weights` has another shape, or the size of the
            last axis is not `output_dim` in a call with `reverse`.

    Example:

    >>> layer = keras_yat.YatEmbedding(100, 16)
    >>> rows = layer(np.array([[3, 7]]))
    >>> scores = layer(rows, reverse=True)
    >>> scores.shape == (1, 2, 100)
    True
    >>> int(keras.ops.argmax(scores[0, 1]))
    7

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024; arXiv:2605.03262 and
        arXiv:2603.12276. O. Press and L. Wolf, Using the Output Embedding to Improve Language
        Models, 2017, for the tied head.
    """

    embeddings_scale: Any = None
    lora_embeddings_a: Any = None
    lora_embeddings_b: Any = None
    _kernel_name: ClassVar[str] = "embeddings"
    _options_name: ClassVar[str] = "embeddings"
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
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
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
        kernel_quantizer: Identifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
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
            kernel_quantizer=kernel_quantizer,
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
            self.stored_kernel.assign(weights / self.multiplier)

    @property
    def embeddings(self) -> Any:
        """The trained variable; its values as a tensor, if there is LoRA or quantization.

        A `kernel_quantizer` is not applied: see `prototypes`.
        """
        return self.stored_kernel.readable()

    def build(self, input_shape: Shape | None = None) -> None:
        initializer = self._embeddings_options.initializer
        self.multiplier: float = self._multiplier_for(initializer, self.output_dim)
        self._add_kernel(self._embeddings_options, (self.input_dim, self.output_dim), (1,))
        _, alpha = self._default_bias_and_alpha(
            initializer, self.output_dim, bias=self.constant_bias or 0.0
        )
        self._add_epsilon_and_alpha(alpha)
        self._add_lora()

    def call(self, inputs: Tensor, reverse: bool = False, training: bool | None = None) -> Tensor:
        if _validate.call_flag("reverse", reverse):
            return self._scores(inputs, training)
        if keras.backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        rows = self.stored_kernel.value(inputs)
        return ops.cast(rows * self.multiplier, self.compute_dtype)

    def prototypes(self) -> Tensor:
        """The rows as the head compares them with its input.

        Returns:
            A tensor of shape `(input_dim, output_dim)`, in float32 or wider: the trained variable
            `embeddings` times the kernel multiplier. With `normalize` each row is divided by its
            norm.

        Raises:
            ValueError: If the layer is not built.
        """
        self._check_built()
        return self._prototypes(self.stored_kernel.value(), self.multiplier, (1,))

    def score(self, x: Tensor, training: bool | None = None) -> Tensor:
        """The Yat products of `x` with each row: a call with `reverse=True`.

        Args:
            x: Floats of shape `(…, output_dim)`.
            training: Whether `drop_connect` applies.

        Returns:
            A tensor of shape `(…, input_dim)`, in the layer's compute dtype.

        Raises:
            ValueError: If the size of the last axis of `x` is not `output_dim`.
        """
        return self(x, reverse=True, training=training)

    def _scores(self, x, training):
        self._check_features(x.shape)
        rows = ops.transpose(self.stored_kernel.value())
        return self._yat(DENSE, x, rows, None, training)

    def _check_features(self, shape):
        if not fits(shape[-1], self.output_dim):
            allowed = f"have a last axis of size {self.output_dim}"
            _validate.invalid_argument("inputs", allowed, tuple(shape))

    def compute_output_shape(self, input_shape: Shape, reverse: bool = False) -> Shape:
        if not reverse:
            return (*input_shape, self.output_dim)
        self._check_features(input_shape)
        return (*input_shape[:-1], self.input_dim)

    def compute_output_spec(
        self, inputs: Any, reverse: bool = False, training: bool | None = None
    ) -> Any:
        shape = self.compute_output_shape(inputs.shape, reverse)
        ragged = not reverse and getattr(inputs, "ragged", False)
        return keras.KerasTensor(shape, dtype=self.compute_dtype, ragged=ragged)

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
