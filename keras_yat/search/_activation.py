"""Search space of an activation."""

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
    """Samples an activation and the starting values of its parameters.

    Args:
        hp: `HyperParameters` of a model-building function.
        name: Prefix of the hyperparameters, `"activation"` by default. `name` is the
            choice, `name/nami/w` the starting value of w if the choice is nami.
        among: Names to choose from: names of `keras_yat.activations.names()` (all of them
            by default) and Keras's, such as `"relu"`.
        axis: None for a single set of parameters, or the axis of the channels for a set
            per channel. Ignored by activations without parameters.
        search_bounds: Whether to search the bounds of the parameters: the class's bounds
            (`"default"`), none (`"free"`), or the search range of the starting value
            (`"range"`).
        search_trainable: Whether to search if the parameters are trained or constant.
        **kwargs: Options of `keras.layers.Layer`, such as `dtype`.

    Returns:
        A layer, for a model or as `activation=` of another layer.

    Raises:
        ValueError: If a name is unknown, or `among` is empty.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.activation(hp, "hidden", among=["nami", "relu"])
    >>> hp.values
    {'hidden': 'nami', 'hidden/nami/w': 0.3, 'hidden/nami/a': 1.0, 'hidden/nami/b': 1.5}

    Reference:
        This package. The docstring of each activation cites its source.
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
    """A choice of bounds: the class's, none, or the search ranges of the starting values."""
    ranges = {}
    for name, dimension in cls.search_space.items():
        each = dimension.each if isinstance(dimension, FloatList) else dimension
        if isinstance(each, Float):
            ranges[name] = (each.low, each.high)
    published = cls.default_bounds
    options = {"default": None, "free": dict.fromkeys(published), "range": ranges}
    # Options that would repeat the class's bounds are left out.
    return Choice({n: b for n, b in options.items() if b is None or (b and b != published)})
