"""Search spaces of graph layers."""

from typing import Any

from keras_yat import layers
from keras_yat.search._arguments import path_of
from keras_yat.search._layers import layer


def yat_graph_conv(hp: Any, units: int, name: str | None = None, **kwargs: Any) -> Any:
    """Builds a `YatGraphConv`, searching its Yat arguments.

    These are those of `yat_dense`, and `normalization`.

    Args:
        hp: `HyperParameters` of a model-building function.
        units: Number of neurons.
        name: Prefix of the hyperparameters, `"yat_graph_conv"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> layer = keras_yat.search.yat_graph_conv(hp, 16)
    >>> hp.get("yat_graph_conv/normalization")
    'symmetric'

    Reference:
        This package.
    """
    return layer(hp, layers.YatGraphConv, units, name=path_of(name, "yat_graph_conv"), **kwargs)


def yat_graph_attention(
    hp: Any, num_heads: int, key_dim: int, name: str | None = None, **kwargs: Any
) -> Any:
    """Builds a `YatGraphAttention`, searching its Yat arguments.

    These are epsilon, `score_bias`, `normalize` and `kernel_initializer`.

    Args:
        hp: `HyperParameters` of a model-building function.
        num_heads: Number of heads.
        key_dim: Size of each query and key head.
        name: Prefix of the hyperparameters, `"yat_graph_attention"` by default.
        **kwargs: Arguments of the layer. They are fixed: not searched.

    Returns:
        The layer.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> keras_yat.search.yat_graph_attention(hp, 4, 8, concat_heads=False).num_heads
    4

    Reference:
        This package.
    """
    cls, path = layers.YatGraphAttention, path_of(name, "yat_graph_attention")
    return layer(hp, cls, num_heads, key_dim, name=path, **kwargs)
