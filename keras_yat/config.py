"""Global settings of the package."""

_custom_gradient = True


def enable_custom_gradient() -> None:
    """Enables the hand-written backward passes of activations and Yat layers.

    This is the default. Activations compute their gradients from their input alone, and Yat
    layers from their inner products: the backward pass keeps one tensor instead of every
    intermediate of the formula. Reverse mode works to any order, and so does `jax.hessian`.
    Forward mode on JAX (`jax.jvp`, `jax.jacfwd`) and the transforms of `torch.func` do not
    work, as they do not support Keras's custom gradients.

    Example:

    >>> keras_yat.config.enable_custom_gradient()
    >>> keras_yat.config.is_custom_gradient_enabled()
    True
    """
    _set(True)


def disable_custom_gradient() -> None:
    """Disables the hand-written backward passes: gradients then come from `keras.ops` alone.

    Forward mode works then. Values and gradients stay the same; the backward pass keeps more
    tensors. Functions that were traced or compiled before (`jax.jit`, `tf.function`, a model
    that has been fitted) do not change.

    Example:

    >>> keras_yat.config.disable_custom_gradient()
    >>> keras_yat.config.is_custom_gradient_enabled()
    False
    >>> keras_yat.config.enable_custom_gradient()
    """
    _set(False)


def is_custom_gradient_enabled() -> bool:
    """Whether the hand-written backward passes are enabled.

    Returns:
        A bool.

    Example:

    >>> keras_yat.config.is_custom_gradient_enabled()
    True
    """
    return _custom_gradient


def _set(value: bool) -> None:
    global _custom_gradient
    _custom_gradient = value
