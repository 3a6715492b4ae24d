"""`yat_attention`: dropout, types of arguments, models, invalid arguments."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat.ops import rotary_embedding, yat_attention
from tests import reference_attention
from tests.attention_cases import EMPTY, SCORES, assert_near, operands
from tests.helpers import (
    compiled,
    draw,
    to_numpy,
    value_and_gradients,
)


@pytest.mark.parametrize("block_size", [None, 2])
def test_dropout_keeps_the_mean(block_size):
    """Within 5 standard deviations of the mean of 4000 draws."""
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
    """With an identity matrix as values the output shows the dropped weights."""
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


def test_returned_weights_are_before_dropout():
    arrays = operands()
    _, weights = yat_attention(**arrays, epsilon=0.3, dropout=0.5, seed=7, **SCORES)
    assert_near(weights, reference_attention.attention(**arrays, epsilon=0.3)[1])


@pytest.mark.parametrize("block_size", [None, 2])
def test_dropout_seeds(block_size):
    def attend(seed):
        return to_numpy(yat_attention(**operands(), dropout=0.5, seed=seed, block_size=block_size))

    first = attend(3)
    np.testing.assert_array_equal(attend(3), first)
    assert np.any(attend(4) != first)


def test_dropout_with_a_seed_generator():
    generator = keras.random.SeedGenerator(3)
    first, second = (yat_attention(**operands(), dropout=0.5, seed=generator) for _ in range(2))
    assert np.any(to_numpy(first) != to_numpy(second))


def test_dropout_differs_between_blocks():
    """The masks of blocks differ. With equal keys the output is the number of kept weights."""
    arrays = {n: np.repeat(a[:, :1], 40, axis=1) for n, a in operands(batch=1).items()}
    output = to_numpy(yat_attention(**arrays, dropout=0.5, seed=3, block_size=1))
    assert len(np.unique(output[0, :, 0].round(4), axis=0)) > 5


def test_numbers_arrays_and_tensors_as_scalars():
    arrays = operands()
    truth, _ = reference_attention.attention(**arrays, alpha=0.5, epsilon=0.25)
    for kind in (float, np.float32, ops.convert_to_tensor, keras.Variable):
        found = yat_attention(**arrays, alpha=kind(0.5), epsilon=kind(0.25))
        assert_near(found, truth)


def test_lists_as_inputs():
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
        *[({"query_offset": v}, "`query_offset` must be an int or a scalar tensor of ints")
          for v in (1.5, True, None, np.array([1]), np.float32(1.0))],
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


@pytest.mark.parametrize(
    ("x", "arguments", "words"),
    [
        (np.ones((1, 2, 3)), {}, "`x` must have four axes"),
        (np.ones((1, 2, 1, 3)), {}, "`x` must have four axes, .* and an even size"),
        (np.ones((1, 2, 1, 4)), {"start_index": 0.5}, "`start_index` must be an int or"),
        (np.ones((1, 2, 1, 4)), {"max_wavelength": 0}, "`max_wavelength` must be a finite number"),
    ],
    ids=["rank", "odd", "start", "wavelength"],
)
def test_bad_input_to_rotary_embedding(x, arguments, words):
    with pytest.raises(ValueError, match=words):
        rotary_embedding(x, **arguments)
