"""Tests of `keras_yat.convert`."""
