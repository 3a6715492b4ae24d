"""Search space of an optimizer."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_yat import _validate
from keras_yat._space import Build, Choice, Float
from keras_yat.search._arguments import checked_names, path_of

_RATE = Float(1e-4, 3e-2, log=True)
_OPTIMIZERS = {
    "adam": Build(keras.optimizers.Adam, {"learning_rate": _RATE}),
    "adamw": Build(
        keras.optimizers.AdamW,
        {"learning_rate": _RATE, "weight_decay": Float(1e-4, 1e-1, log=True)},
    ),
    "rmsprop": Build(keras.optimizers.RMSprop, {"learning_rate": _RATE}),
    "sgd": Build(
        keras.optimizers.SGD,
        {"learning_rate": Float(1e-3, 0.3, log=True), "momentum": Float(0.0, 0.95)},
        nesterov=True,
    ),
}


def optimizer(
    hp: Any, name: str | None = None, among: Iterable[str] | None = None
) -> keras.optimizers.Optimizer:
    """Samples an optimizer, its learning rate, and its momentum or weight decay.

    Args:
        hp: `HyperParameters` of a model-building function.
        name: Prefix of the hyperparameters, `"optimizer"` by default.
        among: Names to choose from: `"adam"`, `"adamw"`, `"rmsprop"`, `"sgd"` (with
            Nesterov momentum). All of them by default.

    Returns:
        The optimizer.

    Raises:
        ValueError: If a name is unknown, or `among` is empty.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> optimizer = keras_yat.search.optimizer(hp, among=["adam", "sgd"])
    >>> hp.values
    {'optimizer': 'adam', 'optimizer/adam/learning_rate': 0.001}

    Reference:
        This package.
    """
    found = checked_names("among", among, _OPTIMIZERS)
    options = {n: _OPTIMIZERS[_validate.one_of("among", n, _OPTIMIZERS)] for n in found}
    return Choice(options).sample(hp, path_of(name, "optimizer"))
