"""Layers of the activations with a wave in them: Nami, CosLU, SinLU."""

from keras_yat import activations
from keras_yat._register import register
from keras_yat._space import Float
from keras_yat.layers.activation._base import TrainableActivation

_OF_NAMI = {"w": (0.1, 0.5), "a": (0.5, 3.0), "b": (0.5, 3.0)}


@register("nami")
class Nami(TrainableActivation):
    """Nami: `tanh(a·x)` for x > 0, `(a / b)·sin(w·x)` for x ≤ 0.

    Saturates above and waves below, so that units stay apart on the negative
    side too: bounded on both sides, with gradients of either sign. Range [-a/b, 1]
    for a ≤ b.

    Differs from the authors' code: that clips `w`, `a`, `b` in the forward pass,
    where a parameter out of its range never gets a gradient again. Here an
    update that leads out of the bounds is projected back onto them.

    Args:
        w: Starting value of the frequency of the wave: a number, or a Keras
            initializer.
        a: Starting value of the slope at 0 from above.
        b: Starting value of the divisor of the wave's height.
        axis: None for one set of parameters for the layer, or the axis of the
            channels (int, not 0) for one set per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit, or to None for no bounds. Names left out keep the
            published ones: w in [0.1, 0.5], a and b in [0.5, 3].
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.Nami())
    >>> per_channel = keras_yat.Nami(axis=-1, bounds={"w": (0.1, 2.0)})

    Reference:
        K. Sarkar, Nami, an adaptive self-regulatory activation function
        (package nami-act).
    """

    function = staticmethod(activations.nami)
    published_bounds = _OF_NAMI
    search_space = {name: Float(*limits) for name, limits in _OF_NAMI.items()}

    def __init__(self, w=0.3, a=1.0, b=1.5, axis=None, bounds=None, **kwargs):
        super().__init__({"w": w, "a": a, "b": b}, axis, bounds, **kwargs)


@register("coslu")
class CosLU(TrainableActivation):
    """CosLU: `(x + alpha·cos(beta·x))·sigmoid(x)`.

    SiLU with a cosine of trained height and frequency on it. Worth a try where
    SiLU works; unlike SiLU it is alpha/2, not 0, at x = 0.

    Same values as the authors' code; here they are right in half precision too.

    Args:
        alpha: Starting value of the wave's height: a number, or a Keras
            initializer. 0 gives SiLU.
        beta: Starting value of the wave's frequency.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.CosLU())
    >>> silu_at_first = keras_yat.CosLU(alpha=0.0)

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.coslu)
    search_space = {"alpha": Float(0.0, 2.0), "beta": Float(0.0, 4.0)}

    def __init__(self, alpha=1.0, beta=1.0, axis=None, bounds=None, **kwargs):
        super().__init__({"alpha": alpha, "beta": beta}, axis, bounds, **kwargs)


@register("sinlu")
class SinLU(TrainableActivation):
    """SinLU: `(x + alpha·sin(beta·x))·sigmoid(x)`.

    SiLU with a sine of trained height and frequency on it; 0 at x = 0, where
    its slope is (1 + alpha·beta) / 2.

    Same values as the authors' code; here they are right in half precision too.

    Args:
        alpha: Starting value of the wave's height: a number, or a Keras
            initializer. 0 gives SiLU.
        beta: Starting value of the wave's frequency.
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

    >>> dense = keras.layers.Dense(64, activation=keras_yat.SinLU())

    Reference:
        A. Paul et al., SinLU: Sinu-Sigmoidal Linear Unit, Mathematics 10(3):337,
        2022, doi:10.3390/math10030337.
    """

    function = staticmethod(activations.sinlu)
    search_space = {"alpha": Float(0.0, 2.0), "beta": Float(0.0, 4.0)}

    def __init__(self, alpha=1.0, beta=1.0, axis=None, bounds=None, **kwargs):
        super().__init__({"alpha": alpha, "beta": beta}, axis, bounds, **kwargs)
