"""The base of attention layers: arguments, projections, and the parameters of the scores."""

import string
from typing import Any

import keras

from keras_yat import _validate, initializers
from keras_yat._keras_compat import BaseAttention
from keras_yat._projection import Projection
from keras_yat._sizes import all_fit
from keras_yat._space import Float
from keras_yat._types import Config, Shape
from keras_yat.layers._attention_axes import AttentionAxes
from keras_yat.layers._epsilon_alpha import EpsilonAlphaLayer, plain, tensor
from keras_yat.layers._weight_options import checked, checked_regularizer, serialized
from keras_yat.ops._attention_call import block_of, pattern_of

PROJECTIONS = ("query", "key", "value", "gate", "attention_output")

_BIAS_BOUNDS = Projection(0.0, None)

_CONSTANT = Float(0.1, 10.0, log=True, default=1.0)
SCORE_BIAS = {"none": None, "constant": _CONSTANT, "learned": "learned"}
"""Options of the search space of the bias of the scores."""


class ProjectedAttention(EpsilonAlphaLayer, BaseAttention):
    """Abstract: the constructor of attention layers, and their projections.

    A subclass sets the score normalization.
    """

    normalization: str
    power: float
    normalize: str | None

    def __init__(
        self,
        *,
        num_heads: Any,
        key_dim: Any,
        value_dim: Any,
        dropout: Any,
        use_bias: Any,
        output_shape: Any,
        attention_axes: Any,
        sliding_window: Any,
        flash_attention: Any,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: Any,
        seed: Any,
        num_key_value_heads: Any,
        rope_max_wavelength: Any,
        num_global_tokens: Any,
        block_mask: Any,
        mask_block_size: Any,
        block_size: Any,
        score_bias: Any,
        score_bias_initializer: Any,
        **kwargs: Any,
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
            **kwargs,
        )
        # False, whatever Keras's global switch is.
        self.flash_attention: bool | None = flash_attention
        self._set_flash_attention(flash_attention)
        self.num_key_value_heads: int = _heads(num_key_value_heads, num_heads)
        self.rope_max_wavelength: float | None = _wavelength(rope_max_wavelength, key_dim)
        pattern = pattern_of(sliding_window, num_global_tokens, block_mask, mask_block_size)
        self.num_global_tokens: int = int(num_global_tokens)
        self.mask_block_size: int = int(mask_block_size)
        self._block_mask = None if pattern is None else pattern.blocks
        block_of(block_size, 1, 1)
        self.block_size: Any = block_size
        self._set_score_bias(score_bias, score_bias_initializer)
        self.seed_generator: Any = keras.random.SeedGenerator(seed) if dropout else None

    def _set_score_bias(self, value, initializer):
        if isinstance(value, str) and value != "learned":
            _validate.invalid_argument(
                "score_bias", "be 'learned', None, or a number of at least 0", value
            )
        if value != "learned" and value is not None:
            value = self._checked_scales("score_bias", value, least=0.0)
        if initializer is not None:
            initializer = initializers.get(initializer, "score_bias_initializer")
            if value != "learned":
                _validate.invalid_argument(
                    "score_bias_initializer", "be None", initializer, score_bias=value
                )
        self._score_bias = value
        self.score_bias: Any = None if value == "learned" else value
        self.score_bias_initializer: Any = initializer

    @property
    def block_mask(self) -> Any:
        """The argument `block_mask` as a list of lists, or None."""
        mask = self._block_mask
        return None if mask is None else [list(row) for row in mask.rows]

    @property
    def _epsilon_shape(self) -> tuple[int, ...]:
        return (self.num_heads,)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        _check_shapes(query_shape, value_shape, key_shape)
        # Raises for axes that do not exist.
        AttentionAxes.of(len(query_shape), self.attention_axes)
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
        self._set_projections(**layers)
        self._add_epsilon_and_alpha(self._default_alpha)
        if self._score_bias == "learned":
            start = self.score_bias_initializer or keras.initializers.Ones()
            self.score_bias = self._add_scale("score_bias", start, _BIAS_BOUNDS, (heads,))

    @property
    def _default_alpha(self) -> float | None:
        """The starting value of a learned alpha; None where it would have no effect."""
        raise NotImplementedError

    def _bias_of_scores(self) -> Any:
        """The bias of the scores: None, numbers, or a tensor."""
        if self._score_bias == "learned":
            return _BIAS_BOUNDS.in_bounds(tensor(self.score_bias))
        return self.score_bias

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
                **self._projection_arguments(),
                "kernel_initializer": _with_own_seed(self._projection_initializer, name),
            },
        )
        # Keras would warn of the mask of its input, which does not matter here.
        layer.supports_masking = True
        layer.build(shape)
        layer.quantize = _refuse_to_quantize
        return layer

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "flash_attention": self.flash_attention,
            "normalization": self.normalization,
            "power": self.power,
            "normalize": self.normalize,
            "num_key_value_heads": self.num_key_value_heads,
            "rope_max_wavelength": self.rope_max_wavelength,
            "num_global_tokens": self.num_global_tokens,
            "block_mask": self.block_mask,
            "mask_block_size": self.mask_block_size,
            "block_size": self.block_size,
            "score_bias": plain(self._score_bias),
            "score_bias_initializer": serialized(self.score_bias_initializer),
        }


def _check_shapes(query, value, key):
    shapes = {"query": tuple(query), "value": tuple(value), "key": tuple(key)}
    for name, shape in shapes.items():
        if len(shape) < 3 or shape[-1] is None:
            _validate.invalid_argument(
                name, "have a batch, positions, and features of a known size", shape
            )
    ranks = {len(shape) for shape in shapes.values()}
    if len(ranks) > 1 or not all_fit(value[1:-1], key[1:-1]):
        _validate.invalid_argument(
            "value",
            "have the number of axes of the query, and the positions of the key",
            shapes.pop("value"),
            **shapes,
        )


def _with_own_seed(initializer, name):
    """`initializer` for the projection `name`, with a different seed for each.

    With identical query and key kernels each token would attend only to itself.
    """
    config = initializer.get_config()
    seed = config.get("seed")
    if isinstance(seed, int):
        config["seed"] = seed + PROJECTIONS.index(name)
    return type(initializer).from_config(config)


def _refuse_to_quantize(mode: Any = None, config: Any = None, **kwargs: Any) -> None:
    """The method `quantize` of a projection. `model.quantize` warns in these words."""
    raise NotImplementedError(
        "The projections of an attention layer are not quantized: Keras 3.15 saves them without "
        "their dtype policy, and could not load the file. Give the layer a "
        "`keras.dtype_policies.DTypePolicyMap` with quantized policies for them."
    )


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
