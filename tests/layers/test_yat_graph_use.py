"""The graph layers: the checks of every layer, what dense Yat layers have, invalid arguments."""

import keras
import numpy as np
import pytest

from keras_yat import YatDense, YatGraphAttention, YatGraphConv
from tests import helpers
from tests.helpers import draw, to_numpy
from tests.layers.test_yat_graph import BOTH, EDGES, LAYERS, NODES, WEIGHTS, X, assert_near

# Arguments other than the defaults; together all arguments except the sizes.
REGULARIZED = {
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
    "bias_initializer": "ones",
}
CONTRACTS = {
    "convolution": (YatGraphConv, {"units": 4}),
    "convolution, means": (
        YatGraphConv,
        {"units": 4, "normalization": "mean", "add_self_loops": False, "activation": "coslu",
         "learn_epsilon": True, "drop_connect": 0.3, "seed": 1},
    ),
    "convolution, regularized": (YatGraphConv, {"units": 4, **REGULARIZED}),
    "convolution, LoRA": (YatGraphConv, {"units": 4, "lora_rank": 2, "kernel_regularizer": "l2"}),
    "attention": (YatGraphAttention, {"num_heads": 2, "key_dim": 3}),
    "attention, scales": (
        YatGraphAttention,
        {"num_heads": 2, "key_dim": 3, "value_dim": 4, "concat_heads": False, "dropout": 0.2,
         "activation": "coslu", "seed": 3, "normalize": "sphere", "score_bias": "learned",
         "score_bias_initializer": "ones", "epsilon": [0.5, 1.0], "learn_epsilon": True},
    ),
    "attention, no bias": (
        YatGraphAttention,
        {"num_heads": 2, "key_dim": 3, "use_bias": False, "add_self_loops": False,
         "kernel_initializer": "orthogonal", "score_bias": [1.0, 0.5], **REGULARIZED},
    ),
}  # fmt: skip


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTS)
def test_contract(name, tmp_path):
    cls, kwargs = CONTRACTS[name]
    helpers.check_layer(cls, kwargs, (3, 6), tmp_path, name in LAYERS)


@BOTH
def test_masks_of_keras(name):
    inputs, edges = keras.Input((None, 3)), keras.Input((2, None), dtype="int32")
    x = keras.layers.Masking()(inputs)
    model = keras.Model([inputs, edges], LAYERS[name]()([x, edges]))
    padded = np.concatenate([X, np.zeros((2, 3), "float32")])
    # Edges of the padded nodes are left out.
    more = np.concatenate([EDGES, [[NODES, NODES + 1], [0, 1]]], axis=1).astype("int32")
    found = model.predict_on_batch([padded[None], more[None]])
    alone = model.predict_on_batch([X[None], EDGES[None]])
    assert_near(found[:, :NODES], alone)


def test_what_dense_layers_have():
    """A shared kernel, a slice of it, LoRA, quantization and a ternary kernel."""
    owner = YatGraphConv(4)
    part = YatGraphConv(2, kernel_from=owner, kernel_slice=(1, 3))
    whole = to_numpy(owner([X, EDGES]))
    part([X, EDGES])
    part.alpha.assign(owner.alpha)
    assert_near(part([X, EDGES]), whole[:, 1:3])
    owner.enable_lora(2)
    assert len(owner.trainable_weights) == 4
    layer = YatGraphConv(4)
    expected = to_numpy(layer([X, EDGES]))
    layer.quantize("int8")
    assert_near(layer([X, EDGES]), expected, 0.05)
    ternary = YatGraphConv(4, kernel_quantizer="ternary")
    ternary([X, EDGES])
    assert 0.0 <= ternary.sparsity() < 1.0


def test_neurons_are_those_of_a_dense_layer():
    """Without edges, and with loops alone."""
    layer, dense = YatGraphConv(4), YatDense(4)
    none = np.full((2, 1), -1, "int32")
    found = layer([X, none])
    dense.build(X.shape)
    dense.set_weights(layer.get_weights())
    assert_near(found, dense(X))


