"""A model for every layer and every way of using it, for tests of files, graphs and exports."""

import keras
import numpy as np

import keras_yat
from keras_yat.quantizers import Ternary
from tests.helpers import draw, operands
from tests.layers import catalogue
from tests.layers.test_yat import LAYERS, sharing_model
from tests.layers.test_yat_recurrent_use import KINDS

CELLS = {kind: getattr(keras_yat, f"Yat{kind}Cell") for kind in KINDS}


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def recurrent(kind, **arguments):
    return getattr(keras_yat, f"Yat{kind}")(3, **arguments)


def attention(call, cls=keras_yat.YatMultiHeadAttention):
    """A model of `call(layer, x, other)`, with masked positions in x."""
    layer = cls(2, 4, num_key_value_heads=1, rope_max_wavelength=100.0)
    inputs = keras.Input((4, 6))
    x = keras.layers.Masking()(inputs)
    return keras.Model(inputs, call(layer, x, keras.layers.Dense(6)(x)))


def graph(layer):
    """A model of one input, from which the edges follow, some of them padding."""
    inputs = keras.Input((4, 3))
    x = keras.layers.Masking()(inputs)
    return keras.Model(inputs, layer(*operands(layer, x)))


def tied():
    rows = keras_yat.YatEmbedding(7, 4, mask_zero=True)
    inputs = keras.Input((3,), dtype="int32")
    return keras.Model(inputs, rows.score(keras.layers.Dense(4)(rows(inputs))))


def quantized(model, mode):
    model.quantize(mode, filters="^yat")
    return model


# Models, each with the shapes of its inputs.
MODELS = {
    **{
        name: (lambda cls=cls, a=catalogue.ARGUMENTS[name]: sequential((3, 4), cls(**a)), (3, 4))
        for name, cls in catalogue.ALL.items()
    },
    "per channel": (lambda: sequential((3, 4), keras_yat.Nami(axis=-1)), (3, 4)),
    "in a stock layer": (
        lambda: sequential((4,), keras.layers.Dense(3, activation=keras_yat.CosLU())),
        (4,),
    ),
    **{
        name: (lambda n=name, k=kwargs, s=shape: sequential(s, getattr(keras_yat, n)(**k)), shape)
        for name, (kwargs, shape) in LAYERS.items()
    },
    "owner first": (lambda: sharing_model("owner first")[0], (6,)),
    "owner last": (lambda: sharing_model("owner last")[0], (6,)),
    "int8 and LoRA": (
        lambda: quantized(
            sequential(
                (4, 4, 2),
                keras_yat.YatConv2D(4, 2, lora_rank=2),
                keras.layers.Flatten(),
                keras_yat.YatDense(3),
            ),
            "int8",
        ),
        (4, 4, 2),
    ),
    "ternary": (
        lambda: sequential(
            (4, 4, 2),
            keras_yat.YatConv2D(3, 2, kernel_quantizer="ternary"),
            keras_yat.YatDepthwiseConv2D(2, kernel_quantizer=Ternary(0.7, save_latent=True)),
            keras.layers.Flatten(),
            keras_yat.YatDense(3, kernel_quantizer="ternary"),
        ),
        (4, 4, 2),
    ),
    "normalized": (
        lambda: sequential(
            (4, 2),
            keras_yat.YatLayerNormalization([1, 2]),
            keras_yat.YatConv1D(3, 2),
            keras_yat.YatBatchNormalization(),
            keras.layers.SpectralNormalization(keras_yat.YatDense(2)),
        ),
        (4, 2),
    ),
    "int4, tied": (lambda: quantized(tied(), "int4"), np.array([[1, 2, 6], [3, 0, 0]], "int32")),
    "tied": (tied, np.array([[1, 2, 6], [3, 0, 0]], "int32")),
    **{
        f"Yat{kind}": (lambda k=kind: sequential((4, 2), recurrent(k, activation="coslu")), (4, 2))
        for kind in KINDS
    },
    **{
        f"bidirectional {kind}": (
            lambda k=kind: sequential(
                (4, 2), keras.layers.Bidirectional(recurrent(k, return_sequences=True))
            ),
            (4, 2),
        )
        for kind in KINDS
    },
    **{
        f"cells {kind}": (
            lambda cell=cell: sequential((4, 2), keras.layers.RNN([cell(3), cell(2, dropout=0.1)])),
            (4, 2),
        )
        for kind, cell in CELLS.items()
    },
    "distributed": (
        lambda: sequential(
            (4, 2),
            keras.layers.TimeDistributed(
                sequential((2,), keras.layers.Reshape((2, 1)), recurrent("GRU"))
            ),
        ),
        (4, 2),
    ),
    "stateful": (
        lambda: keras.Sequential(
            [keras.Input(batch_shape=(2, 4, 2)), recurrent("LSTM", stateful=True)]
        ),
        (4, 2),
    ),
    "graph convolution": (
        lambda: graph(keras_yat.YatGraphConv(3, activation="coslu")), (4, 3)
    ),
    "graph attention": (
        lambda: graph(keras_yat.YatGraphAttention(2, 3, score_bias="learned")), (4, 3)
    ),
    "attention, causal": (
        lambda: attention(lambda layer, x, other: layer(x, other, use_causal_mask=True)),
        (4, 6),
    ),
    "linear attention": (
        lambda: attention(lambda layer, x, other: layer(x, other), keras_yat.YatLinearAttention),
        (4, 6),
    ),
    "attention, keys": (lambda: attention(lambda layer, x, other: layer(x, other, x)), (4, 6)),
    "attention, scores": (
        lambda: attention(
            lambda layer, x, other: layer(x, other, return_attention_scores=True)[1]
        ),
        (4, 6),
    ),
}  # fmt: skip


