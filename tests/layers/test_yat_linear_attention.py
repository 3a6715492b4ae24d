"""YatLinearAttention: outputs, the cache, the checks of every layer, invalid arguments."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat import YatLinearAttention, YatMultiHeadAttention
from tests import helpers, reference_attention
from tests.helpers import compiled, draw, to_numpy
from tests.layers.test_yat_attention import Case, assert_near, built, definition

SETTINGS = {"normalize": "sphere", "normalization": "softermax"}
# Arguments, call arguments, and those of the definition.
GROUPED = {"num_heads": 4, "num_key_value_heads": 2}
CASES = {
    "default": ({}, {}, {}),
    "causal": ({"block_size": 2}, {"use_causal_mask": True}, {"is_causal": True}),
    "rotary": ({"rope_max_wavelength": 100.0, "use_gate": True}, {}, {"wavelength": 100.0}),
    "heads": (
        {**GROUPED, "value_dim": 3, "output_shape": 5},
        {"query_mask": np.array([[True, False, True, True, True]] * 2)},
        {"query_mask": [[True, False, True, True, True]] * 2},
    ),
    "parameters": ({"score_bias": [0.3, 2.0], "epsilon": [0.5, 1.5]}, {}, {}),
    "no bias": ({"score_bias": None, "alpha": 2.0}, {}, {}),
    "learned": ({"score_bias": "learned", "learn_epsilon": True, "alpha": "learned"}, {}, {}),
}


def truth(layer, x, **settings):
    bias = 0.0 if layer.score_bias is None else to_numpy(layer.score_bias)
    epsilon = to_numpy(layer.epsilon)
    product = reference_attention.fitted_square(bias, epsilon, layer.key_dim)
    return definition(layer, x, x, product=product, **SETTINGS, **settings)


@pytest.mark.parametrize("name", CASES)
def test_outputs(name):
    arguments, call, settings = CASES[name]
    layer = built(YatLinearAttention, Case(arguments))
    x = draw((2, 5, 6))
    assert_near(layer(x, x, **call), truth(layer, x, **settings)[0])
    found, scores = layer(x, x, **call, return_attention_scores=True)
    expected = truth(layer, x, **settings)
    assert_near(found, expected[0])
    assert_near(scores, expected[1])


def test_masks_of_keras():
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(7, 6, mask_zero=True)(inputs)
    layer = YatLinearAttention(2, 3)
    model = keras.Model(inputs, layer(x, x, use_causal_mask=True))
    tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 2, 1]])
    found = model.predict_on_batch(tokens)
    alone = model.predict_on_batch(np.array([[1, 2, 3, 6, 6]]))
    assert_near(found[:1, :3], alone[:, :3])
    np.testing.assert_array_equal(
        found[0, 3:], np.broadcast_to(to_numpy(layer.output_dense.bias), (2, 6))
    )


@pytest.mark.parametrize(
    "arguments", [{}, {"rope_max_wavelength": 100.0, "num_heads": 4, "num_key_value_heads": 2}]
)
def test_decoding_agrees_with_a_single_call(arguments):
    layer = built(YatLinearAttention, Case(arguments))
    x = draw((2, 6, 6))
    whole = to_numpy(layer(x, x, use_causal_mask=True))
    cache = layer.make_cache(2)
    shapes = [tuple(c.shape) for c in cache]

    @compiled
    def step(x, state, index):
        return layer(x, x, cache=(state,), cache_update_index=index)

    for start, stop in ((0, 2), (2, 3), (3, 6)):
        piece = ops.convert_to_tensor(x[:, start:stop])
        found, cache = step(piece, *cache, ops.convert_to_tensor(start, "int32"))
        assert_near(found, whole[:, start:stop])
        assert [tuple(c.shape) for c in cache] == shapes


def test_the_configuration_of_exact_attention():
    """One layer's configuration builds the other, whose outputs are near."""
    x = draw((2, 9, 6))
    exact = YatMultiHeadAttention(2, 32, **SETTINGS, score_bias=1.0, epsilon=1.0)
    expected = to_numpy(exact(x, x))
    layer = YatLinearAttention.from_config({**exact.get_config(), "name": "linear"})
    layer.build(x.shape, x.shape)
    layer.set_weights(exact.get_weights())
    assert_near(layer(x, x), expected, 0.1)


