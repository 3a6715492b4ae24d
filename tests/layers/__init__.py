"""Tests of the layers: the checks of every layer, arguments, and use in models.

A new activation needs no change here; a new Yat layer needs a line of `LAYERS` in `test_yat.py`.
"""
