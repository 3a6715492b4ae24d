"""`freeze`: replaces trained activations by constants."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from keras_yat import _validate
from keras_yat._keras_compat import Model, is_functional, overrides_call
from keras_yat._numerics.gradients import derived_gradients
from keras_yat._register import FUNCTIONS, LAYERS, register
from keras_yat._types import Config, LayerOptions, Tensor
from keras_yat.activations._base import Activation, TrainableActivation, along_axis
from keras_yat.activations._combination import Combination
from keras_yat.convert._rewrite.activations import Found
from keras_yat.convert._rewrite.copy import configuration, model_of
from keras_yat.convert._rewrite.rewriting import Replacement, Rewriting
from keras_yat.convert._rewrite.weights import carry_over


@register()
class FrozenActivation(Activation):
    """A trained activation whose parameters have become constants.

    `keras_yat.convert.freeze` makes it.

    Args:
        function: Name of the function, one of `keras_yat.activations.names()`.
        parameters: A dict from the names of parameters to numbers, or lists for those with an axis.
        axis: None, or the axis of the channels.
        functions: The functions of a combination, or None.
        norm: The norm of a combination, or None.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: If the name is unknown, or not that of an activation with these parameters.

    Example:

    >>> layer = keras_yat.convert.FrozenActivation("mila", {"beta": -0.5})
    >>> layer.count_params()
    0

    Reference:
        This package.
    """

    def __init__(
        self,
        function: str,
        parameters: Mapping[str, Any],
        axis: int | None = None,
        functions: list[Callable[..., Any]] | None = None,
        norm: str | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self.function: str = _validate.one_of("function", function, _trained())
        self.parameters: dict[str, Any] = _checked_parameters(self.function, parameters)
        self.axis: int | None = _validate.axis("axis", axis)
        self.functions: Any = None
        if functions is not None:
            self.functions = [keras.activations.get(f) for f in functions]
        self.norm: str | None = norm

    def call(self, inputs: Tensor) -> Tensor:
        given: dict[str, Any] = {
            name: along_axis(ops.convert_to_tensor(value, self._parameter_dtype), self.axis, inputs)
            for name, value in self.parameters.items()
        }
        given |= {k: v for k, v in self._settings().items() if v is not None}
        with derived_gradients():
            outputs = FUNCTIONS[self.function](inputs, **given)
        return ops.cast(outputs, self.compute_dtype)

    def _settings(self):
        return {"functions": self.functions, "norm": self.norm}

    def get_config(self) -> Config:
        functions = self.functions and [keras.activations.serialize(f) for f in self.functions]
        return {
            **super().get_config(),
            "function": self.function,
            "parameters": self.parameters,
            "axis": self.axis,
            "functions": functions,
            "norm": self.norm,
        }


def _trained():
    """The names of the activations with parameters."""
    return [name for name, cls in LAYERS.items() if issubclass(cls, TrainableActivation)]


def _checked_parameters(function, parameters):
    names = list(inspect.signature(FUNCTIONS[function]).parameters)[1:]
    names = [name for name in names if name not in ("functions", "norm")]
    if not isinstance(parameters, Mapping) or set(parameters) != set(names):
        allowed = f"be a dict with the parameters of {function}: {', '.join(names)}"
        _validate.invalid_argument("parameters", allowed, parameters)
    return {name: np.asarray(value, "float64").tolist() for name, value in parameters.items()}


@register()
class FrozenModel(Model):
    """A functional model whose graphs have no custom gradients.

    `keras_yat.convert.freeze` makes it.

    Args:
        *args: `inputs` and `outputs` of `keras.Model`.
        **kwargs: `name` and `trainable` of `keras.Model`.

    Raises:
        ValueError: If inputs and outputs are not those of a graph of layers.

    Example:

    >>> inputs = keras.Input((4,))
    >>> model = keras_yat.convert.FrozenModel(inputs, keras_yat.YatDense(2)(inputs))

    Reference:
        This package.
    """

    def call(
        self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any
    ) -> Any:
        with derived_gradients():
            return super().call(inputs, training=training, mask=mask, **kwargs)


def freeze(model: keras.Model) -> keras.Model:
    """Returns a copy of a model for inference and export: trained activations become constants.

    Each trained activation becomes a `FrozenActivation`, without weights. All other weights are
    kept; none is trainable. The graph of the copy has no custom gradients, for programs that do not
    know them. Outputs are the same.

    Args:
        model: A built model. Of a subclassed model or layer, the configuration must describe the
            activations. Custom gradients stay in a model that overrides `call`.

    Returns:
        The new model, not compiled: functional for a functional or Sequential one, without methods
        of its class such as `train_step`.

    Raises:
        ValueError: If `model` is no model, or is not built.

    Example:

    >>> layers = [keras.Input((4,)), keras.layers.Dense(3), keras_yat.Mila(axis=-1)]
    >>> frozen = keras_yat.convert.freeze(keras.Sequential(layers))
    >>> frozen.count_params(), len(frozen.trainable_weights)
    (15, 0)

    Reference:
        This package.
    """
    if not isinstance(model, keras.Model):
        _validate.invalid_argument("model", "be a Keras model", model)
    if not model.built:
        _validate.invalid_argument("model", "be built: call it on an input first", model.name)
    entry, graph = configuration(model)
    rewriting = Rewriting(_Freezing())
    rewriting.rewrite(entry, graph)
    new = model_of(entry, model, rewriting.custom)
    carry_over(model, new, rewriting, fit=False)
    if not overrides_call(new):
        new = _without_custom_gradients(new)
    new.trainable = False
    return new


def _without_custom_gradients(model):
    if isinstance(model, keras.Sequential):
        return FrozenModel(model.inputs[0], model.outputs[0], name=model.name)
    if is_functional(model):
        return FrozenModel(model.input, model.output, name=model.name)
    return model


class _Freezing:
    """Chooses the trained activations."""

    keeps_weights: bool = False

    def activation(self, old: Found, path: str, gate: bool) -> Replacement | str:
        if not isinstance(old.layer, TrainableActivation):
            return "not trained"
        if type(old.layer) not in LAYERS.values():
            return "a class of another package"
        return Replacement(frozen(old.layer), {})

    def layer(self, layer: keras.layers.Layer, path: str) -> None:
        return None


def frozen(layer: TrainableActivation) -> FrozenActivation:
    """A trained activation with its present parameters as constants."""
    options: dict[str, Any] = {}
    if isinstance(layer, Combination):
        functions = [_constant(function) for function in layer.functions]
        options = {"functions": functions, "norm": layer.get_config().get("norm")}
    return FrozenActivation(
        next(name for name, cls in LAYERS.items() if cls is type(layer)),
        layer.constants(),
        layer.axis,
        dtype=layer.dtype_policy,
        **options,
    )


def _constant(function):
    return frozen(function) if isinstance(function, TrainableActivation) else function
