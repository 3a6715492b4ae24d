"""Recurrent Yat layers over sequences: states, directions, stacks, activations, lengths."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import helpers
from tests.helpers import draw, to_numpy
from tests.layers.recurrent import KINDS, MASK, assert_near, cell_of, layer_of, loop_of, values


def weight_gradients(layer, inputs, upstream=None):
    return helpers.weight_gradients(layer, ops.convert_to_tensor(inputs), upstream)


@KINDS
@pytest.mark.parametrize("unroll", [False, True])
def test_stateful_over_two_batches(kind, unroll):
    layer = layer_of(kind, stateful=True, unroll=unroll, return_sequences=True)
    x = draw((3, 6, 2))
    halves = [to_numpy(layer(part)) for part in (x[:, :3], x[:, 3:])]
    loop = loop_of(layer)
    truth, _ = loop.states(values(layer.cell), x)
    assert_near(np.concatenate(halves, axis=1), truth)
    layer.reset_state()
    assert_near(layer(x[:, :3]), truth[:, :3])
    # A masked first step returns the last state of the previous batch.
    layer.reset_state()
    layer(x[:, :3])
    mask = np.array([[False, True, True]] * 3)
    truth, _ = loop.states(values(layer.cell), x, np.concatenate([np.ones((3, 3), bool), mask], 1))
    assert_near(layer(x[:, 3:], mask=mask), truth[:, 3:])


@KINDS
@pytest.mark.parametrize("unroll", [False, True])
def test_bidirectional(kind, unroll):
    both = keras.layers.Bidirectional(layer_of(kind, return_sequences=True, unroll=unroll))
    x = draw((3, 5, 2))
    found = to_numpy(both(x, mask=MASK))
    cells = [both.forward_layer.cell, both.backward_layer.cell]
    assert np.any(to_numpy(cells[0].kernel) != to_numpy(cells[1].kernel))
    forward, _ = loop_of(both.forward_layer, zero_output=True).states(values(cells[0]), x, MASK)
    loop = loop_of(both.backward_layer, zero_output=True, backwards=True)
    backward, _ = loop.states(values(cells[1]), x, MASK)
    assert_near(found, np.concatenate([forward, backward[:, ::-1]], axis=-1))


@KINDS
def test_stacked(kind):
    x = draw((3, 5, 2))
    cells = [cell_of(kind, 4), cell_of(kind, 3)]
    found = keras.layers.RNN(cells, return_sequences=True)(x)
    loop = loop_of(cells[0])
    between, _ = loop.states(values(cells[0]), x)
    truth, _ = loop.states(values(cells[1]), between)
    assert_near(found, truth)
    model = keras.Sequential([layer_of(kind, 4, return_sequences=True), layer_of(kind, 3)])
    model.build((3, 5, 2))
    for layer, cell in zip(model.layers, cells, strict=True):
        layer.set_weights(cell.get_weights())
    assert_near(model(x), truth[:, -1])


@KINDS
def test_initial_and_last_states(kind):
    """The states of an encoder start a decoder, in a functional model of unknown length."""
    source, target = keras.Input((None, 2)), keras.Input((None, 4))
    _, *states = layer_of(kind, return_state=True)(source)
    outputs = layer_of(kind, return_sequences=True)(target, initial_state=states)
    model = keras.Model([source, target], outputs)
    model.compile("sgd", "mse")
    x = [draw((3, 5, 2)), draw((3, 6, 4), seed=1)]
    model.fit(x, np.zeros((3, 6, 3)), verbose=0)
    assert model.predict(x, verbose=0).shape == (3, 6, 3)


@pytest.mark.spread
@KINDS
@pytest.mark.parametrize("activation", ["sinlu", "softermax", keras_yat.CosLU, "gelu"])
def test_any_activation(kind, activation):
    """Also activations with weights, for the layer or per unit."""
    if activation is keras_yat.CosLU:
        activation = keras_yat.CosLU(axis=-1)
    arguments = {"activation": activation}
    if kind != "SimpleRNN":
        arguments["recurrent_activation"] = keras_yat.SofterSigmoid(power=2)
    layer = layer_of(kind, 4, **arguments)
    model = keras.Sequential([keras.Input((5, 2)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = [to_numpy(w).copy() for w in model.trainable_weights]
    model.fit(draw((8, 5, 2)), draw((8, 4), seed=1), verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.any(to_numpy(weight) != old), weight.path


@KINDS
@pytest.mark.parametrize("steps", [100, pytest.param(1000, marks=pytest.mark.nightly)])
def test_many_steps(kind, steps):
    layer = layer_of(kind, 8)
    x = draw((2, steps, 3))
    value, of_x, of_weights = helpers.all_gradients(layer, x)
    assert all(np.all(np.isfinite(a)) for a in (to_numpy(value), of_x, *of_weights.values()))
    assert np.any(of_x[:, -1] != 0.0)


@KINDS
def test_empty_batches_and_one_step(kind):
    layer = layer_of(kind, return_sequences=True)
    layer.build((None, 4, 2))
    assert layer(np.zeros((0, 4, 2), "float32")).shape == (0, 4, 3)
    assert layer(draw((2, 1, 2))).shape == (2, 1, 3)


def test_forget_gates_start_open():
    cell = cell_of("LSTM", 16)
    cell.build((None, 64))
    bias = to_numpy(cell.bias).reshape(4, 16)
    assert np.all(bias[1] > bias[0])
    np.testing.assert_array_equal(bias[[2, 3]], bias[[0, 0]])
    kernel, x = cell._prepare_inputs(draw((4000, 64)))
    outputs = to_numpy(kernel(x)).reshape(-1, 4, 16)
    assert 0.9 * np.e < np.mean(outputs[:, 1]) < 1.1 * np.e
    closed = cell_of("LSTM", 16, unit_forget_bias=False)
    closed.build((None, 64))
    assert len(np.unique(to_numpy(closed.bias))) == 1
    published = cell_of("LSTM", 16, kernel_initializer="glorot_uniform")
    published.build((None, 64))
    np.testing.assert_array_equal(to_numpy(published.bias).reshape(4, 16)[:, 0], [0, 1, 0, 0])


@KINDS
def test_attributes_are_those_of_the_cell(kind):
    layer = layer_of(kind, 5, dropout=0.1, epsilon=0.2)
    assert (layer.units, layer.dropout, layer.epsilon) == (5, 0.1, 0.2)
    assert layer.activation is layer.cell.activation


@KINDS
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_sequence_does_not_depend_on_its_batch(kind, policy):
    """Also if the squares of another sequence exceed the range of float32."""
    layer = layer_of(kind, normalize="sphere", epsilon=0.1, dtype=policy)
    layer.build((None, 4, 2))
    x = draw((1, 4, 2))
    others = np.full((1, 4, 2), 1e4 if policy == "mixed_float16" else 1e30, "float32")
    both = np.concatenate([x * 1e-3, others])
    np.testing.assert_allclose(
        to_numpy(helpers.call(layer, both))[:1],
        to_numpy(helpers.call(layer, x * 1e-3)),
        rtol=1e-3,
        atol=1e-5,
    )
