"""A fault of the code, for `tests.faults`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Text of a file, what replaces it, and the tests that it concerns."""

    area: str
    file: str
    old: str
    new: str
    tests: str
