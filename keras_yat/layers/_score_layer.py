"""The base of the layers with Yat scores: their parameters, and projections into heads."""

import string
from typing import Any

import keras

from keras_yat import _validate, initializers
from keras_yat._projection import Projection
from keras_yat._space import Float
from keras_yat._types import Config
from keras_yat.layers._epsilon_alpha import EpsilonAlphaLayer, plain, tensor
from keras_yat.layers._weight_options import serialized

PROJECTIONS = ("query", "key", "value", "gate", "attention_output")

_BIAS_BOUNDS = Projection(0.0, None)

_CONSTANT = Float(0.1, 10.0, log=True, default=1.0)
SCORE_BIAS = {"none": None, "constant": _CONSTANT, "learned": "learned"}
"""Options of the search space of the bias of the scores."""


class ScoreLayer(EpsilonAlphaLayer):
    """Abstract: a layer whose scores have a bias and an epsilon for each head.

    A subclass sets `num_heads` and `use_bias`, defines `_projection_arguments` and
    `_projection_initializer`, and calls `_add_score_bias` in `build`.
    """

    num_heads: int
    use_bias: Any

    def __init__(self, *, score_bias: Any, score_bias_initializer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set_score_bias(score_bias, score_bias_initializer)

    def _set_score_bias(self, value, initializer):
        if isinstance(value, str):
            if value != "learned":
                _validate.invalid_argument(
                    "score_bias", "be 'learned', None, or a number of at least 0", value
                )
        elif value is not None:
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
    def _epsilon_shape(self) -> tuple[int, ...]:
        return (self.num_heads,)

    def _add_score_bias(self) -> None:
        if self._score_bias == "learned":
            start = self.score_bias_initializer or keras.initializers.Ones()
            shape = (self.num_heads,)
            self.score_bias = self._add_scale("score_bias", start, _BIAS_BOUNDS, shape)

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
            "score_bias": plain(self._score_bias),
            "score_bias_initializer": serialized(self.score_bias_initializer),
        }


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
