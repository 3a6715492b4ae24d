"""Yat attention against its definition: values, gradients, masks, blocks, precision."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat.ops import yat_attention
from tests import reference_attention
from tests.helpers import (
    BACKEND,
    compiled,
    double_precision,
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

# Queries that may attend to nothing are among those of `empty`, `before` and `every mask`.
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
# What "every mask" has too: blocks take all of it apart at once.
PARTS = ("mask", "mask of the queries and keys", "query mask", "key mask", "causal", "window")
PLAIN = ("every mask", "sphere", "softermax, square", "softermax, root")


def operands(heads=4, kv_heads=2, queries=5, keys=6, batch=2, size=3, value_size=2):
    return {
        "query": draw((batch, queries, heads, size), scale=0.7),
        "key": draw((batch, keys, kv_heads, size), seed=1, scale=0.7),
        "value": draw((batch, keys, kv_heads, value_size), seed=2),
    }


def assert_near(found, truth, tolerance=1e-5, name=""):
    """Within `tolerance` of the largest; of what was summed, if `truth` has the parts of a sum."""
    if np.ndim(truth) > np.ndim(found):
        scale, truth = 0.3 * np.sum(np.abs(truth)), np.sum(truth)
    else:
        scale = np.max(np.abs(truth))
    np.testing.assert_allclose(to_numpy(found), truth, rtol=0, atol=tolerance * scale, err_msg=name)


def apart(arrays):
    """`arrays`, with an alpha and an epsilon of its own for each score."""
    batch, queries, heads, _ = arrays["query"].shape
    places = (batch, heads, queries, arrays["key"].shape[1])
    return {n: np.full(places, a) if np.ndim(a) == 0 else a for n, a in arrays.items()}


def check_against_the_definition(arrays, upstream, settings, tolerance=1e-5, whole=False, **how):
    """Values and gradients in all of `arrays`, by name.

    JAX compiles it as a whole where there is a loop, or, with `whole`, where few tests have
    these shapes: else it is faster to compile each operation, once for all tests.
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


@pytest.mark.parametrize(
    ("case", "form", "block_size"),
    [(case, "custom", None) for case in CASES]
    + [(case, "custom", 2) for case in CASES if case not in PARTS]
    + [(case, "plain", size) for case in PLAIN for size in (None, 2)],
    indirect=["form"],
)
def test_values_and_gradients(case, form, block_size):
    arrays = {**operands(), "alpha": np.float32(1.3), "epsilon": np.float32(0.3)}
    upstream = draw((2, 5, 4, 2), seed=3)
    check_against_the_definition(arrays, upstream, CASES[case], block_size=block_size)


@pytest.mark.parametrize("form", FORMS, indirect=True)
@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize(("heads", "kv_heads"), [(2, 2), (3, 1)])
def test_heads_of_keys(heads, kv_heads, block_size, form):
    settings = {"mask": MASK[:, :heads], "is_causal": True, "query_offset": 1}
    check_against_the_definition(
        operands(heads, kv_heads),
        draw((2, 5, heads, 2), seed=3),
        settings,
        whole=True,
        block_size=block_size,
    )


@pytest.mark.optimized
@pytest.mark.parametrize("block_size", [None, 1, 5, 8, "auto"])
def test_defaults(block_size):
    arrays, upstream = operands(), draw((2, 5, 4, 2), seed=3)
    check_against_the_definition(arrays, upstream, {}, block_size=block_size)
    settings = {"alpha": 0.6, "epsilon": 0.01, "scale": 2.0}
    value = yat_attention(**arrays, **settings, block_size=block_size)
    assert_near(value, reference_attention.attention(**arrays, **settings)[0])


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
def test_scores_of_either_sign(normalization, block_size):
    """A negative alpha turns softmax round, and leaves softermax without a weight."""
    arrays = {**operands(), "alpha": np.float32(-1.3), "epsilon": np.float32(0.3)}
    settings = {"normalization": normalization}
    check_against_the_definition(
        arrays, draw((2, 5, 4, 2), seed=3), settings, block_size=block_size
    )
    if normalization == "softermax":
        output = yat_attention(**arrays, **settings, block_size=block_size)
        np.testing.assert_array_equal(to_numpy(output), 0.0)


