"""The tests: `python -m tests`. They mirror `keras_yat` folder by folder.

`helpers.py` has the checks of every layer, `reference*.py` the definitions in float64 NumPy.
"""
