"""Evaluation in blocks of rows, which torch does on large inputs, against that at once."""

import numpy as np
import pytest

import keras_yat
from keras_yat._numerics import row_blocks
from tests.activations.test_values import CASE, function_of
from tests.helpers import draw, to_numpy, value_and_gradients

pytestmark = pytest.mark.backends("torch")  # the others never split


def both(function, *tensors, monkeypatch):
    """Value and gradients at once, and in blocks of a few entries."""
    whole = value_and_gradients(function, *tensors, upstream=None)
    counted = []
    evaluate = row_blocks._Blocks.evaluate
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 16)
    monkeypatch.setattr(
        row_blocks._Blocks, "evaluate", lambda *a: counted.append(1) or evaluate(*a)
    )
    parts = value_and_gradients(function, *tensors, upstream=None)
    for (value, gradients), (again, others) in [(whole, parts)]:
        pairs = zip([value, *gradients], [again, *others], strict=True)
        for expected, found in pairs:
            expected = to_numpy(expected)
            close = 1e-5 * max(1.0, float(np.max(np.abs(expected))))
            np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5, atol=close)
    return len(counted)


@CASE
def test_activations(case, monkeypatch):
    x = draw((7, 3, 4))
    parameters = [np.float32(p) for p in case.parameters.values()]
    both(function_of(case), x, *parameters, monkeypatch=monkeypatch)


def test_an_activation_with_parameters_per_row_and_per_channel(monkeypatch, little_memory):
    x, w, a = draw((7, 9)), 0.3 + 0.1 * np.abs(draw((7, 1))), 1.0 + np.abs(draw((9,)))
    count = both(
        lambda x, w, a: keras_yat.activations.scaled_softsign(x, a, w),
        x,
        w,
        a,
        monkeypatch=monkeypatch,
    )
    assert count > 0


@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_the_yat_product(normalize, distance, monkeypatch):
    def product(x, kernel, bias, epsilon, alpha):
        settings = {"normalize": normalize, "distance": distance, "alpha": alpha}
        return keras_yat.ops.yat_product(x, kernel, bias, epsilon, **settings)

    tensors = draw((5, 3, 6)), draw((6, 4), 1), draw((4,), 2), np.float32(0.5), np.float32(1.5)
    assert both(product, *tensors, monkeypatch=monkeypatch) > 0


@pytest.mark.parametrize("block_size", [None, 2])
def test_attention(block_size, monkeypatch):
    def attention(query, key, value):
        return keras_yat.ops.yat_attention(
            query, key, value, is_causal=True, block_size=block_size, epsilon=0.5
        )

    query, key, value = draw((3, 5, 4, 6)), draw((3, 7, 2, 6), 1), draw((3, 7, 2, 5), 2)
    assert both(attention, query, key, value, monkeypatch=monkeypatch) > 0
