"""Layers of the activations in the place of a rectifier."""

from keras import ops

from keras_yat import activations
from keras_yat._register import register
from keras_yat._space import Float
from keras_yat.layers.activation._base import Activation, TrainableActivation


@register("mila")
class Mila(TrainableActivation):
    """Mila: `x·tanh(softplus(x + beta))`.

    Mish with a trained depth of its minimum: -0.66 at beta = 1, -0.309 at 0
    (Mish), -0.2495 at -0.25, -0.127 at -1. Smooth, unbounded above. A negative
    `beta` makes the minimum flatter and brings it nearer to ReLU's.

    Differs from the authors' code: that keeps `beta` fixed; here it is trained,
    unless `trainable=False`. The values are the same, by another form that takes
    one exponential.

    Args:
        beta: Starting value of the shift: a number, or a Keras initializer.
        axis: None for one parameter for the layer, or the axis of the channels
            (int, not 0) for one per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit. None are published.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Mila())
    >>> mish_at_first = keras_yat.Mila(beta=0.0)

    Reference:
        D. Misra, Mila: Controlling Minima Concavity in Activation Function,
        2019.
    """

    function = staticmethod(activations.mila)
    search_space = {"beta": Float(-2.0, 1.0)}

    def __init__(self, beta=-0.25, axis=None, bounds=None, **kwargs):
        super().__init__({"beta": beta}, axis, bounds, **kwargs)


@register("delu")
class DELU(TrainableActivation):
    """DELU: `silu(x)` for x ≤ 0, `(n + 0.5)·x + |exp(-x) - 1|` for x > 0.

    A rectifier with SiLU's dip below 0 and a trained slope above: n + 1.5 at 0
    from above, n + 0.5 far out.

    Differs from the authors' code: that multiplies each branch by a mask, which
    is NaN for x < -88.7 in float32 and x < -11.1 in float16. Here each branch
    only sees the inputs that are its own.

    Args:
        n: Starting value of the slope at +∞ less 0.5: a number, or a Keras
            initializer.
        axis: None for one parameter for the layer, or the axis of the channels
            (int, not 0) for one per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit. None are published.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.DELU())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.delu)
    search_space = {"n": Float(-0.5, 1.0)}

    def __init__(self, n=0.0, axis=None, bounds=None, **kwargs):
        super().__init__({"n": n}, axis, bounds, **kwargs)


@register("helu")
class HELU(Activation):
    """HELU: DELU with n = 0, and no parameter.

    The fixed baseline of DELU: what is gained by training `n` is the difference
    between the two.

    Differs from the authors' code as DELU does: no NaN for large negative x.

    Args:
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        As the input.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.HELU())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    def call(self, inputs):
        return ops.cast(activations.helu(inputs), self.compute_dtype)


@register("relun")
class ReLUN(TrainableActivation):
    """ReLUN: `min(max(0, x), n)`.

    ReLU6 with a trained ceiling: a bounded range, as fixed-point arithmetic
    wants it, without choosing the bound by hand.

    Differs from the authors' code: `n` stays at 1e-3 or more, as the layer is
    constant for n ≤ 0.

    Args:
        n: Starting value of the ceiling: a number, or a Keras initializer.
        axis: None for one parameter for the layer, or the axis of the channels
            (int, not 0) for one per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit, or to None for no bounds. By default n ≥ 1e-3.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> relu6_at_first = keras_yat.ReLUN(n=6.0)

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.relun)
    published_bounds = {"n": (1e-3, None)}
    search_space = {"n": Float(0.5, 10.0, log=True)}

    def __init__(self, n=1.0, axis=None, bounds=None, **kwargs):
        super().__init__({"n": n}, axis, bounds, **kwargs)


@register("shilu")
class ShiLU(TrainableActivation):
    """ShiLU: `alpha·relu(x) + beta`.

    ReLU with a trained slope and shift: the cheapest of the trained rectifiers.
    It is beta, not 0, for every x ≤ 0.

    Same values as the authors' code; here they are right in half precision too.

    Args:
        alpha: Starting value of the slope: a number, or a Keras initializer.
        beta: Starting value of the shift.
        axis: None for one set of parameters for the layer, or the axis of the
            channels (int, not 0) for one set per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit. None are published.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> relu_at_first = keras_yat.ShiLU(alpha=1.0, beta=0.0)

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.shilu)
    search_space = {"alpha": Float(0.25, 2.0, log=True), "beta": Float(-1.0, 1.0)}

    def __init__(self, alpha=1.0, beta=1.0, axis=None, bounds=None, **kwargs):
        super().__init__({"alpha": alpha, "beta": beta}, axis, bounds, **kwargs)
