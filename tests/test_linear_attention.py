"""Linear attention: against its definition, against all pairs, and against exact attention."""

import functools

import numpy as np
import pytest
from keras import ops

from keras_yat._numerics.linear_attention import affine_root
from keras_yat.ops import yat_attention, yat_linear_attention
from tests import reference_attention
from tests.attention_cases import KEY_MASK, QUERY_MASK, assert_near, operands
from tests.helpers import compiled, double_precision, draw, to_numpy, value_and_gradients

SETTINGS = {"normalize": "sphere", "normalization": "softermax"}
BIAS, EPSILON = np.array([0.2, 0.5, 1.0, 2.0]), np.array([1.0, 0.5, 0.8, 2.0])
CASES = {
    "all": {},
    "causal": {"is_causal": True},
    "masks": {"query_mask": QUERY_MASK, "key_mask": KEY_MASK},
    "causal and masks": {"query_mask": QUERY_MASK, "key_mask": KEY_MASK, "is_causal": True},
}


def definition(query, key, value, score_bias=1.0, epsilon=1.0, **settings):
    product = reference_attention.fitted_square(score_bias, epsilon, query.shape[-1])
    return reference_attention.attention(query, key, value, product=product, **SETTINGS, **settings)


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, block_size):
    settings = CASES[name]
    arrays = {**operands(), "score_bias": BIAS, "epsilon": EPSILON}
    arrays = {n: a.astype("float32") for n, a in arrays.items()}
    upstream = draw((2, 5, 4, 2), seed=3)

    def attend(*tensors):
        given = dict(zip(arrays, tensors, strict=True))
        return yat_linear_attention(**given, **settings, block_size=block_size)

    value, found = value_and_gradients(compiled(attend), *arrays.values(), upstream=upstream)
    assert_near(value, definition(**arrays, **settings)[0])
    truth = reference_attention.slopes(
        lambda given: np.sum(upstream * definition(**given, **settings)[0]), arrays
    )
    for gradient, (name, slope) in zip(found, truth.items(), strict=True):
        assert_near(gradient, slope, 2e-5, name)


@pytest.mark.spread
@pytest.mark.parametrize(("size", "causal"), [(2, True), (7, False), (8, True), (8, False)])
def test_agrees_with_the_sums_over_pairs(size, causal):
    """Weights of all pairs, with a mask that needs them, are the same; gradients too."""
    arrays = operands(2, 1, 40, 40, size=size, value_size=3)
    upstream = draw((2, 40, 2, 3), seed=3)

    def results(mask, block_size):
        def attend(query, key, value):
            return yat_linear_attention(
                query, key, value, mask, is_causal=causal, block_size=block_size
            )

        value, found = value_and_gradients(compiled(attend), *arrays.values(), upstream=upstream)
        return [value, *found]

    pairs = results(np.ones((40, 40), bool), None)
    for part, other in zip(results(None, 16), pairs, strict=True):
        assert_near(part, to_numpy(other))


def test_a_single_entry():
    """Its cosine is 1 or -1: the fit is exact, up to the constant that is added."""
    arrays = operands(size=1)
    exact = yat_attention(**arrays, score_bias=0.3, epsilon=0.5, **SETTINGS)
    found = yat_linear_attention(**arrays, score_bias=0.3, epsilon=0.5)
    assert_near(found, to_numpy(exact), 1e-3)


def test_scores_near_zero():
    """All keys are where the fitted function is 0: rounding errors of the sums stay small."""
    first, second = affine_root(1.0, 1.0, 16)
    rest = draw((1, 40, 1, 15))
    rest /= np.linalg.norm(rest, axis=-1, keepdims=True)
    cosine = np.full((1, 40, 1, 1), -first / second)
    key = np.concatenate([cosine, np.sqrt(1.0 - cosine**2) * rest], axis=-1).astype("float32")
    query = np.zeros_like(key)
    query[..., 0] = 1.0
    value = draw((1, 40, 1, 3), seed=2)
    for settings in ({}, {"is_causal": True}):
        found = yat_linear_attention(query, key, value, block_size=4, **settings)
        assert_near(found, definition(query, key, value, **settings)[0], 5e-3)


