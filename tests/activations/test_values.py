"""Values and slopes of each function against the float64 definitions."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import reference
from tests.helpers import double_precision, gradients_of_slope, to_numpy, value_and_gradients
from tests.reference import CASES

CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
POINTWISE = pytest.mark.parametrize(
    "case", [c for c in CASES if c.name != "softermax"], ids=lambda case: case.id
)


def float32_parameters(case):
    """The parameters rounded to float32, in float64."""
    return {k: np.float32(v).astype("float64") for k, v in case.parameters.items()}


def function_of(case):
    function = getattr(keras_yat.activations, case.name)
    return lambda x, *parameters: function(x, *parameters, **case.settings)


def definition_of(case):
    """The definition as a function of x and of the parameters by position."""
    settings = {} if case.name == "norm_lincomb" else case.settings
    return lambda x, *parameters: case.definition(x, *parameters, **settings)


def expanded(value, x):
    """A parameter with one copy for each entry of x, so that its gradients are not summed."""
    return np.broadcast_to(np.asarray(value)[..., None], (*np.shape(value), x.size))


def true_slopes(case, x, parameters):
    """d/dx and d/dp of the definition at each entry of x, as lists of arrays like x."""
    definition = definition_of(case)
    slopes = [reference.slope(lambda at: definition(at, *parameters), x)]
    for i, parameter in enumerate(parameters):
        for place in np.ndindex(parameter.shape[:-1]):
            unit = np.zeros_like(parameter)
            unit[place] = 1.0

            def shifted(step, i=i, unit=unit):
                moved = [p + step * unit if j == i else p for j, p in enumerate(parameters)]
                return definition(x, *moved)

            slopes.append(reference.slope(shifted, np.zeros_like(x)))
    return slopes


def assert_close(actual, expected, tolerance, what):
    """|actual - expected| ≤ tolerance·max(1, |expected|)."""
    error = np.abs(actual - expected) / np.maximum(1.0, np.abs(expected))
    assert np.max(error) <= tolerance, f"{what}: off by {np.max(error):.1e}"


@pytest.mark.optimized
@POINTWISE
def test_value_and_every_gradient_entry(case, form):
    x = reference.points(case)
    parameters = [expanded(p, x) for p in float32_parameters(case).values()]
    value, gradients = value_and_gradients(
        function_of(case), *[np.float32(a) for a in (x, *parameters)]
    )
    assert_close(to_numpy(value), definition_of(case)(x, *parameters), 1e-5, "value")
    # Without custom gradients a backend rounds the phase of a wave before it multiplies by x.
    tolerance = 1e-5 if form == "custom" or not case.frequency else 1e-4
    rows = np.concatenate([to_numpy(g).reshape(-1, x.size) for g in gradients])
    names = ["x", *(n for n, p in case.parameters.items() for _ in range(np.size(p)))]
    slopes = true_slopes(case, x, parameters)
    for name, row, slope in zip(names, rows, slopes, strict=True):
        if name == case.frequency:
            # x times a slope of the wave multiplies the rounding error of the phase by |x|.
            assert np.max(np.abs(row - slope)) <= 1e-4 * np.max(np.abs(slope)), name
        else:
            assert_close(row, slope, tolerance, f"gradient in {name}")


@POINTWISE
@pytest.mark.parametrize("shared", [(), (3,), (5, 1), (1, 1, 1)], ids=str)
def test_gradients_of_broadcast_parameters_are_summed(case, shared):
    x = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
    upstream = np.random.default_rng(1).normal(size=x.shape)
    parameters = [np.asarray(p, "float32") for p in case.parameters.values()]
    narrow = [np.broadcast_to(_behind(p, len(shared)), p.shape + shared) for p in parameters]
    wide = [np.broadcast_to(_behind(p, x.ndim), p.shape + x.shape) for p in parameters]
    value, few = value_and_gradients(function_of(case), x, *narrow, upstream=upstream)
    again, many = value_and_gradients(function_of(case), x, *wide, upstream=upstream)
    np.testing.assert_allclose(to_numpy(value), to_numpy(again), rtol=1e-6, atol=1e-7)
    for gradient, entries in zip(few, many, strict=True):
        gradient, entries = to_numpy(gradient), to_numpy(entries).astype("float64")
        added = entries.ndim - gradient.ndim
        own = gradient.ndim - len(shared) if gradient.shape != x.shape else 0
        axes = tuple(range(own, own + added))
        repeated = tuple(own + added + i for i, n in enumerate(shared) if n == 1)
        if gradient.shape != x.shape:
            entries = entries.sum(axis=repeated, keepdims=True).sum(axis=axes)
        np.testing.assert_allclose(gradient, entries, rtol=1e-5, atol=1e-5)


def _behind(parameter, count):
    return parameter.reshape((*parameter.shape, *[1] * count))


def test_gradient_of_a_broadcast_input_is_summed():
    x, w = np.float32([[-1.0], [0.5]]), np.float32([0.2, 0.3, 0.4])
    _, (by_x, by_w) = value_and_gradients(keras_yat.activations.nami, x, w)
    assert tuple(by_x.shape) == (2, 1)
    assert tuple(by_w.shape) == (3,)
    slopes = reference.slope(lambda at: reference.nami(at, np.float64(w), 1.0, 1.5), np.float64(x))
    np.testing.assert_allclose(to_numpy(by_x), slopes.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.optimized
@pytest.mark.parametrize("axis", [-1, 0, (0, 2)], ids=str)
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name == "softermax"], ids=lambda case: case.id
)
def test_softermax(case, axis, form):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 4.0, size=(3, 4, 5))
    x = np.where(np.abs(x) < 4 * reference.STEP, 0.5, x).astype("float32")
    upstream = rng.normal(size=x.shape)
    value, (gradient,) = value_and_gradients(
        lambda x: keras_yat.activations.softermax(x, axis=axis, **case.settings),
        x,
        upstream=upstream,
    )
    assert_close(
        to_numpy(value), reference.softermax(np.float64(x), axis=axis, **case.settings), 1e-6, ""
    )

    def total(step, place):
        moved = np.float64(x)
        moved[place] += step
        return np.sum(upstream * reference.softermax(moved, axis=axis, **case.settings))

    step = reference.STEP
    slopes = [
        (8 * (total(step, p) - total(-step, p)) - (total(2 * step, p) - total(-2 * step, p)))
        / (12 * step)
        for p in np.ndindex(x.shape)
    ]
    assert_close(to_numpy(gradient).ravel(), np.array(slopes), 1e-5, "gradient")


@pytest.mark.parametrize("n", [2, 3])
def test_softermax_adds_epsilon(n):
    x, epsilon = np.float32([[1e-3, 2e-3]]), 1e-5
    value = keras_yat.activations.softermax(x, power=n, epsilon=epsilon)
    np.testing.assert_allclose(
        to_numpy(value), reference.softermax(np.float64(x), n, -1, epsilon), rtol=1e-5
    )


@pytest.mark.optimized
@POINTWISE
def test_second_derivatives(case, form):
    x = reference.points(case, -4.0, 4.0, 41)
    parameters = [expanded(p, x) for p in float32_parameters(case).values()]
    seconds = gradients_of_slope(function_of(case), *[np.float32(a) for a in (x, *parameters)])
    rows = np.concatenate([to_numpy(g).reshape(-1, x.size) for g in seconds])
    # Differences of differences: accurate to about 1e-6.
    step = 10 * reference.STEP

    def slope(at, *values):
        return reference.slope(lambda t: definition_of(case)(t, *values), at)

    expected = [reference.slope(lambda at: slope(at, *parameters), x, step)]
    for i, parameter in enumerate(parameters):
        for place in np.ndindex(parameter.shape[:-1]):
            unit = np.zeros_like(parameter)
            unit[place] = 1.0

            def shifted(by, i=i, unit=unit):
                moved = [p + by * unit if j == i else p for j, p in enumerate(parameters)]
                return slope(x, *moved)

            expected.append(reference.slope(shifted, np.zeros_like(x), step))
    away = np.all([np.abs(x - kink) > 5 * step for kink in (*case.kinks, np.inf)], axis=0)
    for row, truth in zip(rows, expected, strict=True):
        assert_close(row[away], truth[away], 2e-5, "second derivative")


@pytest.mark.optimized
def test_float64_is_computed_in_float64():
    for case in CASES:
        check_double(case)


def check_double(case):
    x = np.linspace(-5.0, 5.0, 31).astype("float64") + 0.01
    parameters = [np.float64(p) for p in case.parameters.values()]
    with double_precision():
        value, gradients = value_and_gradients(
            function_of(case), *[ops.convert_to_tensor(a, "float64") for a in (x, *parameters)]
        )
        assert keras.backend.standardize_dtype(value.dtype) == "float64", case.id
        for gradient in gradients:
            assert keras.backend.standardize_dtype(gradient.dtype) == "float64", case.id
        value = to_numpy(value)
    np.testing.assert_allclose(
        value, definition_of(case)(x, *parameters), rtol=1e-12, atol=1e-13, err_msg=case.id
    )
