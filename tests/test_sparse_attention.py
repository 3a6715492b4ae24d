"""Attention with a sparse pattern: against the definition, against all pairs, and its cost."""

import functools

import numpy as np
import pytest

from keras_yat._numerics import sparse_attention
from keras_yat._numerics.attention_masks import AttentionMasks
from keras_yat._numerics.sparse_pattern import BlockMask, SparsePattern
from keras_yat.ops import yat_attention
from tests import reference_attention
from tests.attention_cases import assert_near, operands
from tests.helpers import BACKEND, compiled, draw, to_numpy, value_and_gradients

BLOCKS = np.random.default_rng(1).random((7, 9)) < 0.2
# Settings, number of queries and of keys. Some queries of "blocks" reach no key.
PATTERNS = {
    "window": ({"sliding_window": 5, "is_causal": True}, 70, 70),
    "global tokens": ({"sliding_window": 9, "num_global_tokens": 3}, 130, 100),
    "blocks": ({"block_mask": BLOCKS, "mask_block_size": 16}, 100, 130),
    "all": (
        {
            "sliding_window": 6,
            "num_global_tokens": 1,
            "block_mask": BLOCKS[:, :7],
            "mask_block_size": 16,
            "query_offset": 8,
            "is_causal": True,
        },
        90,
        99,
    ),
}


def masks_of(settings):
    settings = dict(settings)
    offset, causal = settings.pop("query_offset", 0), settings.pop("is_causal", False)
    pattern = SparsePattern(
        settings.get("sliding_window"),
        settings.get("num_global_tokens", 0),
        BlockMask.of(settings["block_mask"]) if "block_mask" in settings else None,
        settings.get("mask_block_size", 1),
    )
    return AttentionMasks(causal=causal, pattern=pattern, offset=offset)


@pytest.mark.optimized
@pytest.mark.parametrize("name", PATTERNS)
def test_blocks_agree_with_all_pairs_and_the_definition(name):
    settings, queries, keys = PATTERNS[name]
    assert sparse_attention.plan(masks_of(settings), queries, keys) is not None
    arrays = operands(2, 1, queries, keys)
    rng = np.random.default_rng(4)
    masks = {
        "mask": rng.random((2, 2, queries, keys)) < 0.8,
        "key_mask": rng.random((2, keys)) < 0.9,
        "query_mask": rng.random((2, queries)) < 0.9,
    }
    scales = {"score_bias": np.array([0.2, 0.5]), "epsilon": np.array([0.3, 0.1])}
    scales = {n: v.astype("float32") for n, v in scales.items()}

    def results(block_size):
        def attend(query, key, value, score_bias, epsilon):
            return yat_attention(
                query,
                key,
                value,
                **masks,
                **settings,
                score_bias=score_bias,
                epsilon=epsilon,
                block_size=block_size,
            )

        tensors = (*arrays.values(), *scales.values())
        upstream = draw((2, queries, 2, 2), seed=3)
        value, found = value_and_gradients(compiled(attend), *tensors, upstream=upstream)
        return [value, *found]

    whole, blocks = results(None), results(16)
    truth, _ = reference_attention.attention(**arrays, **masks, **settings, **scales)
    assert_near(blocks[0], truth)
    for part, other in zip(blocks, whole, strict=True):
        assert_near(part, to_numpy(other), 2e-5)


