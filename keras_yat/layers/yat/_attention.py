"""Multi-head attention with Yat scores."""

import string
from typing import Any

import keras
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._keras_compat import BaseAttention
from keras_yat._register import register
from keras_yat._space import Choice, Float, With
from keras_yat.layers.yat import _base, _cache
from keras_yat.layers.yat._axes import Axes
from keras_yat.layers.yat._document import documented
from keras_yat.layers.yat._scales import ALPHA, Scaled
from keras_yat.ops import rotary_embedding, yat_attention
from keras_yat.ops._attention import NORMS, block_of, normalization_of
from keras_yat.ops._masks import position

PROJECTIONS = ("query", "key", "value", "gate", "attention_output")


@register()
@documented
class YatMultiHeadAttention(Scaled, BaseAttention):
    """Attention with the scores `alpha·⟨q, k⟩² / (‖q - k‖² + epsilon) / sqrt(key_dim)`.

    In the place of `keras.layers.MultiHeadAttention`: its arguments, its projections of
    query, key, value and output, its masks. A key counts the more the better it is
    aligned with the query and the nearer it is. The scores become weights by a softmax,
    or by a softermax, which has no exponential. Scores are computed in float32 or wider.

    Beyond it: rotary positions, key heads that several query heads share, a cache for
    decoding, and memory that grows linearly with the length. An explicit `query_mask`
    is honoured, and a query that may attend to nothing gets zeros before the projection
    of the output.

    Args:
        num_heads: Number of heads, an int of at least 1.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value, or None for `key_dim`.
        dropout: Rate in [0, 1) at which weights are dropped in training.
        use_bias: Whether the projections have a bias.
        output_shape: None for the size of the query, an int, or several: the shape of an
            output behind batch and positions.
        attention_axes: None for all axes but the batch and the features, or an int or
            ints: the axes that are attended along.
        sliding_window: None, or an int of at least 1: only positions fewer than that
            from a query's own can be attended to, on either side.
        flash_attention: None or False: fused kernels know no Yat scores. For long
            sequences see `block_size`.
        kernel_initializer: Of the projections, whatever `keras.initializers.get` takes;
            each gets one of its own.
        bias_initializer: Of the biases, in the same way.
        kernel_regularizer: None, or a regularizer of the kernels.
        bias_regularizer: None, or a regularizer of the biases.
        activity_regularizer: None, or a regularizer of the projections' outputs.
        kernel_constraint: None, or a constraint on the kernels.
        bias_constraint: None, or a constraint on the biases.
        use_gate: Whether what attention gives is multiplied with a sigmoid of a
            projection of the query.
        seed: Int for dropout that can be drawn again the same, or None.
        normalization: From scores to weights: `"softmax"` or `"softermax"`.
        power: Number above 0, of the softermax.
        normalize: None, or `"sphere"` to divide each query and key by its norm, the
            distance then being `2 - 2·cos`. What is 0 stays 0.
        num_key_value_heads: None for `num_heads`, or a number that divides it: so many
            heads of key and value, each for as many heads of the query in turn.
        rope_max_wavelength: None, or a number above 0, such as 10 000.0: rotary positions,
            whose slowest pair of entries turns once in about 2π times that many positions.
            `key_dim` is even then.
        block_size: How many queries are taken at a time: an int, None for all of them,
            or `"auto"` for blocks of about 2¹⁸ scores a head where there are more. Memory is
            proportional to it, in the backward pass too; the result does not depend on it.
            In blocks a causal mask and a window leave out most keys that are masked.
        <scale arguments>
            (Here it starts at 1. With a softermax there is none that is learned, as
            that takes no notice of a factor of all scores.)
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        query: Floats of shape `(batch, length, dim)`.
        value: Floats of shape `(batch, keys, dim)`.
        key: The same, or None for `value`.
        query_mask: None, or booleans `(batch, length)`: which queries attend.
        value_mask: None, or booleans `(batch, keys)`: what can be attended to.
        key_mask: The same: both have to be True.
        attention_mask: None, or booleans that broadcast to `(batch, length, keys)` or
            `(batch, num_heads, length, keys)`: which query can attend to which key.
        return_attention_scores: Whether the weights are given too; then all queries are
            taken at once.
        training: Whether dropout applies.
        use_causal_mask: Whether a query attends to no later position.
        cache: None, or what `make_cache` or the call before gave. The keys and values of
            this call are put in at `cache_update_index`, and each query attends to those
            up to its own position. Not with `value_mask` or `key_mask`.
        cache_update_index: The position of the first query, an int or a scalar tensor.

    Input shape:
        `(batch, length, dim)`, or with more axes of positions.

    Output shape:
        `(batch, length, dim of the query)`, or behind the positions `output_shape`. With
        `return_attention_scores` also the weights, `(batch, num_heads, length, keys)`;
        with `cache` also the next cache.

    Raises:
        ValueError: if an argument is out of range, or shapes do not go together.

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
        The attention of the Yat networks. A. Vaswani et al., Attention Is All You Need,
        2017; J. Ainslie et al., GQA, 2023; J. Su et al., RoFormer, 2021 (with the halves
        of a head as pairs). Blocks of queries, and the floor of the distance, are this
        package's.
    """

    search_space = {
        **{n: d for n, d in Scaled.search_space.items() if n != "alpha"},
        "normalize": Choice.of(*NORMS),
        # A softermax takes no notice of a factor of all scores.
        "normalization": Choice(
            {
                "softmax": With("softmax", alpha=ALPHA),
                "softermax": With("softermax", power=Float(0.5, 8.0, log=True, default=1.0)),
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
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        *,
        normalization: str = "softmax",
        power: float = 1,
        normalize: str | None = None,
        num_key_value_heads: int | None = None,
        rope_max_wavelength: float | None = None,
        block_size: int | str | None = "auto",
        **kwargs: Any,
    ):
        if flash_attention not in (None, False):
            _validate.refuse("flash_attention", "be None or False", flash_attention)
        count = _validate.count
        super().__init__(
            num_heads=count("num_heads", num_heads),
            key_dim=count("key_dim", key_dim),
            value_dim=_given(count, "value_dim", value_dim),
            dropout=_validate.rate("dropout", dropout),
            use_bias=_validate.flag("use_bias", use_bias),
            output_shape=_given(_validate.ints, "output_shape", output_shape, 1),
            attention_axes=_given(_validate.ints, "attention_axes", attention_axes),
            sliding_window=_given(count, "sliding_window", sliding_window),
            use_gate=_validate.flag("use_gate", use_gate),
            seed=_validate.seed("seed", seed),
            kernel_initializer=initializers.get(kernel_initializer, "kernel_initializer"),
            bias_initializer=initializers.get(bias_initializer, "bias_initializer"),
            kernel_regularizer=_base.regularizer("kernel_regularizer", kernel_regularizer),
            bias_regularizer=_base.regularizer("bias_regularizer", bias_regularizer),
            activity_regularizer=_base.regularizer("activity_regularizer", activity_regularizer),
            kernel_constraint=_base.constraint("kernel_constraint", kernel_constraint),
            bias_constraint=_base.constraint("bias_constraint", bias_constraint),
            **kwargs,
        )
        # Keras has one that a switch for all models turns on.
        self.flash_attention = flash_attention
        self.set_flash_attention(flash_attention)
        normalization_of(normalization, power)
        self.normalization, self.power = normalization, float(power)
        self.normalize = _validate.one_of("normalize", normalize, NORMS)
        self.num_key_value_heads = _heads(num_key_value_heads, num_heads)
        self.rope_max_wavelength = _wavelength(rope_max_wavelength, key_dim)
        block_of(block_size, 1, 1)
        self.block_size = block_size
        self.seed_generator = keras.random.SeedGenerator(seed) if dropout else None

    def build(self, query_shape, value_shape, key_shape=None):
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
        # Only to refuse them here.
        Axes.of(len(query_shape), self.attention_axes)
        heads, key_heads = self.num_heads, self.num_key_value_heads
        found = (heads, self.value_dim)
        layers = {
            "query": self._projection("query", query_shape, (heads, self.key_dim)),
            "key": self._projection("key", key_shape, (key_heads, self.key_dim)),
            "value": self._projection("value", value_shape, (key_heads, self.value_dim)),
        }
        if self.use_gate:
            layers["gate"] = self._projection("gate", query_shape, found, "sigmoid")
        layers["output"] = self._projection(
            "attention_output",
            (*query_shape[:-1], *found),
            self.output_sizes or (query_shape[-1],),
            features=2,
        )
        self.set_projections(**layers)
        # A softermax takes no notice of a factor of all scores.
        self.add_scales(1.0 if self.normalization == "softmax" else None)

    def _check_shapes(self, query, value, key):
        shapes = {"query": tuple(query), "value": tuple(value), "key": tuple(key)}
        for name, shape in shapes.items():
            if len(shape) < 3 or shape[-1] is None:
                _validate.refuse(
                    name, "have a batch, positions, and features of a known size", shape
                )
        if len({len(shape) for shape in shapes.values()}) > 1 or value[1:-1] != key[1:-1]:
            _validate.refuse(
                "value",
                "have as many axes as the query, and the positions of the key",
                shapes.pop("value"),
                **shapes,
            )

    def _projection(self, name, shape, outputs, activation=None, features=1):
        """A linear layer from the last `features` axes of `shape` to the axes `outputs`."""
        letters = iter(string.ascii_lowercase)
        free, bound, found = (
            "".join(next(letters) for _ in range(count))
            for count in (len(shape) - features, features, len(outputs))
        )
        layer = keras.layers.EinsumDense(
            f"{free}{bound},{bound}{found}->{free}{found}",
            output_shape=(*(None,) * (len(free) - 1), *outputs),
            bias_axes=found if self.use_bias else None,
            activation=activation,
            name=name,
            **{
                **self.projection_arguments(),
                "kernel_initializer": _of_its_own(self.projection_initializer, name),
            },
        )
        # A mask of its input is no concern of it, and no reason to warn.
        layer.supports_masking = True
        layer.build(shape)
        return layer

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
        cache=None,
        cache_update_index=None,
    ):
        key = value if key is None else key
        axes = Axes.of(len(query.shape), self.attention_axes)
        gate = self.gate_dense(query) if self.use_gate else None
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        heads = [axes.flat(x) for x in projected]
        start = 0
        if cache is not None:
            start = position("cache_update_index", cache_update_index)
            use_causal_mask = True
            _cache.check(cache, start, query, self._cached_shapes)
            _cache.check_masks(value_mask=value_mask, key_mask=key_mask)
        if self.rope_max_wavelength is not None:
            longest = self.rope_max_wavelength
            heads[:2] = (rotary_embedding(x, start, longest) for x in heads[:2])
        if cache is not None:
            heads[1:] = cache = _cache.updated(cache, heads[1:], start)
            key = cache[0]
        found = self._attend(
            heads,
            axes.attention_mask(attention_mask, query, key, self.num_heads),
            training,
            return_attention_scores=return_attention_scores,
            query_mask=axes.mask("query_mask", query_mask, query),
            key_mask=_both(
                axes.mask("key_mask", key_mask, key), axes.mask("value_mask", value_mask, key)
            ),
            is_causal=use_causal_mask,
            query_offset=start,
        )
        output, scores = found if return_attention_scores else (found, None)
        output = axes.unflat(output, query)
        outputs = [self.output_dense(output if gate is None else output * gate)]
        if return_attention_scores:
            outputs.append(axes.scores(scores, query, key))
        if cache is not None:
            outputs.append(cache)
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _attend(self, heads, mask, training, **settings):
        query, key, value = heads
        # In this order: `training` may be a tracer, of which Python cannot ask.
        rate = self.dropout if self.dropout and training else 0.0
        return yat_attention(
            query,
            key,
            value,
            mask,
            sliding_window=self.sliding_window,
            normalize=self.normalize,
            normalization=self.normalization,
            power=self.power,
            dropout=rate,
            seed=self.seed_generator,
            block_size=self.block_size,
            **self.scales(),
            **settings,
        )

    def make_cache(self, batch_size: int, length: int) -> tuple[Any, Any]:
        """An empty cache of keys and values.

        Args:
            batch_size: Number of sequences.
            length: Number of positions that there will be at most.

        Returns:
            Two tensors of zeros, `(batch_size, length, num_key_value_heads, size)`.
        """
        return _cache.empty(
            _validate.count("batch_size", batch_size),
            _validate.count("length", length),
            self._cached_shapes,
            self.compute_dtype,
        )

    @property
    def _cached_shapes(self):
        heads = self.num_key_value_heads
        return (heads, self.key_dim), (heads, self.value_dim)

    def compute_output_spec(
        self, query, value, key=None, return_attention_scores=False, cache=None, **rest
    ):
        key = value if key is None else key
        shape = self.compute_output_shape(query.shape, value.shape, key.shape)
        outputs = [keras.KerasTensor(shape, dtype=self.compute_dtype)]
        if return_attention_scores:
            axes = Axes.of(len(query.shape), self.attention_axes)
            along = key.shape if cache is None else cache[0].shape
            shape = axes.scores_shape(tuple(query.shape), tuple(along), self.num_heads)
            outputs.append(keras.KerasTensor(shape, dtype=self.compute_dtype))
        if cache is not None:
            outputs.append(tuple(keras.KerasTensor(x.shape, dtype=x.dtype) for x in cache))
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def get_config(self):
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


def _given(check, name, value, *rest):
    """The value if it passes the check; None is none."""
    return None if value is None else check(name, value, *rest)


def _of_its_own(initializer, name):
    """`initializer` for the projection `name`: one of a given seed gives others other values.

    Where query and key start equal each query is at its own key, and stays there.
    """
    config = initializer.get_config()
    seed = config.get("seed")
    if isinstance(seed, int):
        config["seed"] = seed + PROJECTIONS.index(name)
    return type(initializer).from_config(config)


def _both(mask, other):
    return mask if other is None else other if mask is None else ops.logical_and(mask, other)


def _heads(value, heads):
    found = heads if value is None else _validate.count("num_key_value_heads", value)
    if heads % found:
        _validate.refuse("num_key_value_heads", "divide `num_heads`", found, num_heads=heads)
    return found


def _wavelength(value, size):
    if value is None:
        return None
    value = _validate.number("rope_max_wavelength", value, above=0.0)
    if size % 2:
        _validate.refuse(
            "rope_max_wavelength", "be None where `key_dim` is odd", value, key_dim=size
        )
    return value
