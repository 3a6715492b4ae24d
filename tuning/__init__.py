"""Keras Tuner studies from TOML files: `python -m tuning.study`, from a clone.

A new study is a file in `configs/`; a new network is a function in `models.py`; a new data set is
a module in `examples/data/`.
"""

from examples.command import prepare

prepare(__file__, "search,studies", "keras_tuner", "grpc", "six")
