"""The named precisions of products."""

PRECISIONS = {"float32": 23, "tensorfloat32": 10, "bfloat16": 7}
"""Bits of the mantissa behind the leading one."""