def inputs_of(shape):
    if isinstance(shape, np.ndarray):
        return shape
    x = draw((2, *shape))
    if len(shape) == 2:
        x[0, 2:] = 0.0  # masked in models with a mask
    return x


def attention_of_any_length(**arguments):
    layer = keras_yat.YatMultiHeadAttention(2, 4, **arguments)
    inputs = keras.Input((None, 6))
    return keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))


# Models of inputs of any length, each with the shape of an input.
OF_ANY_LENGTH = {
    "activation": (lambda: sequential((None, 4), keras_yat.Nami(axis=-1)), (5, 4)),
    "dense": (lambda: sequential((None, 4), keras_yat.YatDense(3, normalize="sphere")), (5, 4)),
    "convolution": (lambda: sequential((None, 4), keras_yat.YatConv1D(3, 2)), (5, 4)),
    "causal convolution": (
        lambda: sequential((None, 4), keras_yat.YatConv1D(3, 2, padding="causal")),
        (5, 4),
    ),
    "transposed convolution": (
        lambda: sequential((None, 4), keras_yat.YatConv1DTranspose(3, 2, strides=2)),
        (5, 4),
    ),
    "image": (lambda: sequential((None, None, 2), keras_yat.YatConv2D(3, 2)), (5, 6, 2)),
    "large image": (lambda: sequential((256, 256, 3), keras_yat.YatConv2D(8, 3)), (256, 256, 3)),
    "attention": (attention_of_any_length, (6, 6)),
    "attention, one block": (lambda: attention_of_any_length(block_size=None), (6, 6)),
    "attention, blocks": (
        lambda: attention_of_any_length(
            block_size=2,
            rope_max_wavelength=100.0,
            normalization="softermax",
            sliding_window=3,
            num_key_value_heads=1,
        ),
        (6, 6),
    ),
}

# As above; torch has no loops of any length.
IN_LOOPS = {
    kind: (lambda k=kind: sequential((None, 2), recurrent(k, return_sequences=True)), (5, 2))
    for kind in KINDS
}
