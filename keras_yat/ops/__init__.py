"""The Yat product and Yat attention, as pure functions."""

from keras_yat.ops._attention import yat_attention
from keras_yat.ops._product import yat_product

__all__ = ["yat_attention", "yat_product"]
