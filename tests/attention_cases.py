"""Cases of Yat attention and its comparison with the definition, for several test modules."""

import numpy as np

from keras_yat.ops import yat_attention
from tests import reference_attention
from tests.helpers import (
    compiled,
    draw,
    to_numpy,
    value_and_gradients,
)

DTYPES = ("float32", "bfloat16", "float16")
FORMS = ("custom", "plain")
SCORES = {"return_attention_scores": True}

MASK = np.random.default_rng(5).random((2, 4, 5, 6)) < 0.6
QUERY_MASK = np.array([[True, True, False, True, True], [False, True, True, True, False]])
KEY_MASK = np.array([[True, False, True, True, True, True], [True, True, True, False, True, False]])

# `empty`, `before` and `every mask` contain queries without any allowed key.
EMPTY = MASK & (np.arange(5) % 2 == 0)[:, None]
CASES = {
    "cross": {},
    "mask": {"mask": MASK},
    "mask of the heads": {"mask": MASK[:1, :, :1]},
    "mask of the queries and keys": {"mask": MASK[0, 0]},
    "empty": {"mask": EMPTY},
    "query mask": {"query_mask": QUERY_MASK},
    "key mask": {"key_mask": KEY_MASK},
    "causal": {"is_causal": True},
    "ahead": {"is_causal": True, "query_offset": 3},
    "before": {"is_causal": True, "query_offset": -2},
    "window": {"sliding_window": 2},
    "window ahead": {"sliding_window": 3, "query_offset": 2},
    "every mask": {
        "mask": MASK,
        "query_mask": QUERY_MASK,
        "key_mask": KEY_MASK,
        "is_causal": True,
        "sliding_window": 3,
        "query_offset": 1,
        "scale": 0.8,
    },
    "sphere": {"normalize": "sphere"},
    "softermax": {"normalization": "softermax"},
    "softermax, empty": {"normalization": "softermax", "mask": EMPTY},
    "softermax, square": {"normalization": "softermax", "power": 2, "is_causal": True},
    "softermax, root": {"normalization": "softermax", "power": 0.5, "key_mask": KEY_MASK},
}
# Cases that "every mask" includes: that one is tested in blocks.
PARTS = ("mask", "mask of the queries and keys", "query mask", "key mask", "causal", "window")
PLAIN = ("every mask", "sphere", "softermax, square", "softermax, root")


def operands(heads=4, kv_heads=2, queries=5, keys=6, batch=2, size=3, value_size=2):
    return {
        "query": draw((batch, queries, heads, size), scale=0.7),
        "key": draw((batch, keys, kv_heads, size), seed=1, scale=0.7),
        "value": draw((batch, keys, kv_heads, value_size), seed=2),
    }


def assert_near(found, truth, tolerance=1e-5, name=""):
    """Asserts errors within `tolerance` of the largest value.

    If `truth` has more axes than `found`, it holds the terms of a sum: errors are then relative to
    the sum of their magnitudes.
    """
    if np.ndim(truth) > np.ndim(found):
        scale, truth = 0.3 * np.sum(np.abs(truth)), np.sum(truth)
    else:
        scale = np.max(np.abs(truth))
    np.testing.assert_allclose(to_numpy(found), truth, rtol=0, atol=tolerance * scale, err_msg=name)


def apart(arrays):
    """`arrays` with a separate alpha and epsilon for each score."""
    batch, queries, heads, _ = arrays["query"].shape
    places = (batch, heads, queries, arrays["key"].shape[1])
    return {n: np.full(places, a) if np.ndim(a) == 0 else a for n, a in arrays.items()}


def check_against_the_definition(arrays, upstream, settings, tolerance=1e-5, whole=False, **how):
    """Compares values and the gradients in all of `arrays` with the definition.

    On JAX a computation in blocks, or with `whole`, is compiled as a whole. Otherwise each
    operation is compiled once for all tests of the same shapes, which is faster.
    """

    def attend(*tensors):
        return yat_attention(**dict(zip(arrays, tensors, strict=True)), **settings, **how)

    value, found = value_and_gradients(
        compiled(attend) if whole or how["block_size"] else attend,
        *arrays.values(),
        upstream=upstream,
    )
    assert_near(value, reference_attention.attention(**arrays, **settings)[0], tolerance)
    truth = reference_attention.gradients(upstream, **apart(arrays), **settings)
    for name, gradient in zip(arrays, found, strict=True):
        assert_near(gradient, truth[name], tolerance, name)
    return value, found
