"""Search spaces for Keras Tuner: activations, Yat layers and optimizers with their starting values.

Each function takes the `hp` of a model-building function and gives back a layer (or an
optimizer) whose arguments are hyperparameters: what can be searched, in which range and on
which scale, is said by the class itself. Arguments that are handed over are fixed.

    def build(hp):
        hidden = keras.layers.Dense(64, activation=keras_yat.search.activation(hp, "hidden"))
        model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10)])
        model.compile(keras_yat.search.optimizer(hp), "sparse_categorical_crossentropy")
        return model

The default of every hyperparameter is the default of the argument, so the first
configuration of a grid search is the plain layer. What belongs to an option of a choice is
conditional on it. Two calls of the same name share their hyperparameters, and make a layer
each. Works with whatever has the methods of `keras_tuner.HyperParameters`; Keras Tuner is
not imported.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import keras

from keras_yat import _validate, activations, layers
from keras_yat._register import LAYERS
from keras_yat._space import Choice, Float, Made, Several, Space, arguments
from keras_yat.layers.activation._base import TrainableActivation

__all__ = [
    "activation",
    "layer",
    "optimizer",
    "yat_attention",
    "yat_conv",
    "yat_dense",
    "yat_embedding",
    "yat_recurrent",
]

_CONVOLUTIONS = {
    (1, False): layers.YatConv1D,
    (2, False): layers.YatConv2D,
    (3, False): layers.YatConv3D,
    (1, True): layers.YatConv1DTranspose,
    (2, True): layers.YatConv2DTranspose,
    (3, True): layers.YatConv3DTranspose,
}
_RECURRENT = {
    "lstm": (layers.YatLSTM, layers.YatLSTMCell),
    "gru": (layers.YatGRU, layers.YatGRUCell),
    "simple_rnn": (layers.YatSimpleRNN, layers.YatSimpleRNNCell),
}
_RATE = Float(1e-4, 3e-2, log=True)
_OPTIMIZERS = {
    "adam": Made(keras.optimizers.Adam, {"learning_rate": _RATE}),
    "adamw": Made(
        keras.optimizers.AdamW,
        {"learning_rate": _RATE, "weight_decay": Float(1e-4, 1e-1, log=True)},
    ),
    "rmsprop": Made(keras.optimizers.RMSprop, {"learning_rate": _RATE}),
    "sgd": Made(
        keras.optimizers.SGD,
        {"learning_rate": Float(1e-3, 0.3, log=True), "momentum": Float(0.0, 0.95)},
        nesterov=True,
    ),
}


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
    path = _path(name, "activation")
    options = {}
    for label in _names("among", among, activations.names()):
        if label not in LAYERS:
            activations.get(label, "among")
            options[label] = Made(keras.layers.Activation, {}, activation=label, **kwargs)
            continue
        cls: Any = LAYERS[label]
        space, fixed = dict(cls.search_space), dict(kwargs)
        if issubclass(cls, TrainableActivation):
            fixed["axis"] = axis
            if _validate.flag("search_bounds", search_bounds):
                space["bounds"] = _bounds(cls)
            if _validate.flag("search_trainable", search_trainable):
                space["trainable"] = _TRAINABLE
        options[label] = Made(cls, space, **fixed)
    return Choice(options).sample(hp, path)


_TRAINABLE = Choice({"learned": True, "constant": False})


def _bounds(cls: type[TrainableActivation]) -> Choice:
    """Bounds of the parameters: the class's, none, or the ranges of the starting values."""
    ranges = {}
    for name, dimension in cls.search_space.items():
        each = dimension.each if isinstance(dimension, Several) else dimension
        if isinstance(each, Float):
            ranges[name] = (each.low, each.high)
    published = cls.published_bounds
    options = {"default": None, "free": dict.fromkeys(published), "range": ranges}
    # Those that say something else than the class does already.
    return Choice({n: b for n, b in options.items() if b is None or (b and b != published)})


