"""Keras Tuner studies from TOML files: `python -m tuning.study`, from a clone."""

from examples.command import prepare

prepare(__file__, "tuner", "keras_tuner", "grpc", "six")
