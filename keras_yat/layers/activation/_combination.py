"""Layers of the weighted sums of functions: LinComb and NormLinComb."""

import keras
from keras import ops

from keras_yat import _validate, activations
from keras_yat._register import LAYERS, register
from keras_yat._space import Choice, Float, Several
from keras_yat.activations._combination import DEFAULT_FUNCTIONS, NORMS, check_functions, resolve
from keras_yat.layers.activation._base import TrainableActivation


@register("lincomb")
class LinComb(TrainableActivation):
    """LinComb: `Σ w_i·F_i(x)` with trained coefficients w.

    Lets training mix the functions, and shows by the coefficients which of them
    it took. With the default functions (ReLU, sigmoid, tanh, softsign) it is
    0.125, not 0, at x = 0.

    Differs from the authors' code: any functions, which may have parameters of
    their own; the starting coefficients are 1/k for k functions. The published
    name of the coefficients, `weights`, belongs to `keras.layers.Layer`.

    Args:
        coefficients: Starting values: one number for all, a list with one for
            each function, or a Keras initializer of shape (k,), or (k, channels)
            with an `axis`. None for 1/k.
        functions: A list of functions of one tensor, layers, or names: those of
            `keras_yat.activations.names()`, each a fresh layer that computes in
            float32 or wider, or Keras's. A layer computes in the precision of
            its own policy. A function of your own must be registered with Keras
            for a saved model to load.
        axis: None for one set of coefficients for the layer, or the axis of the
            channels (int, not 0) for one set per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit. None are published.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: if `functions` is empty or not a list, a name is unknown, a
            starting value is out of its bounds, or any argument is of another
            kind than named here.

    Example:

    >>> relu_at_first = keras_yat.LinComb(coefficients=[1, 0, 0, 0])
    >>> mixed = keras_yat.LinComb(functions=["gelu", "nami"])

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.lincomb)
    search_space = {
        "coefficients": Several(Float(-1.0, 1.0), len(DEFAULT_FUNCTIONS), per="functions")
    }

    def __init__(
        self, coefficients=None, functions=DEFAULT_FUNCTIONS, axis=None, bounds=None, **kwargs
    ):
        count = len(check_functions(functions))
        if coefficients is None:
            coefficients = 1.0 / count
        super().__init__({"coefficients": coefficients}, axis, bounds, (count,), **kwargs)
        # Not the compute dtype: the sum is rounded once, at its end.
        self.functions = resolve(functions, lambda n: LAYERS[n](dtype=self.parameter_dtype))

    def build(self, input_shape):
        super().build(input_shape)
        for function in self.functions:
            if isinstance(function, keras.layers.Layer) and not function.built:
                function.build(input_shape)

    def call(self, inputs):
        coefficients = self.parameter("coefficients", inputs)
        outputs = type(self).function(inputs, coefficients, self.functions, **self._settings())
        return ops.cast(outputs, self.compute_dtype)

    def _settings(self):
        """The arguments of the function behind its third."""
        return {}

    def get_config(self):
        functions = [keras.activations.serialize(f) for f in self.functions]
        return {**super().get_config(), "functions": functions, **self._settings()}


@register("norm_lincomb")
class NormLinComb(LinComb):
    """NormLinComb: `Σ w_i·F_i(x) / ‖w‖` with trained coefficients w.

    As LinComb, but the scale of the coefficients does not matter, only their
    proportions: weight decay on them does not shrink the output.

    Differs from the authors' code: the paper writes a norm, the code divides by
    the signed sum, which can pass through 0 and turn the sign of the layer. The
    default is the paper's, `norm="l2"`; `norm="sum"` is the code's. A norm's
    magnitude counts as at least 1e-3, so that the output stays finite.

    Args:
        coefficients: Starting values: one number for all, a list with one for
            each function, or a Keras initializer of shape (k,), or (k, channels)
            with an `axis`. None for 1/k with k functions.
        functions: A list of functions of one tensor, layers, or names: those of
            `keras_yat.activations.names()`, each a fresh layer that computes in
            float32 or wider, or Keras's. A layer computes in the precision of
            its own policy. A function of your own must be registered with Keras
            for a saved model to load.
        norm: "l2" (√Σw²), "l1" (Σ|w|) or "sum" (Σw, with its sign).
        axis: None for one set of coefficients for the layer, or the axis of the
            channels (int, not 0) for one set per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit. None are published.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: if the norm is unknown, and as `LinComb`.

    Example:

    >>> keras_yat.NormLinComb(norm="sum")(keras.ops.array([-1.0, 0.0, 1.0]))

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.norm_lincomb)
    # Of one sign: their sum can be small, and be divided by.
    search_space = {
        "coefficients": Several(Float(0.05, 1.0), len(DEFAULT_FUNCTIONS), per="functions"),
        "norm": Choice.of(*NORMS),
    }

    def __init__(
        self,
        coefficients=None,
        functions=DEFAULT_FUNCTIONS,
        norm="l2",
        axis=None,
        bounds=None,
        **kwargs,
    ):
        super().__init__(coefficients, functions, axis, bounds, **kwargs)
        self.norm = _validate.one_of("norm", norm, NORMS)

    def _settings(self):
        return {"norm": self.norm}
