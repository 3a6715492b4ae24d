"""The search space of an activation."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_yat import _validate, activations
from keras_yat._register import LAYERS
from keras_yat._space import Build, Choice, Float, FloatList
from keras_yat.activations._base import TrainableActivation
from keras_yat.search._arguments import checked_names, path_of


def activation(
    hp: Any,
    name: str | None = None,
    among: Iterable[str] | None = None,
    *,
    axis: int | None = None,
    search_bounds: bool = False,
    search_trainable: bool = False,
    **kwargs: Any,
) -> keras.layers.Layer:
    """An activation, and the starting values of its parameters.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        name: Prefix of the hyperparameters, `"activation"` by default: `name` is the
            choice, `name/nami/w` the starting value of w where that is nami.
        among: Names to choose from: those of `keras_yat.activations.names()`, all of
            them by default, and Keras's own, such as `"relu"`.
        axis: None for one set of parameters for the layer, or the axis of the channels
            for one set per channel, where the activation has parameters.
        search_bounds: Whether to search what parameters are kept in: the class's own
            bounds (`"default"`), none (`"free"`), or the range that the starting value
            is searched in (`"range"`).
        search_trainable: Whether to search if parameters are trained, or stay.
        **kwargs: `dtype` and such, of `keras.layers.Layer`.

    Returns:
        A layer, for its own place in a model or as `activation=` of another layer.

    Raises:
        ValueError: if a name is unknown, or there is none.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.activation(hp, "hidden", among=["nami", "relu"])
    >>> hp.values
    {'hidden': 'nami', 'hidden/nami/w': 0.3, 'hidden/nami/a': 1.0, 'hidden/nami/b': 1.5}

    Reference:
        This package. The activations are those of their own references.
    """
    path = path_of(name, "activation")
    options = {}
    for label in checked_names("among", among, activations.names()):
        if label not in LAYERS:
            activations.get(label, "among")
            options[label] = Build(keras.layers.Activation, {}, activation=label, **kwargs)
            continue
        cls: Any = LAYERS[label]
        space, fixed = dict(cls.search_space), dict(kwargs)
        if issubclass(cls, TrainableActivation):
            fixed["axis"] = axis
            if _validate.flag("search_bounds", search_bounds):
                space["bounds"] = _bounds(cls)
            if _validate.flag("search_trainable", search_trainable):
                space["trainable"] = _TRAINABLE
        options[label] = Build(cls, space, **fixed)
    return Choice(options).sample(hp, path)


_TRAINABLE = Choice({"learned": True, "constant": False})


def _bounds(cls: type[TrainableActivation]) -> Choice:
    """Bounds of the parameters: the class's, none, or the ranges of the starting values."""
    ranges = {}
    for name, dimension in cls.search_space.items():
        each = dimension.each if isinstance(dimension, FloatList) else dimension
        if isinstance(each, Float):
            ranges[name] = (each.low, each.high)
    published = cls.published_bounds
    options = {"default": None, "free": dict.fromkeys(published), "range": ranges}
    # Those that say something else than the class does already.
    return Choice({n: b for n, b in options.items() if b is None or (b and b != published)})
