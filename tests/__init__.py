"""The tests: `python -m tests`. They mirror `keras_yat` folder by folder.

`helpers.py` has the contract of a layer, `reference*.py` the definitions in float64 NumPy.
"""
