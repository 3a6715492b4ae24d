"""Multi-head attention with Yat scores."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack

import keras

from keras_yat import _validate
from keras_yat._register import register
from keras_yat._space import Choice, Float, Option, Space
from keras_yat._types import Config, Identifier, LayerOptions, Size
from keras_yat.layers._base_attention import BaseYatAttention
from keras_yat.layers._epsilon_alpha import ALPHA, EpsilonAlphaLayer
from keras_yat.layers._weight_options import checked, checked_regularizer
from keras_yat.ops._yat_attention import NORMS, block_of, normalization_of


@register()
class YatMultiHeadAttention(BaseYatAttention):
    """Attention with the scores `alpha·⟨q, k⟩² / (‖q - k‖² + epsilon) / sqrt(key_dim)`.

    Replaces `keras.layers.MultiHeadAttention`, with the same arguments, projections and masks. A
    key has a large score when it points along the query and lies close to it. Scores are
    normalized by a softmax, or by a softermax, which has no exponential, and computed in float32
    or wider.

    Additional features: rotary embedding, grouped-query attention, a cache for decoding, and
    memory that grows linearly with the length. A `query_mask` is applied too: a query without any
    allowed key gets zeros before the output projection.

    Args:
        num_heads: Number of heads, an int of at least 1.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value; None: `key_dim`.
        dropout: Dropout rate of the weights, in [0, 1).
        use_bias: Whether the projections have a bias.
        output_shape: The shape of an output after batch and positions, an int or ints; None: the
            size of the query.
        attention_axes: The axes over which attention is applied, an int or ints; None: all but
            the batch and the features.
        sliding_window: None, or an int of at least 1: keys are masked at this distance in
            positions from the query and beyond, on either side.
        flash_attention: None or False. Fused attention is not supported; for long sequences see
            `block_size`.
        kernel_initializer: Initializer of the kernels of the projections, any of
            `keras.initializers.get`. Each projection gets its own values.
        bias_initializer: Initializer of the biases.
        kernel_regularizer: Regularizer of the kernels, or None.
        bias_regularizer: Regularizer of the biases, or None.
        activity_regularizer: Regularizer of the outputs of the projections, or None.
        kernel_constraint: Constraint on the kernels, or None.
        bias_constraint: Constraint on the biases, or None.
        use_gate: Whether the attention output is multiplied by a sigmoid of a projection of the
            query.
        seed: Seed for reproducible masks, an int, or None.
        normalization: Score normalization: `"softmax"` or `"softermax"`. A softermax does not
            change with a factor of all scores: there is no learned alpha with it.
        power: A number above 0: the power of the softermax.
        normalize: None, or `"sphere"` to divide each query and key by its norm, so that the
            distance is `2 - 2·cos`. Vectors of zeros stay zero.
        num_key_value_heads: Number of key/value heads (grouped-query attention), a divisor of
            `num_heads`; None: `num_heads`.
        rope_max_wavelength: None, or a number above 0, such as 10 000.0, for rotary embedding: the
            slowest pair of entries has a period of about 2π times this number of positions.
            Requires an even `key_dim`.
        block_size: Number of queries in a block: an int, None for all of them, or `"auto"` for
            blocks of at most about 2¹⁸ scores per head. Memory is proportional to it, in the
            backward pass too; the result does not depend on it. In blocks, a causal mask and a
            window skip most of the masked keys.
        epsilon: Added to the squared distance: a number above 0, in squared units of the input.
            Within this squared distance the output levels off.
        learn_epsilon: Whether epsilon is trained. It starts at `epsilon` and stays at or above
            1e-7. Adam moves it by about its learning rate per step: start it at the scale of the
            squared distances of the data.
        alpha: Factor of the scores: `"learned"` to train it, a number for a constant, None for 1.
        alpha_initializer: Initializer of a learned alpha. None: 1.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        query: Floats of shape `(batch, length, dim)`.
        value: Floats of shape `(batch, keys, dim)`.
        key: Floats of shape `(batch, keys, dim)`, or None for `value`.
        query_mask: None, or booleans `(batch, length)`: False for masked queries.
        value_mask: None, or booleans `(batch, keys)`: False for masked keys.
        key_mask: As `value_mask`; a key is masked if either is False.
        attention_mask: None, or booleans that broadcast to `(batch, length, keys)` or
            `(batch, num_heads, length, keys)`: True where a query may attend to a key.
        return_attention_scores: Whether to return the weights as well. All queries are then in a
            single block.
        training: Whether dropout applies.
        use_causal_mask: Whether keys at later positions than the query are masked.
        cache: None, or the cache that `make_cache` or the previous call returned. The keys and
            values of this call are written at `cache_update_index`, and each query attends to the
            positions up to its own. Not with `value_mask` or `key_mask`.
        cache_update_index: Position of the first query, an int or a scalar tensor.

    Input shape:
        `(batch, length, dim)`, or with more axes of positions.

    Output shape:
        `(batch, length, dim of the query)`, or `output_shape` after the positions. With
        `return_attention_scores` also the weights, `(batch, num_heads, length, keys)`; with
        `cache` also the next cache.

    Raises:
        ValueError: If an argument is out of range, or shapes do not match.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 7, 16))
    >>> layer = keras_yat.YatMultiHeadAttention(4, 8, rope_max_wavelength=10_000.0)
    >>> layer(x, x, use_causal_mask=True).shape == (2, 7, 16)
    True

    Token by token, with the same result:

    >>> cache = layer.make_cache(batch_size=2, length=7)
    >>> for i in range(7):
    ...     token = x[:, i : i + 1]
    ...     y, cache = layer(token, token, cache=cache, cache_update_index=i)

    Reference:
        Scores: T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024;
        arXiv:2605.03262 and arXiv:2603.12276. A. Vaswani et al., Attention Is All You Need, 2017;
        J. Ainslie et al., GQA, 2023; J. Su et al., RoFormer, 2021 (pairs from the halves of a
        head). Blocks of queries and the floor of the distance are this package's.
    """

    search_space: ClassVar[Space] = {
        **{n: d for n, d in EpsilonAlphaLayer.search_space.items() if n != "alpha"},
        "normalize": Choice.of(*NORMS),
        # A softermax does not change with a factor of all scores.
        "normalization": Choice(
            {
                "softmax": Option("softmax", alpha=ALPHA),
                "softermax": Option("softermax", power=Float(0.5, 8.0, log=True, default=1.0)),
            },
            exclusive=("power",),
        ),
        "kernel_initializer": Choice.of("glorot_uniform", "he_normal", "orthogonal"),
    }

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Size | None = None,
        attention_axes: Size | None = None,
        sliding_window: int | None = None,
        flash_attention: Literal[False] | None = None,
        kernel_initializer: Identifier = "glorot_uniform",
        bias_initializer: Identifier = "zeros",
        kernel_regularizer: Identifier | None = None,
        bias_regularizer: Identifier | None = None,
        activity_regularizer: Identifier | None = None,
        kernel_constraint: Identifier | None = None,
        bias_constraint: Identifier | None = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        normalization: Literal["softmax", "softermax"] = "softmax",
        power: float = 1,
        normalize: Literal["sphere"] | None = None,
        num_key_value_heads: int | None = None,
        rope_max_wavelength: float | None = None,
        block_size: int | Literal["auto"] | None = "auto",
        epsilon: float = 1e-5,
        learn_epsilon: bool = False,
        alpha: float | Literal["learned"] | None = "learned",
        alpha_initializer: Identifier | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        if flash_attention not in (None, False):
            _validate.invalid_argument("flash_attention", "be None or False", flash_attention)
        count = _validate.count
        super().__init__(
            num_heads=count("num_heads", num_heads),
            key_dim=count("key_dim", key_dim),
            value_dim=_optional(count, "value_dim", value_dim),
            dropout=_validate.rate("dropout", dropout),
            use_bias=_validate.flag("use_bias", use_bias),
            output_shape=_optional(_validate.ints, "output_shape", output_shape, 1),
            attention_axes=_optional(_validate.ints, "attention_axes", attention_axes),
            sliding_window=_optional(count, "sliding_window", sliding_window),
            use_gate=_validate.flag("use_gate", use_gate),
            seed=_validate.seed("seed", seed),
            activity_regularizer=checked_regularizer("activity_regularizer", activity_regularizer),
            **checked("kernel", kernel_initializer, kernel_regularizer, kernel_constraint),
            **checked("bias", bias_initializer, bias_regularizer, bias_constraint),
            epsilon=epsilon,
            learn_epsilon=learn_epsilon,
            alpha=alpha,
            alpha_initializer=alpha_initializer,
            **kwargs,
        )
        # False, whatever Keras's global switch is.
        self.flash_attention: bool | None = flash_attention
        self._set_flash_attention(flash_attention)
        normalization_of(normalization, power)
        self.normalization = normalization
        self.power: float = float(power)
        self.normalize: str | None = _validate.one_of("normalize", normalize, NORMS)
        self.num_key_value_heads: int = _heads(num_key_value_heads, num_heads)
        self.rope_max_wavelength: float | None = _wavelength(rope_max_wavelength, key_dim)
        block_of(block_size, 1, 1)
        self.block_size = block_size
        self.seed_generator: Any = keras.random.SeedGenerator(seed) if dropout else None

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "flash_attention": self.flash_attention,
            "normalization": self.normalization,
            "power": self.power,
            "normalize": self.normalize,
            "num_key_value_heads": self.num_key_value_heads,
            "rope_max_wavelength": self.rope_max_wavelength,
            "block_size": self.block_size,
        }


def _optional(check, name, value, *rest):
    """The checked value, or None."""
    return None if value is None else check(name, value, *rest)


def _heads(value, heads):
    found = heads if value is None else _validate.count("num_key_value_heads", value)
    if heads % found:
        _validate.invalid_argument(
            "num_key_value_heads", "divide `num_heads`", found, num_heads=heads
        )
    return found


def _wavelength(value, size):
    if value is None:
        return None
    value = _validate.number("rope_max_wavelength", value, above=0.0)
    if size % 2:
        _validate.invalid_argument(
            "rope_max_wavelength", "be None where `key_dim` is odd", value, key_dim=size
        )
    return value