@pytest.mark.parametrize("form", FORMS, indirect=True)
@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("power", [1, 0.5])
def test_zeros_on_the_sphere(power, block_size, form):
    arrays = operands()
    arrays["query"][0, 1], arrays["key"][:, 2] = 0.0, 0.0
    settings = {"normalize": "sphere", "epsilon": 0.1}
    if power != 1:
        settings |= {"normalization": "softermax", "power": power}
    check_against_the_definition(
        arrays, draw((2, 5, 4, 2), seed=3), settings, block_size=block_size
    )


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("case", ["cross", "empty", "every mask", "softermax, root", "sphere"])
def test_weights(case, block_size):
    settings = {**CASES[case], "epsilon": 0.3}
    arrays = operands()
    output, weights = yat_attention(
        **arrays, **settings, block_size=block_size, return_attention_scores=True
    )
    expected, truth = reference_attention.attention(**arrays, **settings)
    assert_near(output, expected)
    assert_near(weights, truth)
    np.testing.assert_array_equal(to_numpy(weights)[truth == 0.0], 0.0)


@pytest.mark.parametrize("form", FORMS, indirect=True)
@pytest.mark.parametrize("case", ["empty", "softermax, empty"])
def test_gradients_through_the_weights(case, form):
    settings = CASES[case]
    arrays = {**operands(), "alpha": np.float32(1.3), "epsilon": np.float32(0.3)}
    of_output, of_weights = draw((2, 5, 4, 2), seed=3), draw((2, 4, 5, 6), seed=4)

    def both(query, key, value, alpha, epsilon):
        found = yat_attention(
            query,
            key,
            value,
            alpha=alpha,
            epsilon=epsilon,
            **settings,
            return_attention_scores=True,
        )
        return ops.concatenate([ops.reshape(part, (-1,)) for part in found])

    def truth(arrays):
        output, weights = reference_attention.attention(**arrays, **settings)
        return np.sum(of_output * output) + np.sum(of_weights * weights)

    upstream = np.concatenate([of_output.ravel(), of_weights.ravel()])
    _, found = value_and_gradients(both, *arrays.values(), upstream=upstream)
    expected = reference_attention.slopes(truth, apart(arrays))
    for name, gradient in zip(arrays, found, strict=True):
        assert_near(gradient, expected[name], name=name)


@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
def test_blocks_are_the_whole(normalization):
    arrays = operands(queries=70, keys=90, size=8)
    settings = {"is_causal": True, "query_offset": 15, "normalization": normalization}
    settings |= {"key_mask": np.arange(90) % 7 > 0 * np.ones((2, 1)), "epsilon": 0.01}

    def results(block_size):
        return value_and_gradients(
            compiled(lambda *tensors: yat_attention(*tensors, **settings, block_size=block_size)),
            *arrays.values(),
            upstream=draw((2, 70, 4, 2), seed=3),
        )

    (whole, of_whole), (value, found) = results(None), results(16)
    assert_near(value, to_numpy(whole))
    for gradient, truth in zip(found, of_whole, strict=True):
        assert_near(gradient, to_numpy(truth), 1e-4)


