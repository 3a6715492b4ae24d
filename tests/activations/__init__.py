"""Tests of the activations as pure functions, against `tests/reference.py`.

A new activation needs a `Case` there and no change here.
"""
