"""Yat attention against its definition: values, gradients, masks, blocks, precision."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
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


@pytest.fixture
def form(request):
    """With the custom gradient, and with the backend's own."""
    if request.param == "plain":
        keras_yat.config.disable_custom_gradient()
    yield request.param
    keras_yat.config.enable_custom_gradient()


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


@pytest.mark.parametrize("block_size", [None, 2])
def test_dropout_keeps_the_mean(block_size):
    """5 standard deviations of the mean of 4000 draws."""
    arrays = {n: np.repeat(a, 4000, axis=0) for n, a in operands(1, 1, batch=1).items()}
    output = to_numpy(
        yat_attention(**arrays, epsilon=0.3, dropout=0.25, seed=1, block_size=block_size)
    )
    whole = to_numpy(yat_attention(**arrays, epsilon=0.3, block_size=block_size))[0]
    deviation = np.std(output, axis=0)
    assert np.all(deviation > 0.01)
    assert np.all(np.abs(np.mean(output, axis=0) - whole) < 5.0 * deviation / 4000**0.5)


@pytest.mark.parametrize(
    ("normalization", "how", "form"),
    [
        ("softmax", {"block_size": None}, "custom"),
        ("softmax", {"block_size": 2}, "custom"),
        ("softmax", {"block_size": 2}, "plain"),
        ("softmax", SCORES, "custom"),
        ("softermax", {"block_size": 2}, "custom"),
    ],
    ids=str,
    indirect=["form"],
)
def test_gradients_with_dropout(normalization, how, form):
    """What was dropped is seen where the values are those of an identity matrix."""
    arrays = operands(4, 4)
    settings = {"mask": EMPTY, "epsilon": 0.3, "normalization": normalization}

    def attend(query, key, value):
        found = yat_attention(query, key, value, **settings, dropout=0.5, seed=7, **how)
        return found[0] if how is SCORES else found

    arrays["value"] = np.broadcast_to(np.eye(6, dtype="float32")[:, None], (2, 6, 4, 6)).copy()
    kept = np.moveaxis(to_numpy(compiled(attend)(*arrays.values())), 1, 2)
    _, weights = reference_attention.attention(**arrays, **settings)
    factors = kept / np.where(weights > 0.0, weights, 1.0)
    zero, double = np.isclose(factors, 0.0), np.isclose(factors, 2.0, rtol=1e-3)
    assert np.all(zero | double)
    assert np.any(zero & (weights > 0.0))
    assert np.any(double)

    arrays["value"] = draw((2, 6, 4, 6), seed=2)
    upstream = draw((2, 5, 4, 6), seed=3)
    value, found = value_and_gradients(compiled(attend), *arrays.values(), upstream=upstream)
    dropped = 2.0 * double
    truth, _ = reference_attention.attention(**arrays, **settings, dropped=dropped)
    assert_near(value, truth)
    truth = reference_attention.gradients(upstream, **arrays, **settings, dropped=dropped)
    for name, gradient in zip(arrays, found, strict=True):
        assert_near(gradient, truth[name], name=name)


def test_weights_are_those_before_dropout():
    arrays = operands()
    _, weights = yat_attention(**arrays, epsilon=0.3, dropout=0.5, seed=7, **SCORES)
    assert_near(weights, reference_attention.attention(**arrays, epsilon=0.3)[1])


@pytest.mark.parametrize("block_size", [None, 2])
def test_seeds_of_dropout(block_size):
    def attend(seed):
        return to_numpy(yat_attention(**operands(), dropout=0.5, seed=seed, block_size=block_size))

    first = attend(3)
    np.testing.assert_array_equal(attend(3), first)
    assert np.any(attend(4) != first)


def test_a_generator_for_dropout():
    generator = keras.random.SeedGenerator(3)
    first, second = (yat_attention(**operands(), dropout=0.5, seed=generator) for _ in range(2))
    assert np.any(to_numpy(first) != to_numpy(second))


