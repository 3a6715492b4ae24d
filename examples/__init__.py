"""Runnable examples and trainings on real data: `python -m examples.NAME`, from a clone.

A new example is a module with `parse`, `main` and `command.start(parse, main)` at its end; a new
data set is a module in `data/`; a new network is a file in `configs/`.
"""

from examples.command import prepare

prepare(
    __file__,
    "studies",
    "keras",
    "matplotlib",
    "networkx",
    "numpy",
    "pydantic",
    "scipy",
    "sklearn",
    "tqdm",
)
