"""Typical mistakes, each of which a type checker reports: `pyright` reads this, nothing runs it.

An ignored error that is not there is an error itself.
"""

import keras_yat
from keras_yat import activations, callbacks, initializers, ops, plot, search

# Arguments that do not exist, or are misspelt.
keras_yat.YatDense(10, epsilom=1e-3)  # pyright: ignore[reportCallIssue]
keras_yat.YatDense(10, lora_ranks=4)  # pyright: ignore[reportCallIssue]
keras_yat.YatConv2D(10, 3, dilation=2)  # pyright: ignore[reportCallIssue]
keras_yat.YatLSTM(4, use_cudnn=False)  # pyright: ignore[reportCallIssue]
keras_yat.YatGRU(4, return_sequence=True)  # pyright: ignore[reportCallIssue]
keras_yat.YatSimpleRNNCell(4, recurrent_activation="tanh")  # pyright: ignore[reportCallIssue]
keras_yat.YatMultiHeadAttention(4, 8, num_kv_heads=2)  # pyright: ignore[reportCallIssue]
keras_yat.YatEmbedding(100, 16, embedding_initializer="zeros")  # pyright: ignore[reportCallIssue]
keras_yat.Mila(alpha=1.0)  # pyright: ignore[reportCallIssue]
keras_yat.HELU(n=0.5)  # pyright: ignore[reportCallIssue]
keras_yat.Softermax(temperature=2.0)  # pyright: ignore[reportCallIssue]
activations.nami([1.0], omega=0.3)  # pyright: ignore[reportCallIssue]
ops.yat_product([[1.0]], [[1.0]], eps=1.0)  # pyright: ignore[reportCallIssue]
initializers.YatNormal(scale=0.35)  # pyright: ignore[reportCallIssue]
callbacks.ParameterHistory(every=10)  # pyright: ignore[reportCallIssue]
callbacks.LivePlot([1.0, 2.0], epochs=10)  # pyright: ignore[reportCallIssue]
plot.curves("mila", xlim=4)  # pyright: ignore[reportCallIssue]
search.optimizer(None, names=["adam"])  # pyright: ignore[reportCallIssue]

# Arguments that are missing, too many, or by position where only the name will do.
keras_yat.YatDense()  # pyright: ignore[reportCallIssue]
keras_yat.YatConv1D(8)  # pyright: ignore[reportCallIssue]
keras_yat.YatMultiHeadAttention(8)  # pyright: ignore[reportCallIssue]
keras_yat.Mila(0.0, -1, None, "mila")  # pyright: ignore[reportCallIssue]
ops.yat_product([[1.0]], [[1.0]], None, 1e-5, 2.0)  # pyright: ignore[reportCallIssue]

# Values of another type.
keras_yat.YatDense("10")  # pyright: ignore[reportArgumentType]
keras_yat.YatDense(10, epsilon="small")  # pyright: ignore[reportArgumentType]
keras_yat.YatDense(10, normalize="spheres")  # pyright: ignore[reportArgumentType]
keras_yat.YatDense(10, kernel_multiplier="he")  # pyright: ignore[reportArgumentType]
keras_yat.YatDense(10, alpha="constant")  # pyright: ignore[reportArgumentType]
keras_yat.YatConv2D(10, kernel_size="3")  # pyright: ignore[reportArgumentType]
keras_yat.YatMultiHeadAttention(4, 8, flash_attention=True)  # pyright: ignore[reportArgumentType]
keras_yat.YatMultiHeadAttention(4, 8, normalization="sum")  # pyright: ignore[reportArgumentType]
keras_yat.convert.from_nmn({}, framework="pytorch")  # pyright: ignore[reportArgumentType]
keras_yat.Nami(axis="channels")  # pyright: ignore[reportArgumentType]
keras_yat.Nami(bounds=(0.1, 0.5))  # pyright: ignore[reportArgumentType]
keras_yat.Mila(name=3)  # pyright: ignore[reportArgumentType]

# Names that do not exist.
keras_yat.YatDens(3)  # pyright: ignore[reportAttributeAccessIssue]
activations.nammi([1.0])  # pyright: ignore[reportAttributeAccessIssue]
