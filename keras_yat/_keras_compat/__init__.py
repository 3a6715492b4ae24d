"""All that depends on the internals of Keras: its private and undocumented names, and its types.

If Keras changes one, fix this folder. `tests/test_package.py` finds private names anywhere else.
"""

from keras_yat._keras_compat._attention import BaseAttention, TransformedAttention
from keras_yat._keras_compat._layers import QuantizedCall, ReversibleLayer
from keras_yat._keras_compat._models import is_functional, overrides_call, sharing, sublayers
from keras_yat._keras_compat._packing import pack_trits, unpack_trits
from keras_yat._keras_compat._recurrent import BaseDropoutCell, BaseRNN, FixedSeed, loop_of_rnn
from keras_yat._keras_compat._typed import (
    Callback,
    Constraint,
    Layer,
    Model,
    Operation,
    RandomNormal,
)
from keras_yat._keras_compat._variables import (
    changing_weights,
    forget_path,
    keep_apart,
    mark_quantized,
    move,
    own_variables,
    replace_weight,
    set_policy,
    set_weight,
)

__all__ = [
    "TRIED",
    "BaseAttention",
    "BaseDropoutCell",
    "BaseRNN",
    "Callback",
    "Constraint",
    "FixedSeed",
    "Layer",
    "Model",
    "Operation",
    "QuantizedCall",
    "RandomNormal",
    "ReversibleLayer",
    "TransformedAttention",
    "changing_weights",
    "forget_path",
    "is_functional",
    "keep_apart",
    "loop_of_rnn",
    "mark_quantized",
    "move",
    "overrides_call",
    "own_variables",
    "pack_trits",
    "replace_weight",
    "set_policy",
    "set_weight",
    "sharing",
    "sublayers",
    "unpack_trits",
]

TRIED = ("3.15.1", "3.16.0.dev2026102704")
"""The versions of Keras on which the tests passed. Of the nightly build on torch alone, without
float64 in attention: its `EinsumDense` with a bias returns float32.
"""
