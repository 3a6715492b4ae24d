"""Kinds of input that Keras's layers take: sparse, ragged, empty, flags of NumPy, meshes."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from tests import helpers
from tests.helpers import BACKEND, draw, to_numpy
from tests.layers.test_yat import LAYERS

SPARSE = {
    "YatDense": lambda: keras_yat.YatDense(3),
    "sphere": lambda: keras_yat.YatDense(3, normalize="sphere"),
    "Mila": keras_yat.Mila,
    "Nami": lambda: keras_yat.Nami(axis=-1),
    "Softermax": keras_yat.Softermax,
    "in a stock layer": lambda: keras.layers.Dense(3, activation=keras_yat.Mila()),
}


def sparse(x):
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.sparse.from_dense(x)
    if BACKEND == "jax":
        from jax.experimental import sparse as of_jax

        return of_jax.BCOO.fromdense(x)
    import torch

    return torch.as_tensor(x).to_sparse()


@pytest.mark.parametrize("name", SPARSE)
def test_sparse(name):
    x = draw((4, 6)) * (draw((4, 6), 1) > 1.0)
    layer = SPARSE[name]()
    expected = to_numpy(layer(x))
    np.testing.assert_allclose(to_numpy(layer(sparse(x))), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.backends("tensorflow", "jax")
@pytest.mark.parametrize("name", SPARSE)
def test_a_model_of_sparse_input(name):
    x = draw((4, 6)) * (draw((4, 6), 1) > 1.0)
    inputs = keras.Input((6,), sparse=True)
    model = keras.Model(inputs, SPARSE[name]()(inputs))
    model.compile("sgd", "mse")
    expected = to_numpy(model(x))
    np.testing.assert_allclose(model.predict(sparse(x), verbose=0), expected, rtol=1e-5, atol=1e-6)
    if model.trainable_variables:
        model.fit(sparse(x), expected, batch_size=2, verbose=0)


@pytest.mark.backends("tensorflow")
def test_ragged_indices():
    import tensorflow as tf

    layer = keras_yat.YatEmbedding(5, 3)
    rows = layer(tf.ragged.constant([[1, 2], [3]]))
    assert isinstance(rows, tf.RaggedTensor)
    np.testing.assert_array_equal(to_numpy(rows.flat_values), to_numpy(layer(np.array([1, 2, 3]))))
    assert layer(keras.Input((None,), dtype="int32", ragged=True)).ragged
    assert not layer(keras.Input((None, 3), ragged=True), reverse=True).ragged


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_batch_first(name):
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**kwargs)
    output = layer(np.zeros((0, *shape), "float32"))
    assert tuple(output.shape) == layer.compute_output_shape((0, *shape))
    for gradient in helpers.weight_gradients(layer, np.zeros((0, *shape), "float32")).values():
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


TRUE = [True, 1, np.bool_(True), np.array(True), np.int64(1)]
FALSE = [False, 0, np.bool_(False), None]


def test_flags_of_a_call():
    x = draw((2, 5, 6))
    layer = keras_yat.YatMultiHeadAttention(2, 4)
    causal, plain = (to_numpy(layer(x, x, use_causal_mask=flag)) for flag in (True, False))
    for flags, expected in ((TRUE, causal), (FALSE, plain)):
        for flag in flags:
            found = layer(x, x, use_causal_mask=flag)
            np.testing.assert_array_equal(to_numpy(found), expected)
            scores = layer(x, x, return_attention_scores=flag)
            assert isinstance(scores, tuple) == (flags is TRUE)
    rows = keras_yat.YatEmbedding(7, 4)
    for flag in TRUE:
        assert to_numpy(rows(draw((2, 4)), reverse=flag)).shape == (2, 7)
    with pytest.raises(ValueError, match="`use_causal_mask` must be True or False"):
        layer(x, x, use_causal_mask="yes")


@pytest.mark.backends("jax")
def test_a_flag_that_is_traced_is_named():
    import jax

    x = draw((2, 5, 6))
    layer = keras_yat.YatMultiHeadAttention(2, 4)
    layer(x, x)
    with pytest.raises(ValueError, match="`use_causal_mask` must be known where the call"):
        jax.jit(lambda flag: layer(x, x, use_causal_mask=flag))(True)


@pytest.mark.parametrize("flag", [1, np.bool_(True), np.int32(1)])
def test_flags_of_a_constructor(flag):
    assert keras_yat.YatDense(3, use_bias=flag).use_bias is True
    assert keras_yat.YatGRU(3, return_sequences=flag).return_sequences is True
    assert keras_yat.YatConv1D(3, 2, use_bias=1 - flag).use_bias is False
    with pytest.raises(ValueError, match="`use_bias` must be True or False"):
        keras_yat.YatDense(3, use_bias=2)


@pytest.mark.parametrize("name", ["_compute_attention", "_masked_softmax"])
def test_doors_that_lead_nowhere_are_closed(name):
    with pytest.raises(TypeError, match=f"`{name}`, which only Keras's attention calls"):
        type("Mine", (keras_yat.YatMultiHeadAttention,), {name: lambda self: None})


def test_a_cell_without_a_hand_written_gradient_trains():
    @keras.saving.register_keras_serializable("tests")
    class Plain(keras_yat.YatSimpleRNNCell):
        def step(self, functions, of_input, of_state, states, *further):
            return [functions[0](of_input - of_state)]

        step_backward = keras_yat.layers._cell.BaseYatCell.step_backward

    model = keras.Sequential([keras.Input((4, 2)), keras.layers.RNN(Plain(3, "tanh"))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(draw((2, 4, 2)), draw((2, 3), 1), verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


@pytest.mark.backends("torch")
@pytest.mark.parametrize("cell", ["YatGRU", "YatSimpleRNN", "YatLSTM"])
def test_a_model_that_torch_made_double(cell):
    layer = getattr(keras_yat, cell)(3)
    model = keras.Sequential([keras.Input((4, 2)), layer])
    x = draw((2, 4, 2))
    expected = to_numpy(model(x))
    output = model.double()(x)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(output), expected, rtol=1e-6)


@pytest.mark.backends("jax")
@pytest.mark.parametrize("name", ["YatDense", "YatConv1D", "Nami", "Mila", "attention"])
def test_gradients_in_a_shard_map(name):
    import jax
    from jax.sharding import PartitionSpec

    if name == "attention":
        layer, x = keras_yat.YatMultiHeadAttention(2, 4), draw((2, 3, 6))
        inputs = lambda x: (x, x)  # noqa: E731
    else:
        kwargs, shape = LAYERS.get(name, ({}, (6,)))
        layer, x = getattr(keras_yat, name)(**kwargs), draw((2, *shape))
        inputs = lambda x: (x,)  # noqa: E731
    layer(*inputs(x))
    values = [v.value for v in layer.trainable_variables]

    def loss(values, x):
        return (layer.stateless_call(values, [], *inputs(x))[0] ** 2).sum()

    kinds = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("batch",), axis_types=kinds)
    split = jax.shard_map(
        lambda values, x: jax.lax.psum(loss(values, x), "batch"),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec("batch")),
        out_specs=PartitionSpec(),
    )
    found, expected = (
        jax.jit(jax.grad(f))(values, ops.convert_to_tensor(x)) for f in (split, loss)
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