def test_dropout_differs_between_blocks():
    """Else every block would drop the same places. The keys are equal: how many are left counts."""
    arrays = {n: np.repeat(a[:, :1], 40, axis=1) for n, a in operands(batch=1).items()}
    output = to_numpy(yat_attention(**arrays, dropout=0.5, seed=3, block_size=1))
    assert len(np.unique(output[0, :, 0].round(4), axis=0)) > 5


def test_scalars_of_every_kind():
    arrays = operands()
    truth, _ = reference_attention.attention(**arrays, alpha=0.5, epsilon=0.25)
    for kind in (float, np.float32, ops.convert_to_tensor, keras.Variable):
        found = yat_attention(**arrays, alpha=kind(0.5), epsilon=kind(0.25))
        assert_near(found, truth)


def test_lists_are_taken():
    arrays = operands()
    found = yat_attention(*(a.tolist() for a in arrays.values()))
    assert_near(found, reference_attention.attention(**arrays)[0])


def test_works_in_a_functional_model():
    arrays = operands()
    inputs = [keras.Input(a.shape[1:]) for a in arrays.values()]
    outputs, weights = yat_attention(*inputs, is_causal=True, return_attention_scores=True)
    assert tuple(outputs.shape) == (None, 5, 4, 2)
    assert tuple(weights.shape) == (None, 4, 5, 6)
    found, _ = keras.Model(inputs, [outputs, weights])(list(arrays.values()))
    assert_near(found, reference_attention.attention(**arrays, is_causal=True)[0])


@pytest.mark.parametrize("block_size", [None, 2])
def test_an_empty_batch(block_size):
    found = yat_attention(**operands(batch=0), block_size=block_size)
    assert tuple(found.shape) == (0, 5, 4, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *[({n: draw((2, 5, 3))}, f"`{n}` must have") for n in ("query", "key", "value")],
        ({"query": draw((2, 5, 3, 3))}, "`key` must have .* a number of heads that divides"),
        ({"query": draw((2, 5, 4, 7))}, "`key` must have .*Received: key="),
        ({"query": draw((1, 5, 4, 3))}, "`key` must have .*Received: key="),
        ({"value": draw((2, 5, 2, 3))}, "`value` must have .*Received: value="),
        ({"value": draw((2, 6, 4, 3))}, "`value` must have .*Received: value="),
        *[({"mask": np.ones(s, bool)}, "`mask` must .*Received: mask=")
          for s in ((5, 5), (3, 1, 5, 6), (2, 3, 5, 6), (1, 2, 4, 5, 6))],
        ({"query_mask": np.ones((2, 6), bool)}, "`query_mask` must .*Received: query_mask="),
        ({"key_mask": np.ones((2, 5), bool)}, "`key_mask` must .*Received: key_mask="),
        ({"normalize": "kernel"}, "`normalize` must be one of None, 'sphere'. Received"),
        ({"normalization": "sum"}, "`normalization` must be one of 'softmax', 'softermax'"),
        *[({"power": v, "normalization": "softermax"},
           "`power` must be a finite number greater than 0. Received: power=")
          for v in (0, -1.0, float("nan"), "2")],
        *[({"block_size": v}, "`block_size` must be .*Received: block_size=")
          for v in (0, "x", 2.5, True)],
        *[({"sliding_window": v}, "`sliding_window` must be .*Received: sliding_window=")
          for v in (0, -1, 1.5)],
        *[({"epsilon": v}, "`epsilon` must be a finite number greater than 0. Received: epsilon=")
          for v in (0.0, -1.0, float("inf"))],
        ({"power": 2}, "`power` must be 1 where `normalization` is 'softmax'. Received: power=2"),
        ({"dropout": 0.5}, "`seed` must be an int or a SeedGenerator where `dropout` is"),
        *[({"dropout": v}, r"`dropout` must be a number in \[0, 1\). Received: dropout=")
          for v in (1.0, -0.1, "a")],
        ({"dropout": 0.5, "seed": 1.5}, "`seed` must be .*Received: seed="),
        ({"is_causal": "yes"}, "`is_causal` must be True or False"),
    ],
)  # fmt: skip
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        yat_attention(**{**operands(), **arguments})
