"""Typical uses, which a type checker accepts: `pyright` reads this file, nothing runs it."""

import keras
import numpy as np

import keras_yat
from keras_yat import activations, callbacks, initializers, ops, plot, search

x = np.ones((2, 8, 8, 3), "float32")


def stock(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A function of a user, for any layer of Keras."""
    return layer


# Layers, with the arguments of Keras by position and by name.
stock(keras_yat.Mila())
stock(keras_yat.YatDense(8))
stock(keras_yat.YatLSTM(4))
stock(keras_yat.YatMultiHeadAttention(2, 8))
keras_yat.YatLSTM(4, "tanh", "sigmoid")
keras_yat.YatGRU(4, keras_yat.SoftTanh(), return_sequences=True, name="gru", dtype="float32")
keras_yat.YatConv2D(16, 3, 2, "same", kernel_initializer="he_normal", groups=1)
keras_yat.YatConv2D(16, (3, 5), strides=[1, 2], activation=keras_yat.Nami(axis=-1))
keras_yat.YatConv3DTranspose(4, 3, 2, "same", "channels_last", 1)
keras_yat.YatDense(10, "nami", kernel_regularizer=keras.regularizers.L2(1e-4), epsilon=1e-3)
keras_yat.YatDense(10, alpha=None, normalize="sphere", distance="direct", trainable=False)
keras_yat.YatDense(10, kernel_multiplier=1).prototypes()
keras_yat.YatDense(10).add_prototypes(x, bias=0.0)
keras_yat.YatDense(10).remove_prototypes([0, -1])
keras_yat.YatConv1D(10, 3, kernel_multiplier="auto")
keras_yat.YatDense(10, kernel_from=keras_yat.YatDense(20), kernel_slice=(0, 10))
keras_yat.YatEmbedding(100, 16, mask_zero=True).score(x)
keras_yat.YatMultiHeadAttention(4, 8, normalization="softermax", power=2, block_size=64)
keras.layers.RNN([keras_yat.YatLSTMCell(4), keras_yat.YatGRUCell(4)])

# Activations and their parameters.
keras_yat.Nami(0.2, 1.5, b="ones", bounds={"w": (0.1, None), "a": None})
keras_yat.CosLU(alpha=keras.initializers.Constant(0.5), beta=np.ones(3))
keras_yat.LinComb([0.5, 0.5], functions=["gelu", keras.ops.tanh])
keras_yat.Softermax(power=2, axis=(1, 2))
keras.layers.Dense(8, activation=keras_yat.Mila(beta=0.0))
mila: keras.layers.Layer = activations.get("mila")
activations.nami(x, w=0.3)
activations.softermax([1.0, 2.0], power=2)
ops.yat_product(x, np.ones((3, 4)), bias=0.5, epsilon=1.0, normalize="kernel")
ops.yat_attention(x, x, x, is_causal=True, dropout=0.1, seed=1)

# Published weights.
keras_yat.convert.from_nmn({"weight": np.ones((3, 8))}, framework="torch", use_alpha=False)

# Trained networks.
trained: keras.Model = keras_yat.zoo.load("digits")
accuracy: float = keras_yat.zoo.card("digits")["test"]["accuracy"]
indices: np.ndarray = keras_yat.zoo.encode("tinyshakespeare", "To be")
text: str = keras_yat.zoo.decode("tinyshakespeare", indices)

# A model, its training and its pictures.
model = keras.Sequential([keras.Input((8,)), keras_yat.YatDense(4), keras_yat.Nami()])
model.compile("adam", "mse")
recorded = callbacks.ParameterHistory(steps=10, path="parameters.npz")
live = callbacks.LivePlot({"a": x}, every=2, path="live.png", log_dir="logs")
model.fit(x, x, callbacks=[recorded, live])
live.plot().interactive().show()
epochs: np.ndarray = recorded.epochs
figure, arrays = plot.curves("mila", {"beta": [-1.0, 0.0]}, low=-4)
curve: np.ndarray = arrays["x"]
layer = keras_yat.YatConv2D(4, 3, kernel_initializer=initializers.YatNormal(0.35, seed=1))
layer.adapt(x, samples=100)
units: int = keras_yat.YatGRU(4).units
filters: int = layer.filters
config: dict[str, object] = layer.get_config()


def build(hp: object) -> keras.Model:
    hidden = search.activation(hp, "hidden", among=["nami", "relu"])
    return keras.Sequential([hidden, search.yat_dense(hp, 10, drop_connect=0.1)])
