"""Layers from published weights of the package `nmn`."""

from typing import Any, Literal

from keras_yat.convert._nmn.attention import attention
from keras_yat.convert._nmn.neurons import conv, conv_transpose, dense, embedding
from keras_yat.convert._nmn.source import NmnSource

_BUILDERS = {
    "dense": dense,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "embedding": embedding,
    "attention": attention,
}


def from_nmn(
    source: Any,
    *,
    kind: Literal["dense", "conv", "conv_transpose", "embedding", "attention"] | None = None,
    framework: Literal["keras", "nnx", "linen", "torch", "tf", "mlx"] | None = None,
    **options: Any,
) -> Any:
    """The layer of this package with the outputs of a layer of the package `nmn`.

    Takes the layer, or a mapping of its weights, such as a `state_dict` of torch or the `params` of
    flax. `nmn` itself is not needed for weights. What the weights do not contain has to be given in
    `options`, if it differs from the defaults that all front ends of `nmn` have in common.

    The data format is that of the source: channels first for torch. A learned epsilon, which `nmn`
    stores as the argument of a softplus, and a learned alpha stay trainable. A bias that neurons
    share, or that is stored as the argument of a softplus, becomes one of each neuron; a kernel
    with a mask becomes their product. `kernel_multiplier` is 1.

    Args:
        source: A built layer of `nmn` 0.3.5 (for linen a bound module), or a mapping of names to
            arrays: those of one layer, without a prefix; nested, or with dots in the names.
        kind: Kind of the layer; None to derive it from its class or weights. Kernels of a
            convolution and of a transposed one look alike: with their weights it has to be given.
        framework: Front end of `nmn`, which determines the layout of kernels; None to derive it
            from the class of a layer.
        **options: Attributes of the layer, by their names in `nmn`: `epsilon`, `constant_alpha`,
            `spherical`, `strides`, `padding`, `num_heads` … They precede those of a layer.

    Returns:
        A built layer: `YatDense`, `YatConv…`, `YatConv…Transpose`, `YatEmbedding` or
        `YatMultiHeadAttention`. With paddings that Keras does not have it is a `keras.Sequential`
        of that layer and one that pads or crops: a convolution of torch with stride 2 and padding 1
        is not a `"same"` one. Attention of one input x is `layer(x, x)`, and the tied head of an
        embedding `layer.score(x)`.

    Raises:
        ValueError: If something is missing, unknown or ambiguous, or has no counterpart here.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> weights = {"weight": rng.normal(size=(10, 64)), "bias": np.zeros(10), "alpha": [1.2]}
    >>> layer = keras_yat.convert.from_nmn(weights, framework="torch", epsilon=1e-5)
    >>> layer(rng.random((32, 64))).shape == (32, 10)
    True

    Reference:
        The package `nmn` 0.3.5; T. Bouhsine, Deep Learning 2.0: Artificial Neurons That Matter,
        2024. Formulas and layouts are those that its layers show when they run.
    """
    found = NmnSource(source, kind, framework, options)
    return _BUILDERS[found.kind](found)
