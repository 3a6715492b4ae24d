"""Yat attention against its definition: values, gradients, masks, blocks."""

import numpy as np
import pytest
from keras import ops

from keras_yat.ops import yat_attention
from tests import reference_attention
from tests.attention_cases import (
    CASES,
    FORMS,
    MASK,
    PARTS,
    PLAIN,
    apart,
    assert_near,
    check_against_the_definition,
    operands,
)
from tests.helpers import (
    BACKEND,
    compiled,
    draw,
    to_numpy,
    value_and_gradients,
)


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
def test_key_value_heads(heads, kv_heads, block_size, form):
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
    """A negative alpha reverses the order of the softmax weights; softermax weights are all 0."""
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
def test_blocks_agree_with_a_single_block(normalization):
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


def test_automatic_blocks_of_a_long_sequence():
    """Checks some queries: the gradient of a query depends on no other query."""
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
    """Gradients of the slope along a direction of the queries."""
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


def test_tensor_as_query_offset():
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
