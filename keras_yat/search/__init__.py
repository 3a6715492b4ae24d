"""Search spaces for Keras Tuner and Optuna: activations, Yat layers and optimizers.

Each function takes the `hp` of a model-building function and returns a layer (or an optimizer)
whose arguments are hyperparameters. The class of the layer defines the searchable arguments, their
ranges and scales. Arguments that are passed are constant.

    def build(hp):
        hidden = keras.layers.Dense(64, activation=keras_yat.search.activation(hp, "hidden"))
        model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10)])
        model.compile(keras_yat.search.optimizer(hp), "sparse_categorical_crossentropy")
        return model

The default of each hyperparameter is the default of the argument: the first configuration of a
grid search is the default layer. Hyperparameters of an option are conditional on that option. Two
calls with the same name share their hyperparameters but return separate layers. Any object with the
methods of `keras_tuner.HyperParameters` works, such as that of `from_optuna`; neither Keras Tuner
nor Optuna is imported.
"""

from keras_yat.search._activation import activation
from keras_yat.search._convolutions import yat_conv, yat_depthwise_conv, yat_separable_conv
from keras_yat.search._graphs import yat_graph_attention, yat_graph_conv
from keras_yat.search._layers import (
    layer,
    yat_attention,
    yat_dense,
    yat_embedding,
    yat_linear_attention,
    yat_recurrent,
)
from keras_yat.search._optimizer import optimizer
from keras_yat.search._optuna import from_optuna

__all__ = [
    "activation",
    "from_optuna",
    "layer",
    "optimizer",
    "yat_attention",
    "yat_conv",
    "yat_dense",
    "yat_depthwise_conv",
    "yat_embedding",
    "yat_graph_attention",
    "yat_graph_conv",
    "yat_linear_attention",
    "yat_recurrent",
    "yat_separable_conv",
]
