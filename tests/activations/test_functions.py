"""Arguments of the functions, symbolic calls, forward mode and memory."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat import activations
from keras_yat._numerics.gradients import recomputed
from tests.activations.test_values import CASE, function_of
from tests.helpers import draw, to_numpy, value_and_gradients
from tests.reference import CASES


@CASE
def test_symbolic_tensor(case, tmp_path):
    """A functional model with the function as an operation, saved and loaded."""
    inputs = keras.Input((4,))
    numbers = [p.tolist() if np.ndim(p) else p for p in case.parameters.values()]
    outputs = function_of(case)(keras.layers.Dense(4)(inputs), *numbers)
    model = keras.Model(inputs, outputs)
    assert outputs.shape == (None, 4)
    model.save(tmp_path / "model.keras")
    x = draw((3, 4))
    expected = to_numpy(function_of(case)(model.layers[1](x), *numbers))
    np.testing.assert_allclose(to_numpy(model(x)), expected, rtol=1e-6, atol=1e-7)
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))


def test_symbolic_tensors_broadcast():
    x, w = keras.Input((1,)), keras.Input((5,))
    model = keras.Model([x, w], activations.nami(x, w))
    assert model.output.shape == (None, 5)
    values = draw((3, 1)), 0.3 + 0.0 * draw((3, 5))
    assert tuple(model(list(values)).shape) == (3, 5)


def test_symbolic_call_checks_its_arguments():
    with pytest.raises(ValueError, match="`power` must be a finite number greater than 0"):
        activations.softer_sigmoid(keras.Input((3,)), power=-1)


@CASE
def test_variable_as_input(case):
    numbers = list(case.parameters.values())
    x = draw((2, 3))
    value = function_of(case)(keras.Variable(x), *numbers)
    np.testing.assert_array_equal(to_numpy(value), to_numpy(function_of(case)(x, *numbers)))


@pytest.mark.backends("tensorflow")  # on the other backends every shape is known
def test_tensors_of_unknown_shape():
    import tensorflow as tf

    for spec in ([None, None], None):

        @tf.function(input_signature=[tf.TensorSpec(spec), tf.TensorSpec([None])])
        def gradients(x, w):
            with tf.GradientTape() as tape:
                tape.watch([x, w])
                value = activations.nami(x, w)
            return tape.gradient(value, [x, w])

        by_x, by_w = gradients(tf.ones((3, 5)), tf.ones(1))
        assert by_x.shape == (3, 5)
        assert by_w.shape == (1,)


@pytest.mark.parametrize("power", [0, -1, float("nan"), float("inf"), "2", None, True])
@pytest.mark.parametrize("name", ["softermax", "softer_sigmoid", "soft_tanh", "score_tanh"])
def test_power_is_a_positive_number(name, power):
    message = "`power` must be a finite number greater than 0. Received: power="
    with pytest.raises(ValueError, match=message):
        getattr(activations, name)(np.ones((1, 2)), power)


def test_epsilon_is_a_positive_number():
    with pytest.raises(ValueError, match="`epsilon` must be a finite number greater than 0"):
        activations.softermax(np.ones((1, 2)), epsilon=0.0)


@pytest.mark.parametrize("functions", ["relu", [], None, 3])
def test_functions_must_be_a_list(functions):
    with pytest.raises(ValueError, match="`functions` must be a non-empty list"):
        activations.lincomb(np.ones(2), functions=functions)


def test_each_function_needs_a_coefficient():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 functions.*=\(3,\)"):
        activations.lincomb(np.ones(2), [1.0, 2.0, 3.0], ["relu", "tanh"])
    with pytest.raises(ValueError, match="one entry for each of the 4 functions"):
        activations.lincomb(np.ones(2), 1.0)


def test_functions_of_a_combination_by_name():
    x = draw((5,))
    mixed = activations.lincomb(
        x, [1.0, 2.0, -1.0], ["mila", keras.activations.gelu, lambda x: 2.0 * x]
    )
    expected = to_numpy(activations.mila(x)) + 2.0 * to_numpy(keras.activations.gelu(x)) - 2.0 * x
    np.testing.assert_allclose(to_numpy(mixed), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="activation"):
        activations.lincomb(x, [1.0], ["rellu"])


def test_an_unknown_norm():
    with pytest.raises(ValueError, match="`norm` must be one of 'l2', 'l1', 'sum'"):
        activations.norm_lincomb(np.ones(2), norm="max")


def test_setting_the_backward_pass():
    assert keras_yat.config.backward_pass() == "speed"
    keras_yat.config.set_backward_pass("memory")
    assert keras_yat.config.backward_pass() == "memory"
    keras_yat.config.set_backward_pass("speed")
    with pytest.raises(ValueError, match="`preference` must be one of 'speed', 'memory'"):
        keras_yat.config.set_backward_pass("fast")
    assert keras_yat.config.backward_pass() == "speed"


@CASE
@pytest.mark.optimized
@pytest.mark.backends("jax")  # on the other two forward mode does not work through Keras
def test_forward_mode_with_derived_gradients(case):
    import jax

    x = draw((3, 4))
    numbers = list(case.parameters.values())

    def tangent_of():
        return jax.jvp(lambda x: function_of(case)(x, *numbers), (x,), (np.ones_like(x),))[1]

    custom, told = None, "forward-mode"
    try:
        custom = tangent_of()
    except TypeError as error:
        told = str(error)
    assert "forward-mode" in told
    keras_yat.config.set_backward_pass("derived")
    try:
        tangent = tangent_of()
    finally:
        keras_yat.config.set_backward_pass("speed")
    if custom is not None:
        np.testing.assert_allclose(custom, tangent, rtol=1e-5, atol=1e-6)
    if case.name != "softermax":
        _, pull_back = jax.vjp(lambda x: function_of(case)(x, *numbers), x)
        np.testing.assert_allclose(tangent, pull_back(np.ones_like(x))[0], rtol=1e-5, atol=1e-5)


def test_a_formula_without_derivatives():
    """`recomputed`: the gradient of x·sigmoid(a·x) in x and a, by the backend."""

    @recomputed
    def formula(x, a=1.0):
        return x * ops.sigmoid(a * x)

    x, a = draw((3, 4)), np.float32(0.7)
    value, (of_x, of_a) = value_and_gradients(formula, x, a)
    gate = 1.0 / (1.0 + np.exp(-a * x.astype("float64")))
    slope = gate * (1.0 - gate)
    np.testing.assert_allclose(to_numpy(value), x * gate, rtol=1e-6)
    np.testing.assert_allclose(to_numpy(of_x), gate + a * x * slope, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(of_a), np.sum(x * x * slope), rtol=1e-5)


@pytest.mark.backends("jax")
def test_hessian_with_custom_gradients():
    import jax

    x = np.float32([0.3, -1.2])
    found = jax.hessian(lambda x: ops.sum(activations.mila(x, 0.5)))(x)
    step = 1e-3
    _, slopes = zip(
        *(
            value_and_gradients(lambda x: activations.mila(x, 0.5), x + sign * step)
            for sign in (1.0, -1.0)
        ),
        strict=True,
    )
    second = (to_numpy(slopes[0][0]) - to_numpy(slopes[1][0])) / (2.0 * step)
    np.testing.assert_allclose(np.asarray(found), np.diag(second), atol=1e-3)


DERIVED_ON_TORCH = {
    *("mila", "coslu", "sinlu", "nami", "scaled_softsign", "relun"),
    *("score_tanh", "softer_sigmoid", "softermax"),
}


@pytest.mark.backends("torch")
@pytest.mark.parametrize("name", activations.names())
def test_speed_derives_the_gradients_that_the_setting_names(name, little_memory):
    """More is kept than with `"memory"`."""
    x = draw((64, 16))
    function = getattr(activations, name)
    little = kept_bytes(function, x)
    keras_yat.config.set_backward_pass("speed")
    assert (kept_bytes(function, x) > little) == (name in DERIVED_ON_TORCH)
    shown = type(activations.get(name)).__name__
    listed = keras_yat.config.set_backward_pass.__doc__
    assert (f" {shown}" in listed) == (name in DERIVED_ON_TORCH)


def kept_bytes(function, x, parameters=()):
    """What torch keeps for the backward pass of `function(x, *parameters)`, then run."""
    import torch

    x = torch.as_tensor(x).requires_grad_()
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = function(x, *parameters)
    output.sum().backward()
    return sum(kept.values())


@pytest.mark.backends("torch")
@pytest.mark.parametrize(
    "case",  # the memory of a combination is that of its functions
    [case for case in CASES if case.name not in ("lincomb", "norm_lincomb")],
    ids=lambda case: case.id,
)
def test_memory_kept_for_the_backward_pass_on_torch(case, little_memory):
    """The size of one input; a composition of operations keeps 4 to 9 times that."""
    import torch

    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(64, 256, dtype=dtype)
        parameters = [torch.tensor(p, requires_grad=True) for p in case.parameters.values()]
        kept = kept_bytes(function_of(case), x, parameters)
        assert kept <= 2 * x.nbytes + 64, f"{dtype}: {kept / x.nbytes}"