def test_blocks_at_a_length_that_needs_them():
    """Some queries, whose gradients are only their own."""
    query, key, value = operands(1, 1, queries=2100, keys=2100, batch=1).values()
    upstream, rows = draw((1, 2100, 1, 2), seed=3), np.array([0, 1, 500, 1027, 2099])
    found, gradients = value_and_gradients(
        compiled(lambda *tensors: yat_attention(*tensors, is_causal=True, epsilon=1.0)),
        query,
        key,
        value,
        upstream=upstream,
    )
    mask = np.arange(2100) <= rows[:, None]

    def truth(query):
        return reference_attention.attention(query, key, value, mask, epsilon=1.0)[0]

    query = query[:, rows]
    assert_near(to_numpy(found)[:, rows], truth(query))
    slopes = reference_attention.slopes(
        lambda given: np.sum(upstream[:, rows] * truth(given["query"])), {"query": query}
    )
    assert_near(to_numpy(gradients[0])[:, rows], slopes["query"])


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
def test_second_derivatives(normalization, block_size):
    """Of the slope along a direction of the queries."""
    arrays = operands(2, 1, queries=3, keys=2, batch=1)
    settings = {"epsilon": 0.3, "normalization": normalization, "is_causal": True}
    upstream, direction = draw((1, 3, 2, 2), seed=3), draw((1, 3, 2, 3), seed=4)

    def attend(query, key, value):
        output = yat_attention(query, key, value, **settings, block_size=block_size)
        return ops.sum(ops.multiply(output, upstream))

    if BACKEND == "torch":
        import torch

        tensors = [torch.tensor(a, requires_grad=True) for a in arrays.values()]
        (slope,) = torch.autograd.grad(attend(*tensors), tensors[0], create_graph=True)
        found = torch.autograd.grad((slope * torch.tensor(direction)).sum(), tensors)
    else:

        def slope(query, *others):
            _, (found,) = value_and_gradients(lambda query: attend(query, *others), query)
            return ops.sum(ops.multiply(found, direction))

        _, found = value_and_gradients(compiled(slope), *arrays.values())

    def truth(given):
        moved = {**given, "query": given["query"] + 1e-20j * direction}
        output, _ = reference_attention.attention(**moved, **settings)
        return np.sum(upstream * output).imag / 1e-20

    for name, gradient in zip(arrays, found, strict=True):
        expected = np.zeros(arrays[name].shape)
        for place in np.ndindex(expected.shape):
            values = []
            for step in (1e-4, -1e-4):
                moved = np.float64(arrays[name])
                moved[place] += step
                values.append(truth({**arrays, name: moved}))
            expected[place] = (values[0] - values[1]) / 2e-4
        assert_near(gradient, expected, 1e-4, name)


def test_the_offset_may_be_a_tensor():
    arrays = operands()
    for block_size in (None, 2):
        found = compiled(
            lambda offset, block_size=block_size: yat_attention(
                **arrays, is_causal=True, query_offset=offset, block_size=block_size
            )
        )(ops.convert_to_tensor(2, "int32"))
        truth, _ = reference_attention.attention(**arrays, is_causal=True, query_offset=2)
        assert_near(found, truth)


@pytest.mark.parametrize("form", FORMS, indirect=True)
@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
def test_queries_without_keys_get_zeros(normalization, block_size, form):
    mask = np.ones((2, 1, 5, 6), bool)
    mask[0, :, [1, 4]] = False
    mask[1] = False
    value, found = value_and_gradients(
        lambda *tensors: yat_attention(
            *tensors, mask, normalization=normalization, block_size=block_size
        ),
        *operands().values(),
        upstream=draw((2, 5, 4, 2), seed=3),
    )
    for tensor in (value, found[0]):
        tensor = to_numpy(tensor)
        np.testing.assert_array_equal(tensor[0, [1, 4]], 0.0)
        np.testing.assert_array_equal(tensor[1], 0.0)
        assert np.all(tensor[0, [0, 2, 3]] != 0.0)
    for tensor in found[1:]:
        np.testing.assert_array_equal(to_numpy(tensor)[1], 0.0)


@pytest.mark.parametrize("block_size", [None, 1])
@pytest.mark.parametrize("normalization", ["softmax", "softermax"])
@pytest.mark.parametrize(
    ("dtype", "near", "far"), [("float32", 0.01, 0.03), ("bfloat16", 0.05, 0.15)]
)
def test_the_nearer_of_two_keys_wins(dtype, near, far, normalization, block_size):
    """Their distances are relative to the norm of the query, in any direction, in either place."""
    query = np.repeat(draw((200, 1, 1, 16)), 2, axis=1)
    norm = np.linalg.norm(query, axis=-1, keepdims=True)
    step = draw((200, 2, 1, 16), seed=1)
    step *= norm / np.linalg.norm(step, axis=-1, keepdims=True)
    # Weights are what comes of these values.
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
    """Entries of 1e3, queries that are keys, nothing to attend to: by sequence, and in one."""
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
    """The oracle gets the input as the dtype has it."""
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
