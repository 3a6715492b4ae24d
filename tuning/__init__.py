"""Keras Tuner studies from a TOML file, on one machine or many: `python -m tuning.study`."""
