"""Global settings of the package."""

from keras_yat import _precisions, _validate

_custom_gradient = True
_precision = "auto"


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


def set_product_precision(precision: str) -> None:
    """Sets the precision that Yat layers expect of float32 products.

    Some hardware rounds the factors of float32 products: NVIDIA GPUs to TF32, TPUs to bfloat16.
    Yat layers then round inputs and kernels in the same way before they compute norms, so that
    distances are those of the rounded vectors, and take no distance below the rounding error.

    Args:
        precision: `"auto"`, the default, to measure it once for each operation on Keras's device;
            `"float32"`, `"tensorfloat32"` or `"bfloat16"` to give it, for example where a model is
            traced on another device than it runs on. It does not change how products are computed:
            that is a setting of the backend.

    Raises:
        ValueError: If `precision` is none of these.

    Example:

    >>> keras_yat.config.set_product_precision("tensorfloat32")
    >>> keras_yat.config.product_precision()
    'tensorfloat32'
    >>> keras_yat.config.set_product_precision("auto")
    """
    global _precision
    _precision = _validate.one_of("precision", precision, ("auto", *_precisions.PRECISIONS))


def product_precision() -> str:
    """The setting of `set_product_precision`.

    Returns:
        A string.

    Example:

    >>> keras_yat.config.product_precision()
    'auto'
    """
    return _precision