def test_near_to_exact_attention():
    query, key, value = operands(2, 2, 128, 128, size=64, value_size=64).values()
    found, weights = yat_linear_attention(query, key, value, return_attention_scores=True)
    linear = to_numpy(yat_linear_attention(query, key, value))
    exact = to_numpy(yat_attention(query, key, value, score_bias=1.0, epsilon=1.0, **SETTINGS))
    lengths = np.linalg.norm(linear, axis=-1) * np.linalg.norm(exact, axis=-1)
    assert np.min(np.sum(linear * exact, axis=-1) / lengths) > 0.99
    assert_near(linear, to_numpy(found))
    assert np.min(to_numpy(weights)) >= 0.0


@pytest.mark.once
@pytest.mark.parametrize("size", [1, 2, 3, 16, 64])
def test_the_fit_is_that_of_random_vectors(size):
    x = np.random.default_rng(0).normal(size=(400_000, size))
    s = x[:, 0] / np.linalg.norm(x, axis=1)
    root = (s + 0.7) / np.sqrt(2.5 - 2.0 * s)
    (first, second), *_ = np.linalg.lstsq(np.stack([np.ones_like(s), s], 1), root, rcond=None)
    np.testing.assert_allclose(affine_root(0.7, 0.5, size), (first, second), rtol=5e-3)
    tensors = affine_root(ops.convert_to_tensor([0.7]), 0.5, size)
    np.testing.assert_allclose([float(t[0]) for t in tensors], affine_root(0.7, 0.5, size), 1e-5)


@pytest.mark.once
@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("epsilon", [1e-7, 1e-3])
def test_the_fit_of_a_narrow_peak(size, epsilon):
    """Means over two million angles, dense near 0."""
    u = (np.arange(2_000_000) + 0.5) / 2_000_000
    angles = np.pi * u**3
    weights = u**2 * np.sin(angles) ** (size - 2)
    weights /= weights.sum()
    s = np.cos(angles)
    roots = (s + 1.0) / np.sqrt(epsilon + 4.0 * np.sin(angles / 2.0) ** 2)
    truth = np.sum(weights * roots), size * np.sum(weights * s * roots)
    np.testing.assert_allclose(affine_root(1.0, epsilon, size), truth, rtol=1e-6)


@pytest.mark.parametrize("prompt", [1, 3])
def test_decoding_with_a_state(prompt):
    query, key, value = operands(queries=8, keys=8).values()
    whole = to_numpy(yat_linear_attention(query, key, value, is_causal=True))
    state = ops.zeros((2, 2, 10, 3))
    for start, stop in [(0, prompt), *((i, i + 1) for i in range(prompt, 8))]:
        piece = slice(start, stop)
        found, state = yat_linear_attention(
            query[:, piece], key[:, piece], value[:, piece], state=state
        )
        assert tuple(state.shape) == (2, 2, 10, 3)
        assert_near(found, whole[:, piece])


@pytest.mark.parametrize(("queries", "keys"), [(5, 9), (9, 5)])
def test_causal_attention_to_another_length(queries, keys):
    arrays = operands(queries=queries, keys=keys)
    found = yat_linear_attention(**arrays, is_causal=True, block_size=4)
    assert_near(found, definition(**arrays, is_causal=True)[0])


@pytest.mark.parametrize("settings", [{}, {"is_causal": True, "block_size": 8}])
def test_an_empty_batch(settings):
    x = draw((0, 40, 2, 4))
    assert tuple(yat_linear_attention(x, x, x, **settings).shape) == (0, 40, 2, 4)


