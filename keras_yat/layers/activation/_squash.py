"""Layers of the activations with a bounded range."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from keras import ops

from keras_yat import _validate, activations
from keras_yat._register import register
from keras_yat._space import Float
from keras_yat.activations._squash import curve as squasher_curve
from keras_yat.layers.activation._base import Activation, TrainableActivation


@register("scaled_softsign")
class ScaledSoftSign(TrainableActivation):
    """ScaledSoftSign: `alpha·x / (beta + |x|)`.

    A sigmoid in (-alpha, alpha) with trained height and width whose tails fall
    off as 1/x², slower than those of tanh. In the published study it trained
    deep ResNets poorly; it is a gate or an output, rather than a rectifier.

    Differs from the authors' code: `beta` stays at 1e-3 or more, as there is a
    pole at |x| = -beta.

    Args:
        alpha: Starting value of the limit: a number, or a Keras initializer.
        beta: Starting value of the |x| at which half the limit is reached.
        axis: None for one set of parameters for the layer, or the axis of the
            channels (int, not 0) for one set per channel.
        bounds: A dict from a parameter's name to (low, high), either None for
            no limit, or to None for no bounds. By default beta ≥ 1e-3.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Input shape:
        Any, with the axis `axis`.

    Output shape:
        As the input.

    Raises:
        ValueError: for a starting value that is out of its bounds, and for any
            argument of another kind than named here.

    Example:

    >>> dense = keras.layers.Dense(64, activation=keras_yat.ScaledSoftSign())

    Reference:
        E. Pishchik, Trainable Activations for Image Classification, 2023,
        doi:10.20944/preprints202301.0463.v1.
    """

    function = staticmethod(activations.scaled_softsign)
    published_bounds = {"beta": (1e-3, None)}
    search_space = {"alpha": Float(0.25, 4.0, log=True), "beta": Float(0.1, 10.0, log=True)}

    def __init__(self, alpha=1.0, beta=1.0, axis=None, bounds=None, **kwargs):
        super().__init__({"alpha": alpha, "beta": beta}, axis, bounds, **kwargs)


class Squasher(Activation):
    """Abstract: a squasher of scores, with a fixed `power`."""

    function: ClassVar[Callable[..., Any]]
    search_space = {"power": Float(0.25, 4.0, log=True)}

    def __init__(self, power: float = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.power = _validate.number("power", power, above=0)

    def call(self, inputs):
        return ops.cast(type(self).function(inputs, **self._settings()), self.compute_dtype)

    def curve(self):
        return squasher_curve(type(self).function.__name__, self.power)

    def _settings(self) -> dict[str, Any]:
        """The arguments of the function behind its first."""
        return {"power": self.power}

    def get_config(self):
        return {**super().get_config(), **self._settings()}


@register("softermax")
class Softermax(Squasher):
    """softermax: `x^n / (ε + Σ x_i^n)` along `axis`, with n = `power`.

    Normalizes scores that are not negative, as those of Yat neurons are, without
    an exponential; 0 stays 0. A negative score counts as 0. To leave a position
    out, give it the score 0.

    Differs from the authors' code: finite, with finite gradients, where x^n
    overflows, and for n < 1 at x = 0.

    Args:
        power: A number greater than 0; the larger, the nearer to one-hot.
        axis: The axis (int), or a tuple of axes, that sums to about 1, and to 0
            where every score is 0.
        epsilon: A number greater than 0, in the unit of x^n.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any, of rank 1 or more.

    Output shape:
        As the input; entries in [0, 1).

    Raises:
        ValueError: if `power` or `epsilon` is not a finite number greater than 0,
            or `axis` neither an int nor a tuple of ints.

    Example:

    >>> keras_yat.Softermax()(keras.ops.array([[1.0, 3.0, 0.0]]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn).
    """

    function = staticmethod(activations.softermax)

    def __init__(self, power=1, axis=-1, epsilon=1e-12, **kwargs):
        super().__init__(power, **kwargs)
        several = isinstance(axis, Sequence) and not isinstance(axis, str)
        every = tuple(axis) if several else (axis,)
        for one in every:
            if isinstance(one, bool) or not isinstance(one, numbers.Integral):
                _validate.refuse("axis", "be an int or a tuple of ints", axis)
        if not every:
            _validate.refuse("axis", "name at least one axis", axis)
        self.axis = tuple(map(int, every)) if several else int(axis)
        self.epsilon = _validate.number("epsilon", epsilon, above=0)

    def _settings(self):
        return {**super()._settings(), "axis": self.axis, "epsilon": self.epsilon}


@register("softer_sigmoid")
class SofterSigmoid(Squasher):
    """softer_sigmoid: `x^n / (1 + x^n)` with n = `power`.

    A gate in [0, 1) for scores that are not negative, as those of Yat neurons
    are: 0 at 0, 1/2 at 1. A negative score counts as 0.

    Differs from the authors' code: finite, with finite gradients, where x^n
    overflows, and for n < 1 at x = 0.

    Args:
        power: A number greater than 0: how steep the step around x = 1 is.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        As the input; entries in [0, 1).

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.SofterSigmoid(power=2)(keras.ops.array([0.0, 1.0, 3.0]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn).
    """

    function = staticmethod(activations.softer_sigmoid)


@register("soft_tanh")
class SoftTanh(Squasher):
    """soft_tanh: `sign(x)·|x|^n / (1 + |x|^n)` with n = `power`.

    An odd sigmoid in (-1, 1), softsign for n = 1; flat around 0 for n > 1. For
    inputs of either sign, such as the cell state of a recurrent layer.

    Differs from the authors' code: finite, with finite gradients, where x^n
    overflows, and for n < 1 at x = 0 (where the gradient counts as 0).

    Args:
        power: A number greater than 0: how steep the steps around |x| = 1 are.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        As the input; entries in (-1, 1).

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.SoftTanh()(keras.ops.array([-3.0, 0.0, 1.0]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn).
    """

    function = staticmethod(activations.soft_tanh)


@register("score_tanh")
class ScoreTanh(Squasher):
    """score_tanh: `(x^n - 1) / (x^n + 1)` with n = `power`.

    The tanh of scores that are not negative: -1 at 0, 0 at 1, towards 1 above.
    It is `2·softer_sigmoid - 1`, and the activation of the published Yat
    recurrent cells. A negative score counts as 0.

    Differs from the authors' code: finite, with finite gradients, where x^n
    overflows, and for n < 1 at x = 0.

    Args:
        power: A number greater than 0: how steep the step around x = 1 is.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        As the input; entries in [-1, 1).

    Raises:
        ValueError: if `power` is not a finite number greater than 0.

    Example:

    >>> keras_yat.ScoreTanh()(keras.ops.array([0.0, 1.0, 3.0]))

    Reference:
        T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter, 2024
        (package nmn).
    """

    function = staticmethod(activations.score_tanh)
