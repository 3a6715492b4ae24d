"""The bases of the activation layers: everything but the formulas."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from keras_yat import _validate, initializers
from keras_yat._keras_compat import Layer, forget_path, keep_apart, move
from keras_yat._numerics.value_and_slope import OF_KERAS, ValueAndSlope
from keras_yat._projection import Projection
from keras_yat._register import record
from keras_yat._space import Space
from keras_yat._types import Bounds, Config, Shape, StartingValue, Tensor
from keras_yat.activations import _fit

Limits = tuple[float | None, float | None]
SpecialCases = Mapping[str, Mapping[str, float]]


def value_and_slope_of(function: Any) -> ValueAndSlope | None:
    """An activation with its slope, or None if there is no hand-written slope."""
    if isinstance(function, Activation):
        return function.value_and_slope()
    return OF_KERAS.get(function)


class Activation(Layer):
    """Abstract: a layer whose output has the shape of its input. Masks pass through."""

    search_space: ClassVar[Space] = {}
    """The arguments that can be searched: see `keras_yat.search`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        # As Keras's layers without weights, unless a subclass builds something.
        self.built: bool = type(self).build is keras.layers.Layer.build
        # There is no kernel to quantize. Keras's `quantize` raises for an activation that is not
        # built, and stock layers do not build their activation.
        self.quantize = _quantize_nothing

    @property
    def _parameter_dtype(self) -> str:
        """The dtype of the parameters."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def value_and_slope(self) -> ValueAndSlope | None:
        """This function with its slope, if it works entry by entry and has no weights."""
        return None


def _quantize_nothing(mode: Any = None, config: Any = None, **kwargs: Any) -> None:
    """The method `quantize` of a layer without a kernel."""


class TrainableActivation(Activation):
    """Abstract: an activation with trained parameters.

    A subclass names its pure `function`, the authors' limits of its parameters in
    `default_bounds`, and the ranges of its starting values in `search_space`. Its constructor
    passes the starting values by name, and the `shapes` of parameters that are not single numbers,
    without the axis of the channels. `_settings` has the further arguments of the function.

    Parameters are float32 (float64 under a float64 policy), independent of the compute dtype. A
    single set is created in the constructor, as stock layers never build their `activation`; a
    set per channel is created in `build`.
    """

    function: ClassVar[Callable[..., Any]]
    default_bounds: ClassVar[Mapping[str, Limits]] = {}
    special_cases: ClassVar[SpecialCases] = {}
    """Values of parameters for which the function is one of Keras's, by its name."""

    def __init__(
        self,
        parameters: Mapping[str, StartingValue],
        axis: int | None = None,
        bounds: Bounds | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis: int | None = _validate.axis("axis", axis)
        self.bounds: dict[str, Limits] = self._all_bounds(parameters, bounds)
        self._shapes = {} if shapes is None else dict(shapes)
        self._starts = {
            name: _Start(name, value, self._shapes.get(name, ()), self.bounds[name])
            for name, value in parameters.items()
        }
        for name in parameters:
            setattr(self, name, None)
        # It is built when it is first called: then its weights get the path of the layer around it.
        self._is_moved = True
        if self.axis is None:
            self._add_parameters(())

    def _all_bounds(self, parameters, given) -> dict[str, Limits]:
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            _validate.invalid_argument(
                "bounds", "be a dict from a parameter's name to (low, high)", given
            )
        for name in given:
            if name not in parameters:
                _validate.invalid_argument(
                    "bounds", f"name parameters: {', '.join(parameters)}", given
                )
        merged = {**self.default_bounds, **given}
        return {n: _validate.interval(f"bounds[{n!r}]", merged.get(n)) for n in parameters}

    def build(self, input_shape: Shape) -> None:
        if self.axis is not None and getattr(self, next(iter(self._starts))) is None:
            self._add_parameters(self._channels(input_shape, self.axis))
        for weight in self._weights:
            move(weight, f"{self.path}/{weight.name}")

    def build_from_config(self, config: Config) -> None:
        super().build_from_config(config)
        # The layer around it is not known here: a call knows it.
        forget_path(self)
        self._is_moved = False

    def _channels(self, input_shape: Shape, axis: int) -> tuple[int, ...]:
        """The shape of the channels of an input; later inputs must have as many."""
        rank = len(input_shape)
        if not -rank < axis < rank:
            _validate.invalid_argument(
                "axis",
                f"be an axis of the input other than that of the batch, here from {1 - rank} "
                f"to {rank - 1}",
                axis,
                input_shape=tuple(input_shape),
            )
        channels = input_shape[axis]
        if channels is None:
            _validate.invalid_argument(
                "axis", "be an axis of known size", axis, input_shape=tuple(input_shape)
            )
        self.input_spec: Any = keras.layers.InputSpec(min_ndim=2, axes={axis: channels})
        return (channels,)

    def _add_parameters(self, channels: tuple[int, ...]) -> None:
        for name, start in self._starts.items():
            low, high = self.bounds[name]
            bounded = low is not None or high is not None
            weight = self.add_weight(
                name=name,
                shape=self._shapes.get(name, ()) + channels,
                dtype=self._parameter_dtype,
                initializer=start,
                constraint=Projection(low, high) if bounded else None,
                autocast=False,
            )
            setattr(self, name, record(weight))
            keep_apart(weight)

    @property
    def _weights(self) -> list[keras.Variable]:
        return [getattr(self, name) for name in self._starts]

    def call(self, inputs: Tensor) -> Tensor:
        if not self._is_moved:
            self._is_moved = True
            self.build(tuple(inputs.shape))
        values = [self._parameter(name, inputs) for name in self._starts]
        outputs = type(self).function(inputs, *values, **self._settings())
        return ops.cast(outputs, self.compute_dtype)

    def _settings(self) -> dict[str, Any]:
        """The arguments of `function` that are not trained."""
        return {}

    def _parameter(self, name: str, inputs: Tensor) -> Tensor:
        """The parameter `name` as a tensor that broadcasts with `inputs`."""
        weight = getattr(self, name)
        return along_axis(self._in_bounds(weight), self.axis, inputs)

    @staticmethod
    def _in_bounds(weight):
        value = ops.convert_to_tensor(weight)
        return value if weight.constraint is None else weight.constraint.in_bounds(value)

    def constants(self) -> dict[str, Any]:
        """The parameters and further numbers, by name; lists for parameters with an axis."""
        weights = {weight.name: self._in_bounds(weight) for weight in self._weights}
        values = {n: ops.convert_to_numpy(value).tolist() for n, value in weights.items()}
        return values | {n: v for n, v in self._settings().items() if isinstance(v, float)}

    def starts_like(self, function: Callable[..., Any]) -> tuple[dict[str, Any], float]:
        """Arguments with which a layer like this starts nearest to `function`.

        Returns:
            The arguments, and the root mean square of the difference.
        """
        config = type(self)(bounds=self.bounds, **self._settings()).get_config()
        return _fit.fit_numbers(
            functools.partial(type(self).function, **self._settings()),
            function,
            {name: config[name] for name in self.bounds},
            _fit.limits(self.bounds.values()),
        )

    def get_config(self) -> Config:
        starts = {name: start.config() for name, start in self._starts.items()}
        bounds = {n: None if b == (None, None) else list(b) for n, b in self.bounds.items()}
        settings = {**starts, **self._settings()}
        return {**super().get_config(), **settings, "axis": self.axis, "bounds": bounds}


def along_axis(value: Tensor, axis: int | None, inputs: Tensor) -> Tensor:
    """A parameter, whose last axis is `axis` of `inputs`, as a tensor that broadcasts with them."""
    if axis is None:
        return value
    behind = (len(inputs.shape) - 1 - axis) % len(inputs.shape)
    return ops.reshape(value, (*value.shape, *[1] * behind))


class _Start:
    """The starting value of a parameter: numbers, or an initializer."""

    def __init__(self, name: str, value: Any, shape: tuple[int, ...], limits: Limits):
        self._limits = limits
        if isinstance(value, (np.ndarray, keras.Variable)) or ops.is_tensor(value):
            value = ops.convert_to_numpy(value).tolist()
        if isinstance(value, list) and value and isinstance(value[0], list):
            # Such a value is an input: the class was called as a function.
            allowed = "be a number: pass an object such as Mila(), not the class, as an activation"
            _validate.invalid_argument(name, allowed, f"{len(value)} rows of numbers")
        if isinstance(value, (list, tuple)) and shape:
            if len(value) != shape[0]:
                _validate.invalid_argument(name, f"have {shape[0]} entries", value)
            value = [_validate.number(f"{name}[{i}]", v) for i, v in enumerate(value)]
            known = value
        elif isinstance(value, numbers.Number):
            value = _validate.number(name, value)
            known = [value]
        else:
            value = initializers.get(value, name, "be a finite number, ")
            known = _known_values(value)
        for number in known:
            _check_limits(name, number, limits)
        self._value = value

    def __call__(self, shape, dtype=None):
        """The value, as an initializer returns it."""
        if isinstance(self._value, float):
            return ops.full(shape, self._value, dtype=dtype)
        if isinstance(self._value, list):
            column = ops.reshape(
                ops.convert_to_tensor(self._value, dtype), (-1, *[1] * (len(shape) - 1))
            )
            # A product, not a view: torch cannot write to a view.
            return column * ops.ones(shape, dtype=dtype)
        # Values out of bounds are projected as after an update.
        return Projection(*self._limits)(self._value(shape, dtype=dtype))

    def config(self):
        if isinstance(self._value, (float, list)):
            return self._value
        return keras.initializers.serialize(self._value)


def _known_values(initializer: Any) -> list[float]:
    """The values of an initializer that returns the same at every call."""
    if isinstance(initializer, keras.initializers.Constant):
        return np.ravel(initializer.value).tolist()
    if isinstance(initializer, keras.initializers.Zeros):
        return [0.0]
    return [1.0] if isinstance(initializer, keras.initializers.Ones) else []


def _check_limits(name: str, value: float, limits: Limits) -> None:
    low, high = limits
    if (low is not None and value < low) or (high is not None and value > high):
        _validate.invalid_argument(name, "start within its bounds", value, bounds=limits)