def test_weights_of_pairs():
    """Whatever needs the weights of pairs computes them, with the same kernel."""
    arrays = operands()
    for settings in (
        {"sliding_window": 2},
        {"mask": np.tri(5, 6, dtype=bool)},
        {"is_causal": True, "query_offset": 1},
        {"block_mask": np.eye(2, dtype=bool), "mask_block_size": 3},
    ):
        found = yat_linear_attention(**arrays, **settings)
        assert_near(found, definition(**arrays, **settings)[0])
    dropped = to_numpy(yat_linear_attention(**arrays, dropout=0.5, seed=1))
    assert np.max(np.abs(dropped - to_numpy(yat_linear_attention(**arrays)))) > 0.1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_precisions(dtype):
    with double_precision():
        arrays = operands(queries=9, keys=9, size=8)
        given = [ops.cast(a, dtype) for a in arrays.values()]
        found = yat_linear_attention(*given, is_causal=True, block_size=4)
        assert str(found.dtype).endswith(dtype) or dtype in repr(found.dtype)
        rounded = [to_numpy(ops.cast(a, "float64")) for a in given]
        tolerance = {"float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-9}[dtype]
        assert_near(ops.cast(found, "float64"), definition(*rounded, is_causal=True)[0], tolerance)


def test_zeros_and_scale():
    """A query of zeros attends to all keys alike; the length of a vector does not matter."""
    query, key, value = operands().values()
    query[0, 1] = 0.0
    found = to_numpy(yat_linear_attention(query, key, value))
    np.testing.assert_allclose(found[0, 1, 0], value[0, :, 0].mean(axis=0), rtol=1e-5)
    scaled = yat_linear_attention(1e20 * query, 1e-20 * key, value)
    assert_near(scaled, found)


@pytest.mark.backends("tensorflow")
def test_unknown_lengths():
    import tensorflow as tf

    arrays = operands(queries=9, keys=9)
    shapes = [(None, None, 4, 3), (None, None, 2, 3), (None, None, 2, 2)]
    specs = [tf.TensorSpec(shape, "float32") for shape in shapes]
    for causal in (False, True):
        attend = functools.partial(yat_linear_attention, is_causal=causal, block_size=4)
        found = tf.function(attend, input_signature=specs)(*arrays.values())
        assert_near(found, definition(**arrays, is_causal=causal)[0])


@pytest.mark.backends("jax")
def test_memory_is_linear():
    import jax

    def temporaries(length):
        x = np.zeros((1, length, 1, 16), "float32")

        def loss(x):
            return yat_linear_attention(x, x, x, is_causal=True).sum()

        memory = jax.jit(jax.grad(loss)).lower(x).compile().memory_analysis()
        return memory.temp_size_in_bytes

    first, second, third = (temporaries(length) for length in (1024, 2048, 4096))
    assert third - second < 2.1 * (second - first)
    # The 153 features of all positions are not there at once.
    assert third - second < 2048 * 153 * 4


X = draw((1, 5, 2, 3))
STATE = np.zeros((1, 2, 10, 4), "float32")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"score_bias": -1.0}, "`score_bias` must be a finite number of at least 0. Received"),
        ({"score_bias": [1.0, -1.0]}, r"`score_bias\[1\]` must be a finite number of at least 0"),
        ({"epsilon": 0.0}, "`epsilon` must be a finite number greater than 0"),
        ({"epsilon": np.ones(3, "float32")}, "`epsilon` must be a number, or 2 of them"),
        ({"state": STATE, "key": X[:, :3], "value": X[:, :3]}, "`key` must have as many positions"),
        ({"state": STATE[:, :, :9]}, r"`state` must have the shape \(1, 2, 10, 4\). Received"),
        *[
            ({"state": STATE, **more}, "`state` must be None with `dropout`")
            for more in (
                {"sliding_window": 2},
                {"return_attention_scores": True},
                {"mask": np.ones((5, 5), bool)},
                {"query_offset": 1},
                {"dropout": 0.5, "seed": 1},
            )
        ],
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        yat_linear_attention(**{"query": X, "key": X, "value": X, **arguments})


def test_gradients_are_summed_over_query_heads():
    """Keys and values that several query heads share get the sum of the gradients."""
    arrays = operands(4, 2)
    alone = operands(4, 2)
    alone["key"], alone["value"] = (np.repeat(alone[n], 2, axis=2) for n in ("key", "value"))
    upstream = draw((2, 5, 4, 2), seed=3)
    attend = functools.partial(yat_linear_attention, block_size=2)
    _, shared = value_and_gradients(compiled(attend), *arrays.values(), upstream=upstream)
    _, single = value_and_gradients(compiled(attend), *alone.values(), upstream=upstream)
    for found, parts in zip(shared[1:], single[1:], strict=True):
        summed = to_numpy(parts).reshape(*parts.shape[:2], 2, 2, parts.shape[-1]).sum(axis=3)
        assert_near(found, summed)