def test_adapt():
    x = draw((60, 3))
    edges = np.random.default_rng(0).integers(0, 60, size=(2, 200)).astype("int32")
    layer = YatGraphConv(4)
    layer.adapt([x, edges])
    rows = to_numpy(layer._aggregated([x, edges]))
    for column in to_numpy(layer.prototypes()).T:
        assert np.min(np.sum((rows - column) ** 2, axis=1)) < 1e-8
    assert layer.epsilon > 1e-3
    assert np.mean(to_numpy(layer([x, edges])) ** 2) == pytest.approx(1.0, rel=1e-3)


@BOTH
def test_a_model_of_one_graph(name):
    """Full batches by `fit`: a batch of one graph, with a weight for each node."""
    x, edges = keras.Input((None, 3)), keras.Input((2, None), dtype="int32")
    model = keras.Model([x, edges], keras.layers.Dense(2)(LAYERS[name]()([x, edges])))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    labels, known = np.array([[0, 1, 0, 1, 0]]), np.array([[1.0, 1.0, 0.0, 0.0, 1.0]])
    history = model.fit(
        [X[None], EDGES[None]], labels, sample_weight=known, epochs=25, verbose=0
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]


CALLS = [
    ([X], "`inputs` must be a list of features"),
    (X, "`inputs` must be a list of features"),
    ([X, EDGES, WEIGHTS, X], "`inputs` must be a list of features"),
    ([X[0], EDGES], "`inputs` must be a list of features"),
    ([X, EDGES[None]], "`inputs` must be a list of features"),
    ([X, EDGES.T], "`edge_index` must have two rows, sources and targets. Received"),
    ([X, EDGES, WEIGHTS[1:]], "`edge_weight` must have a number for each edge. Received"),
    ([X, np.eye(4, dtype="float32")], "`adjacency` must have a row and a column for each node"),
    ([X, np.eye(5, dtype="float32"), X[:, 0]], "`edge_index` must be ints where there is an"),
    ([X[None], np.stack([EDGES, EDGES])], "`edge_index` must have the batch of x. Received"),
]


@BOTH
@pytest.mark.parametrize(("inputs", "words"), CALLS)
def test_bad_inputs(name, inputs, words):
    with pytest.raises(ValueError, match=words):
        LAYERS[name]()(inputs)


@BOTH
def test_another_number_of_features(name):
    layer = LAYERS[name]()
    layer([X, EDGES])
    with pytest.raises(ValueError, match=f"`x` must have {X.shape[-1]} features. Received: x="):
        layer([X[:, :2], EDGES])


def test_an_array_as_bias_of_the_heads():
    layer = YatGraphAttention(2, 3, score_bias=np.array([0.1, 0.2]))
    assert layer.get_config()["score_bias"] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("cls", "arguments", "words"),
    [
        (YatGraphConv, {"units": 0}, "`units` must be an int of at least 1. Received: units=0"),
        (YatGraphConv, {"units": 2, "normalization": "max"}, "`normalization` must be one of 'sym"),
        (YatGraphConv, {"units": 2, "add_self_loops": 2}, "`add_self_loops` must be True or False"),
        (YatGraphAttention, {"num_heads": 0}, "`num_heads` must be an int of at least 1"),
        (YatGraphAttention, {"score_bias": -1}, "`score_bias` must be a finite number of at least"),
        (YatGraphAttention, {"epsilon": [1.0]}, "`epsilon` must be a number, or 2 of them"),
        (YatGraphAttention, {"concat_heads": "no"}, "`concat_heads` must be True or False"),
        (YatGraphAttention, {"normalize": "kernel"}, "`normalize` must be one of None, 'sphere'"),
        (YatGraphAttention, {"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
    ],
)
def test_bad_arguments(cls, arguments, words):
    sizes = {"num_heads": 2, "key_dim": 3} if cls is YatGraphAttention else {}
    with pytest.raises(ValueError, match=words):
        cls(**{**sizes, **arguments})