# Arguments other than the defaults; together all arguments except the sizes.
CONTRACTS = {
    "default": {},
    "keys": {"num_key_value_heads": 1, "rope_max_wavelength": 100.0, "value_dim": 3,
             "attention_axes": [1], "output_shape": [5], "use_gate": True},
    "scales": {"learn_epsilon": True, "epsilon": 0.1, "score_bias": "learned",
               "score_bias_initializer": "ones", "alpha": 1.5},
    "pairs": {"sliding_window": 2, "num_global_tokens": 1, "block_mask": [[True, False]] * 2,
              "mask_block_size": 2, "dropout": 0.2, "seed": 3, "epsilon": [0.5, 1.0]},
    "regularized": {
        "kernel_initializer": "orthogonal",
        "bias_initializer": "ones",
        "kernel_regularizer": "l2",
        "bias_regularizer": "l1",
        "activity_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "bias_constraint": "non_neg",
        "block_size": 2,
    },
}  # fmt: skip


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("arguments", CONTRACTS)
def test_contract(arguments, tmp_path):
    kwargs = {"num_heads": 2, "key_dim": 4, **CONTRACTS[arguments]}
    helpers.check_layer(YatLinearAttention, kwargs, (3, 6), tmp_path, arguments == "default")


X = draw((2, 5, 6))
STATE = (np.zeros((2, 4, 10, 4), "float32"),)
FIXED = {"normalization", "normalize", "power"}
"""Arguments with a single value here."""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"normalization": "softmax"}, "`normalization` must be 'softermax'. Received"),
        ({"normalize": None}, "`normalize` must be 'sphere'. Received: normalize=None"),
        ({"power": 2}, "`power` must be 1. Received: power=2"),
        ({"score_bias": -1}, "`score_bias` must be a finite number of at least 0. Received"),
        ({"score_bias": [1.0]}, "`score_bias` must be a number, or 4 of them. Received"),
        ({"score_bias": "trained"}, "`score_bias` must be 'learned', None, or a number of at"),
        ({"score_bias_initializer": "ones"}, "`score_bias_initializer` must be None. Received"),
        ({"epsilon": [1.0, 0.0, 1.0, 1.0]}, r"`epsilon\[1\]` must be a finite number greater"),
        ({"num_global_tokens": 1}, "`num_global_tokens` must be 0 without `sliding_window`"),
        ({"block_mask": [1, 0]}, "`block_mask` must be booleans"),
    ],
)
def test_bad_arguments(arguments, words):
    for cls in (YatLinearAttention, YatMultiHeadAttention):
        if cls is YatLinearAttention or not set(arguments) & {
            "normalization",
            "normalize",
            "power",
        }:
            with pytest.raises(ValueError, match=words):
                cls(num_heads=4, key_dim=3, **arguments)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"cache": np.zeros((2, 4, 10, 4))}, "`cache` must be a tuple of a state of the shape"),
        ({"cache": (np.zeros((2, 4, 9, 4), "float32"),)}, r"`cache` must .* \(2, 4, 10, 4\)"),
        ({"cache": STATE, "cache_update_index": -3}, "`cache_update_index` must be at least 0"),
        ({"cache": STATE, "return_attention_scores": True}, "`return_attention_scores` must be 0"),
        ({"cache": STATE, "attention_mask": np.ones((2, 5, 5), bool)}, "`attention_mask` must be"),
        ({"cache": STATE, "value": X[:, :3]}, "`cache` must be None .*more or fewer keys"),
    ],
)
def test_bad_caches(call, words):
    with pytest.raises(ValueError, match=words):
        YatLinearAttention(4, 3)(**{"query": X, "value": X, "cache_update_index": 0, **call})


@pytest.mark.parametrize("name", ["dropout", "sliding_window"])
def test_what_needs_all_pairs_has_no_cache(name):
    layer = YatLinearAttention(4, 3, **{name: 0.5 if name == "dropout" else 2})
    with pytest.raises(ValueError, match=f"`{name}` must be 0, False or None with a `cache`"):
        layer(X, X, cache=STATE, cache_update_index=0, training=True)
