"""Tests of the activations as pure functions, against `tests/reference.py`.

A new activation is a `Case` there, and nothing here.
"""