@pytest.mark.once
@pytest.mark.parametrize("name", PATTERNS)
def test_a_plan_has_every_pair_once(name):
    settings, queries, keys = PATTERNS[name]
    plan = sparse_attention.plan(masks_of(settings), queries, keys)
    found = np.zeros((queries, keys), int)
    for rows, columns in plan.groups:
        for row, places in zip(rows, columns, strict=True):
            for place in places:
                here = slice(row * plan.step, (row + 1) * plan.step)
                found[here, place * plan.step : (place + 1) * plan.step] += 1
    assert found.max() == 1
    there = reference_attention.allowed((1, 1, queries, keys), **settings)[0, 0]
    assert not np.any(there & (found == 0))
    assert found.mean() <= sparse_attention.MOST + 0.1
    assert sorted(np.concatenate([rows for rows, _ in plan.groups])) == list(
        range(-(-queries // plan.step))
    )


@pytest.mark.once
def test_the_cost_grows_with_the_pairs():
    """Of a window and global tokens it doubles with the length; of all pairs it quadruples."""

    def pairs(length):
        masks = masks_of({"sliding_window": 32, "num_global_tokens": 8})
        plan = sparse_attention.plan(masks, length, length)
        return sum(columns.size for _, columns in plan.groups) * plan.step**2

    assert pairs(8192) < 2.1 * pairs(4096)
    assert pairs(8192) < 0.03 * 8192**2


@pytest.mark.backends("jax")
def test_memory_grows_with_the_pairs():
    import jax

    def temporaries(length):
        x = np.zeros((1, length, 1, 8), "float32")

        def loss(x):
            found = yat_attention(x, x, x, sliding_window=32, is_causal=True, block_size=64)
            return found.sum()

        memory = jax.jit(jax.grad(loss)).lower(x).compile().memory_analysis()
        return memory.temp_size_in_bytes

    short, long = temporaries(1024), temporaries(2048)
    assert long < 2.2 * short
    assert long < 2048 * 2048  # a quarter of the scores of all pairs


@pytest.mark.parametrize("how", [{"block_size": 16}, {"block_size": None}])
def test_dropout(how):
    """The weights that are kept, from values that are the unit vectors."""
    query, key, _ = operands(1, 1, 100, 100).values()
    value = np.broadcast_to(np.eye(100, dtype="float32")[:, None], (2, 100, 1, 100))
    settings = {"sliding_window": 8, "epsilon": 1.0}
    found = to_numpy(yat_attention(query, key, value, dropout=0.5, seed=3, **settings, **how))
    whole = to_numpy(yat_attention(query, key, value, **settings))
    kept = found != 0.0
    np.testing.assert_allclose(found[kept], 2.0 * whole[kept], rtol=1e-4)
    share = kept.sum() / (whole != 0.0).sum()
    assert 0.45 < share < 0.55
    # Each block has its own random numbers.
    diagonal = np.einsum("btht->bt", kept)
    assert len({tuple(diagonal[0, i : i + 16]) for i in range(0, 96, 16)}) > 1


@pytest.mark.parametrize(
    "settings", [{"is_causal": True}, {"sliding_window": 3}, {"block_mask": np.eye(5, dtype=bool)}]
)
def test_empty_inputs(settings):
    """No queries, and an empty batch."""
    settings = {"mask_block_size": 8, "block_size": 8, **settings}
    key = draw((1, 40, 2, 4))
    found = yat_attention(key[:, :0], key, key, **settings)
    assert tuple(found.shape) == (1, 0, 2, 4)
    nothing = key[:0]
    assert tuple(yat_attention(nothing, nothing, nothing, **settings).shape) == (0, 40, 2, 4)


def test_unknown_lengths():
    """All pairs are computed then, with the same result."""
    arrays = operands(2, 1, 70, 70)
    settings = {"sliding_window": 4, "num_global_tokens": 2, "is_causal": True}
    attend = functools.partial(yat_attention, **settings)
    truth, _ = reference_attention.attention(**arrays, **settings)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        spec = tf.TensorSpec((None, None, None, None), "float32")
        shapes = [(2, None, 2, 3), (2, None, 1, 3), (2, None, 1, 2)]
        specs = [tf.TensorSpec(shape, spec.dtype) for shape in shapes]
        found = tf.function(attend, input_signature=specs)(*arrays.values())
    else:
        found = attend(*arrays.values(), query_offset=to_tensor(0))
    assert_near(found, truth)


def to_tensor(number):
    from keras import ops

    return ops.convert_to_tensor(number, "int32")


X = draw((1, 5, 2, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_global_tokens": 2}, "`num_global_tokens` must be 0 without `sliding_window` and"),
        ({"num_global_tokens": -1, "sliding_window": 2}, "`num_global_tokens` must be an int"),
        *[
            ({"block_mask": mask}, "`block_mask` must be booleans .*Received: block_mask=")
            for mask in (
                np.ones(3, bool),
                np.full((2, 2), 0.5),
                np.ones((0, 2), bool),
                "all",
                [[1, 0], [1]],
            )
        ],
        (
            {"block_mask": np.ones((2, 3), bool), "mask_block_size": 2},
            r"`block_mask` must have at least \(3, 3\) blocks of 2. Received: block_mask=\(2, 3\)",
        ),
        ({"block_mask": np.ones((1, 1), bool), "mask_block_size": 0}, "`mask_block_size` must be"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        yat_attention(X, X, X, **arguments)
