"""The Yat product against its definition: values, gradients, precision, special inputs."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_yat.ops import yat_product
from tests import reference_yat
from tests.helpers import BACKEND, double_precision, draw, to_numpy, value_and_gradients

DTYPES = ("float32", "bfloat16", "float16")


def relative(found, truth):
    """The largest error divided by the largest value."""
    truth = np.asarray(truth)
    return np.max(np.abs(to_numpy(found) - truth)) / np.max(np.abs(truth))


ARGUMENTS = {
    "x": draw((6, 5)),
    "kernel": draw((5, 4), seed=1),
    "bias": draw((4,), seed=2),
    "epsilon": np.float32(0.03),
    "alpha": np.float32(1.4),
}


@pytest.mark.optimized
@pytest.mark.parametrize("distance", ["expanded", "direct"])
def test_values_and_gradients(form, distance):
    upstream = draw((6, 4), seed=3)
    value, found = value_and_gradients(
        lambda x, kernel, bias, epsilon, alpha: yat_product(
            x, kernel, bias, epsilon, alpha=alpha, distance=distance
        ),
        *ARGUMENTS.values(),
        upstream=upstream,
    )
    assert relative(value, reference_yat.yat(*ARGUMENTS.values())) < 1e-6
    truth = reference_yat.gradients(upstream, *ARGUMENTS.values())
    for gradient, name in zip(found, ARGUMENTS, strict=True):
        assert relative(gradient, truth[name]) < 1e-5, name


@pytest.mark.optimized
@pytest.mark.parametrize("distance", ["expanded", "direct"])
@pytest.mark.parametrize("normalize", ["kernel", "sphere"])
def test_normalized_values_and_gradients(form, normalize, distance):
    x, kernel, upstream = ARGUMENTS["x"], ARGUMENTS["kernel"], draw((6, 4), seed=3)
    value, found = value_and_gradients(
        lambda x, kernel: yat_product(x, kernel, 0.5, 0.1, normalize=normalize, distance=distance),
        x,
        kernel,
        upstream=upstream,
    )

    def definition(x, kernel):
        return reference_yat.yat(x, kernel, 0.5, 0.1, normalize=normalize)

    assert relative(value, definition(x, kernel)) < 1e-5
    for i, gradient in enumerate(found):
        assert relative(gradient, slopes(definition, (x, kernel), i, upstream)) < 1e-4


def slopes(definition, arguments, i, upstream):
    """The gradient of Σ upstream·definition in argument i, by differences in float64."""
    arguments = [np.asarray(a, "float64") for a in arguments]
    found = np.zeros_like(arguments[i])
    for place in np.ndindex(found.shape):
        values = []
        for sign in (1, -1):
            moved = [a.copy() for a in arguments]
            moved[i][place] += sign * 1e-6
            values.append(np.sum(upstream * definition(*moved)))
        found[place] = (values[0] - values[1]) / 2e-6
    return found


@pytest.mark.optimized
def test_second_derivatives(form):
    x, kernel = draw((3, 4)), draw((4, 2), seed=1)
    direction = draw((3, 4), seed=2)

    def slope(x, kernel):
        def along(step):
            return yat_product(x + step * direction, kernel, 0.5, 0.1)

        zero = ops.sum(x) * 0.0
        return value_and_gradients(along, zero)[1][0]

    if BACKEND == "torch":
        import torch

        tensors = [torch.tensor(a, requires_grad=True) for a in (x, kernel)]
        (first,) = torch.autograd.grad(
            yat_product(*tensors, 0.5, 0.1).sum(), tensors[0], create_graph=True
        )
        found = torch.autograd.grad((first * torch.tensor(direction)).sum(), tensors)
    else:
        _, found = value_and_gradients(slope, x, kernel)

    def definition(x, kernel):
        g = np.ones((3, 2))
        return np.sum(reference_yat.gradients(g, x, kernel, 0.5, 0.1)["x"] * direction)

    for i, gradient in enumerate(found):
        assert relative(gradient, slopes(definition, (x, kernel), i, 1.0)) < 1e-4


@pytest.mark.optimized
@pytest.mark.parametrize(
    ("dtype", "limit"), [("float32", 1e-5), ("bfloat16", 2e-2), ("float16", 5e-3)]
)
def test_generic_inputs_in_each_precision(dtype, limit):
    """Unit normal, 256 entries; the definition gets the inputs rounded to the dtype."""
    x = ops.cast(draw((64, 256)), dtype)
    kernel = draw((256, 32), seed=1)
    upstream = draw((64, 32), seed=2)
    value, found = value_and_gradients(yat_product, x, kernel, upstream=upstream)
    assert keras.backend.standardize_dtype(value.dtype) == dtype
    exact = to_numpy(x)
    truth = reference_yat.yat(exact, kernel)
    assert np.linalg.norm(to_numpy(value) - truth) / np.linalg.norm(truth) < limit
    upstream = to_numpy(ops.cast(upstream, dtype))
    truth = reference_yat.gradients(upstream, exact, kernel)
    for gradient, name in zip(found, ("x", "kernel"), strict=True):
        error = np.linalg.norm(to_numpy(gradient) - truth[name])
        assert error / np.linalg.norm(truth[name]) < limit, name


@pytest.mark.optimized
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("distance", ["expanded", "direct"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_finite_near_a_kernel_and_at_any_scale(dtype, distance, scale):
    x = scale * draw((4, 64))
    step = draw((4, 64), seed=1)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    kernel = np.concatenate([x + apart * step for apart in (0.0, 1e-3, 1e-2, 0.1, 1.0)]).T
    value, found = value_and_gradients(
        lambda x, kernel, bias: yat_product(x, kernel, bias, distance=distance),
        ops.cast(x, dtype),
        kernel,
        draw((20,), seed=2),
    )
    assert np.all(np.isfinite(to_numpy(value)))
    # If both are 1e4, the true gradients exceed the range of float16: they must be infinite, so
    # that loss scaling detects the overflow.
    for gradient in [] if dtype == "float16" and scale > 1.0 else found:
        assert np.all(np.isfinite(to_numpy(gradient)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_inputs_far_from_the_kernel(dtype):
    x = ops.cast(1e4 * draw((8, 256)), dtype)
    value, found = value_and_gradients(yat_product, x, draw((256, 16), seed=1))
    truth = reference_yat.yat(to_numpy(x), draw((256, 16), seed=1))
    assert np.linalg.norm(to_numpy(value) - truth) / np.linalg.norm(truth) < 1e-2
    for gradient in found:
        assert np.all(np.isfinite(to_numpy(gradient)))


@pytest.mark.optimized
@pytest.mark.parametrize("norm", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("apart", [1e-3, 1e-2, 0.1, 1.0])
def test_direct_distances_are_right_near_a_kernel(norm, apart):
    """Values are right to 1e-5 and gradients to 1e-4; with expanded distances the error is 10."""
    x = draw((32, 64))
    x *= norm / np.linalg.norm(x, axis=1, keepdims=True)
    step = draw((32, 64), seed=1)
    kernel = (x + apart * step / np.linalg.norm(step, axis=1, keepdims=True)).T
    value, found = value_and_gradients(
        lambda x, kernel: ops.diagonal(yat_product(x, kernel, distance="direct")), x, kernel
    )
    truth = np.diagonal(reference_yat.yat(x, kernel))
    assert np.max(np.abs(to_numpy(value) / truth - 1.0)) < 1e-5
    truth = reference_yat.gradients(np.eye(32), x, kernel)
    for gradient, name in zip(found, ("x", "kernel"), strict=True):
        axis = 1 if name == "x" else 0
        error = np.linalg.norm(to_numpy(gradient) - truth[name], axis=axis)
        assert np.max(error / np.linalg.norm(truth[name], axis=axis)) < 1e-4


@pytest.mark.optimized
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_floor_of_the_distance(dtype):
    """At x = w the expansion gives z² / (2u‖w‖² + ε), below the truth, with slope 2z/(…)."""
    unit = {"float32": 2.0**-21, "bfloat16": 2.0**-8, "float16": 2.0**-7}[dtype]
    x = np.ones((1, 16), "float32")
    value, found = value_and_gradients(yat_product, ops.cast(x, dtype), x.T)
    expected = 16.0 / (2.0 * unit + 1e-5 / 16.0)
    assert relative(value, [[expected]]) < 1e-2
    for gradient in found:
        np.testing.assert_allclose(to_numpy(gradient).ravel(), 2.0 * expected / 16.0, rtol=1e-2)


@pytest.mark.optimized
def test_double_precision():
    with double_precision():
        x, kernel = (np.float64(draw(s, seed=i)) for i, s in enumerate([(4, 64), (64, 3)]))
        for distance in ("expanded", "direct"):
            value, found = value_and_gradients(
                lambda x, kernel, distance=distance: yat_product(x, kernel, 0.5, distance=distance),
                x,
                kernel,
            )
            assert keras.backend.standardize_dtype(value.dtype) == "float64"
            assert relative(value, reference_yat.yat(x, kernel, 0.5)) < 1e-14
            truth = reference_yat.gradients(np.ones((4, 3)), x, kernel, 0.5)
            for gradient, name in zip(found, ("x", "kernel"), strict=True):
                assert relative(gradient, truth[name]) < 1e-13


@pytest.mark.parametrize("normalize", ["kernel", "sphere"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e19])
def test_normalized_at_any_scale(normalize, scale):
    x, kernel = draw((6, 8)), draw((8, 4), seed=1)
    inputs = scale * x if normalize == "sphere" else x
    value, found = value_and_gradients(
        lambda x, kernel: yat_product(x, kernel, normalize=normalize), inputs, scale * kernel
    )
    assert relative(value, reference_yat.yat(x, kernel, normalize=normalize)) < 1e-5
    assert all(np.all(np.isfinite(to_numpy(g))) for g in found)


@pytest.mark.parametrize("normalize", ["kernel", "sphere"])
def test_zeros_stay_zeros_when_normalized(form, normalize):
    x, kernel = draw((3, 4)), draw((4, 2), seed=1)
    x[1], kernel[:, 0] = 0.0, 0.0
    value, found = value_and_gradients(
        lambda x, kernel: yat_product(x, kernel, normalize=normalize), x, kernel
    )
    np.testing.assert_array_equal(to_numpy(value)[1], 0.0)
    np.testing.assert_array_equal(to_numpy(value)[:, 0], 0.0)
    assert all(np.all(np.isfinite(to_numpy(g))) for g in found)


def test_nan_and_infinity_stay_in_their_rows():
    x = draw((4, 3))
    x[1, 0], x[2, 1] = np.nan, np.inf
    value = to_numpy(yat_product(x, draw((3, 2), seed=1)))
    assert np.all(np.isnan(value[1]))
    assert not np.any(np.isfinite(value[2]))
    assert np.all(np.isfinite(value[[0, 3]]))


def test_lists_variables_and_arrays_as_inputs():
    x, kernel = [[1.0, 2.0]], [[1.0], [3.0]]
    truth = reference_yat.yat(np.array(x), np.array(kernel), 0.0, 0.5)
    for epsilon in (0.5, np.float32(0.5), np.array(0.5, "float32"), keras.Variable(0.5)):
        np.testing.assert_allclose(to_numpy(yat_product(x, kernel, None, epsilon)), truth, 1e-5)


def test_works_in_a_functional_model(tmp_path):
    inputs = keras.Input((5,))
    kernel = ops.convert_to_tensor(ARGUMENTS["kernel"])
    model = keras.Model(inputs, yat_product(inputs, kernel))
    x = ARGUMENTS["x"]
    np.testing.assert_allclose(
        to_numpy(model(x)), to_numpy(yat_product(x, ARGUMENTS["kernel"])), rtol=1e-6
    )


@given(
    batch=st.lists(st.integers(1, 4), max_size=3),
    entries=st.integers(1, 6),
    features=st.integers(1, 5),
    dtype=st.sampled_from(["float32", "float16", "bfloat16", "int32"]),
    normalize=st.sampled_from([None, "kernel", "sphere"]),
    distance=st.sampled_from(["expanded", "direct"]),
)
def test_any_shape_and_dtype(batch, entries, features, dtype, normalize, distance):
    x = ops.cast(3.0 * draw((*batch, entries)), dtype)
    value = yat_product(
        x, draw((entries, features), seed=1), 1.0, 0.5, normalize=normalize, distance=distance
    )
    assert tuple(value.shape) == (*batch, features)
    assert keras.backend.standardize_dtype(value.dtype) == (
        "float32" if dtype == "int32" else dtype
    )
    assert np.all(np.isfinite(to_numpy(value)))
    assert np.all(to_numpy(value) >= 0.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": draw((4, 2))}, r"`kernel` must have the shape \(entries, features\)"),
        ({"kernel": draw((5,))}, "`kernel` must have the shape"),
        ({"epsilon": 0.0}, "`epsilon` must be a finite number greater than 0. Received: epsilon=0"),
        ({"epsilon": float("nan")}, "`epsilon` must be a finite number"),
        ({"normalize": "rows"}, "`normalize` must be one of None, 'kernel', 'sphere'"),
        ({"distance": "exact"}, "`distance` must be one of 'expanded', 'direct'"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        yat_product(**{"x": ARGUMENTS["x"], "kernel": ARGUMENTS["kernel"], **arguments})
