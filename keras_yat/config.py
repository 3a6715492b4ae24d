"""Global settings of the package."""

from keras_yat import _precisions, _validate

_BACKWARD_PASSES = ("speed", "memory", "derived")

_backward_pass = "speed"
_precision = "auto"


def set_backward_pass(preference: str) -> None:
    """Sets how activations and Yat layers compute their gradients.

    The values are the same with each setting, and the gradients to rounding. Functions that were
    traced or compiled before (`jax.jit`, `tf.function`, a fitted model) do not change.

    Args:
        preference: One of

            - `"memory"`: hand-written backward passes. Activations compute their gradients from
              their input alone, and Yat layers from their inner products: one tensor is kept
              instead of every intermediate of the formula. Reverse mode works to any order (not for
              recurrent layers), and so does `jax.hessian`. Forward mode on JAX (`jax.jvp`,
              `jax.jacfwd`) and the transforms of `torch.func` do not, as they do not support
              Keras's custom gradients.
            - `"speed"`, the default: the same, but for activations that torch, not compiled,
              computes faster with the gradient that it derives: Mila, CosLU, SinLU, Nami,
              ScaledSoftSign, ReLUN, ScoreTanh, SofterSigmoid and Softermax. There they keep up to
              seven tensors of float32.
            - `"derived"`: the backend derives all gradients. Forward mode works then, and second
              derivatives of recurrent layers. More tensors are kept.

    Raises:
        ValueError: If `preference` is none of these.

    Example:

    >>> keras_yat.config.set_backward_pass("memory")
    >>> keras_yat.config.backward_pass()
    'memory'
    >>> keras_yat.config.set_backward_pass("speed")
    """
    global _backward_pass
    _backward_pass = _validate.one_of("preference", preference, _BACKWARD_PASSES)


def backward_pass() -> str:
    """The setting of `set_backward_pass`.

    Returns:
        A string.

    Example:

    >>> keras_yat.config.backward_pass()
    'speed'
    """
    return _backward_pass


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
