"""Switches that hold for the whole package."""

_custom_gradient = True


def enable_custom_gradient() -> None:
    """Lets activations compute their gradients from their input alone.

    And Yat layers from their inner products. This is the default. One tensor
    is kept for the backward pass instead of every intermediate of the formula. Reverse mode
    works to any order, and so does `jax.hessian`. Forward mode on JAX (`jax.jvp`,
    `jax.jacfwd`) and the transforms of `torch.func` do not, as they cannot go
    through a custom gradient of Keras.

    Example:

    >>> keras_yat.config.enable_custom_gradient()
    >>> keras_yat.config.is_custom_gradient_enabled()
    True
    """
    _set(True)


def disable_custom_gradient() -> None:
    """Brings back the plain composition of `keras.ops`, and with it forward mode.

    The values and gradients stay the same; more is kept for the backward
    pass. What was traced or compiled before (`jax.jit`, `tf.function`, a
    model that has been fitted) keeps the form that it was traced with.

    Example:

    >>> keras_yat.config.disable_custom_gradient()
    >>> keras_yat.config.is_custom_gradient_enabled()
    False
    >>> keras_yat.config.enable_custom_gradient()
    """
    _set(False)


def is_custom_gradient_enabled() -> bool:
    """Whether activations compute their gradients from their input alone.

    Example:

    >>> keras_yat.config.is_custom_gradient_enabled()
    True
    """
    return _custom_gradient


def _set(value: bool) -> None:
    global _custom_gradient
    _custom_gradient = value
