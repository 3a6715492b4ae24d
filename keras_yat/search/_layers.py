"""Search spaces of layers."""

import inspect
from collections.abc import Iterable
from typing import Any

from keras_yat import _validate, layers
from keras_yat._space import Build, Choice, Space, arguments
from keras_yat.search._arguments import checked_names, path_of

RECURRENT = {
    "lstm": (layers.YatLSTM, layers.YatLSTMCell),
    "gru": (layers.YatGRU, layers.YatGRUCell),
    "simple_rnn": (layers.YatSimpleRNN, layers.YatSimpleRNNCell),
}


def layer(hp: Any, cls: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
    """Builds a layer of the class `cls` and samples its searchable arguments.

    The functions for the Yat layers call this one with their class. To search a custom
    class, list its arguments in a class attribute `search_space`, as the Yat layers do.

    Args:
        hp: `HyperParameters` of a model-building function.
        cls: A class with a `search_space`, such as an activation or a Yat layer.
        *args: Positional arguments of the class. They are fixed: not searched.
        name: Prefix of the hyperparameters, by default the class's name in lower case.
        **kwargs: Keyword arguments of the class. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If `cls` has no `search_space`, or an argument is invalid.

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
        _validate.invalid_argument("cls", "be a class with a `search_space`", cls)
    given = inspect.signature(cls).bind_partial(*args, **kwargs).arguments
    given = {**given, **given.pop("kwargs", {})}
    path = path_of(name, cls.__name__.lower())
    return cls(*args, **arguments(hp, space, path, cls, given), **kwargs)


def yat_dense(hp: Any, units: int, name: str | None = None, **kwargs: Any) -> Any:
    """Builds a `YatDense`, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `drop_connect` and `kernel_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        units: Number of neurons. To search it, pass `hp.Choice("units", [32, 64])`.
        name: Prefix of the hyperparameters, `"yat_dense"` by default.
        **kwargs: Arguments of `YatDense`. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_dense(hp, 64, drop_connect=0.1)
    >>> hp.get("yat_dense/alpha")
    'default'

    Reference:
        This package.
    """
    return layer(hp, layers.YatDense, units, name=path_of(name, "yat_dense"), **kwargs)


def yat_recurrent(
    hp: Any,
    units: int,
    name: str | None = None,
    among: Iterable[str] = tuple(RECURRENT),
    *,
    cell: bool = False,
    **kwargs: Any,
) -> Any:
    """Samples a recurrent Yat layer, searching its squashers and its Yat arguments.

    The Yat arguments are those that `yat_dense` searches.

    Args:
        hp: `HyperParameters` of a model-building function.
        units: Size of the state.
        name: Prefix of the hyperparameters, `"yat_recurrent"` by default.
        among: Layers to choose from, all of them by default: `"lstm"`, `"gru"`, `"simple_rnn"`.
        cell: Whether to return the cell, for `keras.layers.RNN`, instead of the layer.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        A recurrent Yat layer, such as `YatLSTM`, or its cell.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_recurrent(hp, 32, among=["gru"], return_sequences=True)
    >>> hp.get("yat_recurrent/gru/recurrent_activation")
    'softer_sigmoid'

    Reference:
        This package.
    """
    _validate.flag("cell", cell)
    options = {}
    for label in checked_names("among", among, RECURRENT):
        cls: Any = RECURRENT[_validate.one_of("among", label, RECURRENT)][cell]
        options[label] = Build(cls, cls.search_space, units=units, **kwargs)
    return Choice(options).sample(hp, path_of(name, "yat_recurrent"))


def yat_attention(
    hp: Any, num_heads: int, key_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """Builds a `YatMultiHeadAttention`, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `normalization`, `score_bias` and `kernel_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        num_heads: Number of heads.
        key_dim: Size of each query and key head.
        name: Prefix of the hyperparameters, `"yat_attention"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_attention(hp, 4, 16, dropout=0.1)
    >>> hp.get("yat_attention/normalization")
    'softmax'

    Reference:
        This package.
    """
    cls, path = layers.YatMultiHeadAttention, path_of(name, "yat_attention")
    return layer(hp, cls, num_heads, key_dim, name=path, **kwargs)


def yat_linear_attention(
    hp: Any, num_heads: int, key_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """Builds a `YatLinearAttention`, searching its Yat arguments.

    These are epsilon, `score_bias` and `kernel_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        num_heads: Number of heads.
        key_dim: Size of each query and key head.
        name: Prefix of the hyperparameters, `"yat_linear_attention"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_linear_attention(hp, 4, 16)
    >>> hp.get("yat_linear_attention/epsilon")
    1.0

    Reference:
        This package.
    """
    cls, path = layers.YatLinearAttention, path_of(name, "yat_linear_attention")
    return layer(hp, cls, num_heads, key_dim, name=path, **kwargs)


def yat_embedding(
    hp: Any, input_dim: int, output_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """Builds a `YatEmbedding`, searching its Yat arguments.

    These are epsilon, alpha, `normalize`, `drop_connect` and `embeddings_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        input_dim: Number of rows of the table.
        output_dim: Length of a row.
        name: Prefix of the hyperparameters, `"yat_embedding"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_embedding(hp, 1000, 16, mask_zero=True).output_dim
    16

    Reference:
        This package.
    """
    cls, path = layers.YatEmbedding, path_of(name, "yat_embedding")
    return layer(hp, cls, input_dim, output_dim, name=path, **kwargs)
