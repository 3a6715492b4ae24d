"""Yat attention in half, single and double precision."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat.ops import yat_attention
from tests import reference_attention
from tests.attention_cases import DTYPES, MASK, assert_near, check_against_the_definition, operands
from tests.helpers import (
    compiled,
    double_precision,
    draw,
    to_numpy,
    value_and_gradients,
)


@pytest.mark.parametrize("block_size", [None, 1])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
@pytest.mark.parametrize(
    ("dtype", "near", "far"), [("float32", 0.01, 0.03), ("bfloat16", 0.05, 0.15)]
)
def test_the_nearer_of_two_keys_wins(dtype, near, far, normalization, block_size):
    """Distances are relative to the norm of the query; either key may be the nearer one."""
    query = np.repeat(draw((200, 1, 1, 16)), 2, axis=1)
    norm = np.linalg.norm(query, axis=-1, keepdims=True)
    step = draw((200, 2, 1, 16), seed=1)
    step *= norm / np.linalg.norm(step, axis=-1, keepdims=True)
    # With these values the output is the weights.
    value = np.broadcast_to(np.eye(2, dtype="float32")[:, None], (200, 2, 1, 2))
    for apart in ([near, far], [far, near]):
        key = query + np.array(apart, "float32")[:, None, None] * step
        tensors = (ops.cast(t, dtype) for t in (query, key, value))
        found = yat_attention(*tensors, normalization=normalization, block_size=block_size)
        nearer = to_numpy(found)[..., np.argmin(apart)]
        assert np.all(nearer > (0.99 if normalization == "softmax" else 0.85))


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_finite_in_each_precision(dtype, normalization, block_size):
    """Entries of 1e3, keys equal to the queries, no allowed key, and all combinations."""
    shape = (8, 4, 2, 8)
    large, same, empty = (np.arange(8).reshape(-1, 1, 1, 1) >> bit & 1 > 0 for bit in range(3))
    query, key, value = (draw(shape, seed=i, scale=np.where(large, 1e3, 1.0)) for i in range(3))
    tensors = query, np.where(same, query, key), value
    found, gradients = value_and_gradients(
        compiled(
            lambda *tensors: yat_attention(
                *tensors,
                mask=~empty | (np.arange(4) != 1)[:, None],
                normalization=normalization,
                block_size=block_size,
            )
        ),
        *(ops.cast(t, dtype) for t in tensors),
        upstream=draw(shape, seed=4),
    )
    for tensor in (found, *gradients):
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
        assert np.all(np.isfinite(to_numpy(tensor)))


@pytest.mark.optimized
@pytest.mark.parametrize(
    ("dtype", "limit"), [("float32", 1e-5), ("bfloat16", 2e-2), ("float16", 5e-3)]
)
def test_generic_inputs_in_each_precision(dtype, limit):
    """The definition gets the inputs rounded to the dtype."""
    arrays = {n: ops.cast(a, dtype) for n, a in operands(4, 4, size=16, value_size=8).items()}
    upstream = draw((2, 5, 4, 8), seed=3)
    value, found = value_and_gradients(
        compiled(lambda *tensors: yat_attention(*tensors, epsilon=0.1)),
        *arrays.values(),
        upstream=upstream,
    )
    exact = {n: to_numpy(a) for n, a in arrays.items()}
    assert_near(value, reference_attention.attention(**exact, epsilon=0.1)[0], limit)
    truth = reference_attention.gradients(to_numpy(ops.cast(upstream, dtype)), **exact, epsilon=0.1)
    for name, gradient in zip(arrays, found, strict=True):
        assert_near(gradient, truth[name], limit, name)


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
def test_double_precision(normalization, block_size):
    with double_precision():
        arrays = {n: np.float64(a) for n, a in operands().items()}
        arrays |= {"alpha": np.array(1.3), "epsilon": np.array(0.3)}
        settings = {"mask": MASK, "is_causal": True, "normalization": normalization}
        upstream = np.float64(draw((2, 5, 4, 2), seed=3))
        value, found = check_against_the_definition(
            arrays, upstream, settings, tolerance=1e-10, whole=True, block_size=block_size
        )
        for tensor in (value, *found):
            assert keras.backend.standardize_dtype(tensor.dtype) == "float64"
