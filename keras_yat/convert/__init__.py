"""Conversion of layers and weights of other packages."""

from keras_yat.convert._from_nmn import from_nmn

__all__ = ["from_nmn"]
