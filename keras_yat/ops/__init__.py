"""The Yat product and Yat attention, and what goes with it, as pure functions."""

from keras_yat.ops._attention import yat_attention
from keras_yat.ops._product import yat_product
from keras_yat.ops._rotary import rotary_embedding

__all__ = ["rotary_embedding", "yat_attention", "yat_product"]