def layer(hp: Any, cls: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
    """A layer of the class `cls`, with values for all arguments that its class lets search.

    The functions for the Yat layers are this one with the class filled in. For a class of
    your own: list its arguments in `search_space`, as the Yat layers do.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        cls: A class of this package: an activation or a Yat layer.
        *args: Arguments of the class by position.
        name: Prefix of the hyperparameters, by default the class's name in lower case.
        **kwargs: Arguments of the class by name. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: if the class has no search space, or an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.layer(hp, keras_yat.Mila, name="mila")
    >>> hp.values
    {'mila/beta': -0.25}

    Reference:
        This package.
    """
    space: Space | None = getattr(cls, "search_space", None)
    if not isinstance(cls, type) or space is None:
        _validate.refuse("cls", "be a class with a `search_space`", cls)
    given = inspect.signature(cls).bind_partial(*args, **kwargs).arguments
    given = {**given, **given.pop("kwargs", {})}
    path = _path(name, cls.__name__.lower())
    return cls(*args, **arguments(hp, space, path, cls, given), **kwargs)


def yat_dense(hp: Any, units: int, name: str | None = None, **kwargs: Any) -> Any:
    """A `YatDense`: epsilon, alpha, `normalize`, `drop_connect`, `kernel_initializer`.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        units: Number of neurons. To search it, hand over `hp.Choice("units", [32, 64])`.
        name: Prefix of the hyperparameters, `"yat_dense"` by default.
        **kwargs: Arguments of `YatDense`. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_dense(hp, 64, drop_connect=0.1)
    >>> hp.get("yat_dense/alpha")
    'suited'

    Reference:
        This package.
    """
    return layer(hp, layers.YatDense, units, name=_path(name, "yat_dense"), **kwargs)


def yat_conv(
    hp: Any,
    filters: int,
    kernel_size: Any,
    name: str | None = None,
    *,
    rank: int = 2,
    transpose: bool = False,
    **kwargs: Any,
) -> Any:
    """A Yat convolution: epsilon, alpha, `normalize`, `drop_connect`, `kernel_initializer`.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        filters: Number of neurons.
        kernel_size: Size of the window, an int, or one for each dimension.
        name: Prefix of the hyperparameters, `"yat_conv"` by default.
        rank: Number of dimensions of the window: 1, 2 or 3.
        transpose: Whether it is a transposed convolution.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A `YatConv2D`, or the one of that rank, or its transpose.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_conv(hp, 16, 3, padding="same").filters
    16

    Reference:
        This package.
    """
    ranks = _validate.one_of("rank", rank, (1, 2, 3)), _validate.flag("transpose", transpose)
    cls = _CONVOLUTIONS[ranks]
    return layer(hp, cls, filters, kernel_size, name=_path(name, "yat_conv"), **kwargs)


def yat_recurrent(
    hp: Any,
    units: int,
    name: str | None = None,
    among: Iterable[str] = tuple(_RECURRENT),
    *,
    cell: bool = False,
    **kwargs: Any,
) -> Any:
    """A recurrent Yat layer: which one, its squashers, and what `yat_dense` searches.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        units: Number of neurons, the size of the state.
        name: Prefix of the hyperparameters, `"yat_recurrent"` by default.
        among: Layers to choose from: `"lstm"`, `"gru"`, `"simple_rnn"`.
        cell: Whether to give the cell, for `keras.layers.RNN`.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A `YatLSTM`, `YatGRU` or `YatSimpleRNN`, or its cell.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_recurrent(hp, 32, among=["gru"], return_sequences=True)
    >>> hp.get("yat_recurrent/gru/recurrent_activation")
    'sigmoid'

    Reference:
        This package.
    """
    _validate.flag("cell", cell)
    options = {}
    for label in _names("among", among, _RECURRENT):
        cls: Any = _RECURRENT[_validate.one_of("among", label, _RECURRENT)][cell]
        options[label] = Made(cls, cls.search_space, units=units, **kwargs)
    return Choice(options).sample(hp, _path(name, "yat_recurrent"))


def yat_attention(
    hp: Any, num_heads: int, key_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """A `YatMultiHeadAttention`: epsilon, alpha, `normalize`, `normalization`, initializer.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        num_heads: Number of heads.
        key_dim: Size of each head of query and key.
        name: Prefix of the hyperparameters, `"yat_attention"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_attention(hp, 4, 16, dropout=0.1)
    >>> hp.get("yat_attention/normalization")
    'softmax'

    Reference:
        This package.
    """
    cls, path = layers.YatMultiHeadAttention, _path(name, "yat_attention")
    return layer(hp, cls, num_heads, key_dim, name=path, **kwargs)


def yat_embedding(
    hp: Any, input_dim: int, output_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """A `YatEmbedding`: epsilon, alpha, `normalize`, `drop_connect`, initializer.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        input_dim: Number of rows.
        output_dim: Length of a row.
        name: Prefix of the hyperparameters, `"yat_embedding"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_embedding(hp, 1000, 16, mask_zero=True).output_dim
    16

    Reference:
        This package.
    """
    cls, path = layers.YatEmbedding, _path(name, "yat_embedding")
    return layer(hp, cls, input_dim, output_dim, name=path, **kwargs)


def optimizer(
    hp: Any, name: str | None = None, among: Iterable[str] | None = None
) -> keras.optimizers.Optimizer:
    """An optimizer: which one, its learning rate, and its momentum or weight decay.

    Args:
        hp: What Keras Tuner hands to a model-building function.
        name: Prefix of the hyperparameters, `"optimizer"` by default.
        among: Names to choose from: `"adam"`, `"adamw"`, `"rmsprop"`, `"sgd"` (with
            Nesterov's momentum); all of them by default.

    Returns:
        The optimizer.

    Raises:
        ValueError: if a name is unknown, or there is none.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> optimizer = keras_yat.search.optimizer(hp, among=["adam", "sgd"])
    >>> hp.values
    {'optimizer': 'adam', 'optimizer/adam/learning_rate': 0.001}

    Reference:
        This package.
    """
    found = _names("among", among, _OPTIMIZERS)
    options = {n: _OPTIMIZERS[_validate.one_of("among", n, _OPTIMIZERS)] for n in found}
    return Choice(options).sample(hp, _path(name, "optimizer"))


def _path(name: str | None, otherwise: str) -> str:
    return otherwise if name is None else name


def _names(argument: str, given: Iterable[str] | None, every: Iterable[str]) -> list[str]:
    """`given` without repetitions, or all of them for None."""
    allowed = f"be names, at least one, such as {', '.join(every)}"
    if given is None:
        return list(every)
    if not isinstance(given, Iterable):
        _validate.refuse(argument, allowed, given)
    found = [given] if isinstance(given, str) else list(given)
    if not found or not all(isinstance(name, str) for name in found):
        _validate.refuse(argument, allowed, given)
    return list(dict.fromkeys(found))
