"""Runnable studies and demos on real data: `python -m examples.NAME`, from a clone."""

from examples.command import prepare

prepare(
    __file__, "examples", "keras", "matplotlib", "numpy", "pydantic", "scipy", "sklearn", "tqdm"
)
