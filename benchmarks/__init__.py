"""Speed, memory and accuracy against Keras's layers: `python -m benchmarks.NAME`, from a clone."""

from examples.command import prepare

prepare(__file__, "examples")
