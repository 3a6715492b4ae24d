"""The Yat product, Yat attention and rotary embedding as pure functions.

Each function is in a private module that registers it; the arithmetic is in `_numerics`.
"""

from __future__ import annotations

from keras_yat._register import FunctionCall
from keras_yat.ops._rotary_embedding import rotary_embedding
from keras_yat.ops._yat_attention import yat_attention
from keras_yat.ops._yat_linear_attention import yat_linear_attention
from keras_yat.ops._yat_product import yat_product

__all__ = [
    "FunctionCall",
    "rotary_embedding",
    "yat_attention",
    "yat_linear_attention",
    "yat_product",
]
