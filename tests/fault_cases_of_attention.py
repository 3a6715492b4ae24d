"""The faults of `tests.faults` in attention."""

from tests.fault import Fault

LAYERS = "keras_yat/layers"
OF_ATTENTION = [
    Fault(
        "masks: keys of attention",
        "keras_yat/_numerics/attention_masks.py",
        'found.append(_positions_mask("key_mask", key_mask, of_key, (1, 2, 3)))',
        '_positions_mask("key_mask", key_mask, of_key, (1, 2, 3))',
        "tests/test_attention.py",
    ),
    Fault(
        "masks: causal",
        "keras_yat/_numerics/attention_masks.py",
        "parts.append(columns <= rows)",
        "parts.append(columns < rows + 2)",
        "tests/test_attention.py",
    ),
    Fault(
        "sparse attention: the end of a block",
        "keras_yat/_numerics/sparse_pattern.py",
        "gap = np.maximum(columns - (rows + last), rows - (columns + last))",
        "gap = np.maximum(columns - rows, rows - columns)",
        "tests/test_sparse_attention.py",
    ),
    Fault(
        "sparse attention: keys behind the last one",
        "keras_yat/_numerics/sparse_attention.py",
        "there = _positions(columns, step) < keys",
        "there = _positions(columns, step) >= 0",
        "tests/test_sparse_attention.py",
    ),
    Fault(
        "linear attention: the order of causal sums",
        "keras_yat/_numerics/linear_attention.py",
        "there = places >= rows if self._reverse else places <= rows",
        "there = places <= rows",
        "tests/test_linear_attention.py",
    ),
    Fault(
        "linear attention: masked keys",
        "keras_yat/ops/_yat_linear_attention.py",
        "value = ops.where(mask, value, ops.zeros_like(value))",
        "value = ops.where(mask, value, value)",
        "tests/test_linear_attention.py",
    ),
    Fault(
        "axes of attention",
        f"{LAYERS}/_attention_axes.py",
        "back = sorted(range(len(order)), key=order.__getitem__)",
        "back = list(range(len(order)))",
        "tests/layers/test_yat_attention.py",
    ),
]
