"""Tests of the layers: the contract of each, its arguments, its use.

A new activation needs nothing here; a new Yat layer is a line of `LAYERS` in `test_yat.py`.
"""
