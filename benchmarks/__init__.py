"""Speed, memory and accuracy against Keras's layers: `python -m benchmarks.NAME`, from a clone.

A new benchmark is a module with `parse`, `measure` and `markdown`, run by `command.run` at its end.
"""

from examples.command import prepare

prepare(__file__, "studies")
