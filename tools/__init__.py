"""Tools that write parts of the source, for developers: `python -m tools.arguments`.

A tool has a `--check` option that a test calls, so that the source cannot be stale.
"""
