"""YatMultiHeadAttention: caches, the checks of every layer, training, invalid arguments."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_yat import YatMultiHeadAttention
from tests import helpers
from tests.helpers import BACKEND, compiled, draw, to_numpy
from tests.layers.test_yat_attention import (
    Case,
    assert_near,
    built,
    definition,
    randomized,
)

DECODED = {
    "plain": ({}, {}),
    "rotary": ({"rope_max_wavelength": 100.0}, {}),
    "grouped": (
        {
            "num_heads": 4,
            "num_key_value_heads": 2,
            "value_dim": 3,
            "rope_max_wavelength": 1e4,
            "normalize": "sphere",
        },
        {},
    ),
    "window": ({"sliding_window": 3, "use_gate": True}, {}),
    "softermax": ({"normalization": "softermax", "output_shape": 3}, {}),
    "masked": ({"dropout": 0.5}, {"query_mask": [[True, False, True, True, True, True]] * 2}),
}


def traced(function):
    """`function` with traced arguments, except on torch."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    return compiled(function)


@pytest.mark.parametrize("prompt", [1, 3])
@pytest.mark.parametrize("name", DECODED)
def test_decoding_agrees_with_a_single_call(name, prompt):
    arguments, masks = DECODED[name]
    layer = built(YatMultiHeadAttention, Case(arguments))
    x = draw((2, 6, 6))
    whole = to_numpy(layer(x, x, use_causal_mask=True, **masks))
    masks = {n: np.array(m) for n, m in masks.items()}

    @traced
    def step(x, keys, values, index, *mask):
        given = dict(zip(masks, mask, strict=True))
        return layer(x, x, cache=(keys, values), cache_update_index=index, **given)

    cache = layer.make_cache(2, 8)
    kept = [(2, 8, layer.num_key_value_heads, n) for n in (layer.key_dim, layer.value_dim)]
    assert [tuple(c.shape) for c in cache] == kept
    for start, stop in [(0, prompt), *((i, i + 1) for i in range(prompt, 6))]:
        piece = slice(start, stop)
        output, cache = step(
            ops.convert_to_tensor(x[:, piece]),
            *cache,
            ops.convert_to_tensor(start, "int32"),
            *(ops.convert_to_tensor(m[:, piece]) for m in masks.values()),
        )
        np.testing.assert_allclose(
            to_numpy(output), whole[:, piece], rtol=0, atol=1e-5 * np.max(np.abs(whole))
        )
    assert [tuple(c.shape) for c in cache] == kept
    for part in cache:
        np.testing.assert_array_equal(to_numpy(part)[:, 6:], 0.0)
        assert np.all(to_numpy(part)[:, :6] != 0.0)


def test_decoding_with_scores():
    layer = built(YatMultiHeadAttention, Case({"rope_max_wavelength": 100.0}))
    x = draw((2, 5, 6))
    whole, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    cache = layer.make_cache(2, 7)
    for start, stop in ((0, 2), (2, 5)):
        piece = x[:, start:stop]
        output, found, cache = layer(
            piece, piece, cache=cache, cache_update_index=start, return_attention_scores=True
        )
        assert_near(output, to_numpy(whole)[:, start:stop])
        assert_near(found[..., :5], to_numpy(scores)[:, :, start:stop])
        np.testing.assert_array_equal(to_numpy(found)[..., stop:], 0.0)


@pytest.mark.parametrize(
    "kind", [np.int32, np.int64, ops.convert_to_tensor], ids=["int32", "int64", "tensor"]
)
def test_cache_update_index(kind):
    layer = built(YatMultiHeadAttention, Case())
    x = draw((2, 2, 6))
    expected, _ = layer(x, x, cache=layer.make_cache(2, 4), cache_update_index=1)
    found, _ = layer(x, x, cache=layer.make_cache(2, 4), cache_update_index=kind(1))
    assert_near(found, to_numpy(expected))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_decoding_in_each_policy(policy):
    with helpers.double_precision():
        layer = YatMultiHeadAttention(2, 4, dtype=policy)
        x = draw((2, 3, 6))
        layer(x, x)
        cache = layer.make_cache(2, 4)
        output, cache = layer(x, x, cache=cache, cache_update_index=0)
        for tensor in (output, *cache):
            assert keras.backend.standardize_dtype(tensor.dtype) == layer.compute_dtype
            assert np.all(np.isfinite(to_numpy(tensor)))


# Arguments other than the defaults; together all arguments except the sizes.
CONTRACTS = {
    "default": {},
    "keys": {"num_key_value_heads": 1, "rope_max_wavelength": 100.0, "value_dim": 3,
             "sliding_window": 2, "attention_axes": [1], "output_shape": [5]},
    "scales": {"learn_epsilon": True, "epsilon": 0.1, "alpha": 1.5, "use_gate": True},
    "sphere": {"normalize": "sphere", "epsilon": 0.1, "alpha_initializer": "ones"},
    "softermax": {"normalization": "softermax", "power": 2.0, "use_bias": False, "alpha": None,
                  "block_size": 2},
    "sparse": {"sliding_window": 1, "num_global_tokens": 1, "mask_block_size": 2,
               "block_mask": [[True, False]] * 2},
    "bias": {"score_bias": "learned", "score_bias_initializer": "ones", "epsilon": [0.1, 0.2]},
    "bias of each head": {"score_bias": [0.5, 1.0]},
    "whole": {"block_size": None, "dropout": 0.2, "seed": 3},
    "regularized": {
        "kernel_initializer": "orthogonal",
        "bias_initializer": "ones",
        "kernel_regularizer": "l2",
        "bias_regularizer": "l1",
        "activity_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "bias_constraint": "non_neg",
    },
}  # fmt: skip


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("arguments", CONTRACTS)
def test_contract(arguments, tmp_path):
    kwargs = {"num_heads": 2, "key_dim": 4, **CONTRACTS[arguments]}
    helpers.check_layer(YatMultiHeadAttention, kwargs, (3, 6), tmp_path, arguments == "default")


@pytest.mark.slow
def test_contract_on_a_plane(tmp_path):
    kwargs = {"num_heads": 2, "key_dim": 4, "attention_axes": [2]}
    helpers.check_layer(YatMultiHeadAttention, kwargs, (2, 3, 6), tmp_path)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_keras_own_layer_test(dropout):
    helpers.keras_layer_test(
        YatMultiHeadAttention,
        init_kwargs={"num_heads": 2, "key_dim": 4, "dropout": dropout},
        input_shape={"query_shape": (2, 5, 6), "value_shape": (2, 3, 6)},
        call_kwargs={"training": True},
        expected_output_shape=(2, 5, 6),
        expected_num_trainable_weights=9,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=int(dropout > 0.0),
        expected_num_non_trainable_variables=int(dropout > 0.0),
        supports_masking=True,
    )


def test_arguments_are_in_the_order_of_keras():
    stock = list(inspect.signature(keras.layers.MultiHeadAttention.__init__).parameters)[1:-1]
    own = inspect.signature(YatMultiHeadAttention).parameters
    assert list(own)[: len(stock)] == stock
    rest = [own[n].kind for n in list(own)[len(stock) :]]
    assert set(rest) <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    layer = YatMultiHeadAttention(3, 4, 5, 0.1, False, 7, (1,), 2)
    config = layer.get_config()
    assert [config[n] for n in stock[:8]] == [3, 4, 5, 0.1, False, (7,), (1,), 2]


def test_symbolic_shapes():
    inputs = [keras.Input((5, 6)), keras.Input((3, 7))]
    output, scores = YatMultiHeadAttention(2, 4, output_shape=8)(
        *inputs, return_attention_scores=True
    )
    assert tuple(output.shape) == (None, 5, 8)
    assert tuple(scores.shape) == (None, 2, 5, 3)
    inputs = keras.Input((3, 4, 6))
    _, scores = YatMultiHeadAttention(2, 4)(inputs, inputs, return_attention_scores=True)
    assert tuple(scores.shape) == (None, 2, 3, 4, 3, 4)


@pytest.mark.parametrize("block_size", [None, 2, "auto"])
def test_sequences_of_unknown_length(block_size):
    inputs = keras.Input((None, 6))
    layer = YatMultiHeadAttention(2, 4, block_size=block_size, rope_max_wavelength=100.0)
    model = keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    randomized(layer)
    for length in (5, 4):
        x = draw((2, length, 6))
        expected, _ = definition(layer, x, x, is_causal=True, wavelength=100.0)
        assert_near(model.predict(x, verbose=0), expected)
    model.compile("sgd", "mse")
    model.fit(x, x, verbose=0)


@pytest.mark.parametrize(
    "arguments", [{}, {"normalization": "softermax", "alpha": None, "block_size": 3}], ids=str
)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "mixed_float16", "float64"])
def test_masked_training_in_each_policy(policy, arguments):
    with helpers.double_precision():
        inputs = keras.Input((4,), dtype="int32")
        start = keras.initializers.RandomNormal(stddev=1.0)
        rows = keras.layers.Embedding(5, 6, start, mask_zero=True, dtype=policy)(inputs)
        layer = YatMultiHeadAttention(
            2, 4, dropout=0.1, learn_epsilon=True, dtype=policy, **arguments
        )
        attended = layer(rows, rows, use_causal_mask=True)
        model = keras.Model(inputs, keras.layers.Dense(3, dtype=policy)(attended))
        model.compile("sgd", "mse")
        x = np.array([[1, 2, 0, 0], [0, 0, 0, 0], [0, 4, 3, 1], [2, 2, 2, 2]])
        start = [to_numpy(w) for w in layer.trainable_variables]
        model.fit(x, draw((4, 4, 3)), epochs=2, verbose=0)
        for weight, old in zip(layer.trainable_variables, start, strict=True):
            assert np.all(np.isfinite(to_numpy(weight)))
            assert np.any(to_numpy(weight) != old), weight.path


@pytest.mark.parametrize("block_size", [None, 2])
def test_dropout(block_size):
    layers = [
        built(YatMultiHeadAttention, Case({"dropout": 0.5, "seed": 3, "block_size": block_size}))
        for _ in range(2)
    ]
    x = draw((2, 5, 6))
    first, again = (to_numpy(layer(x, x, training=True)) for layer in layers)
    np.testing.assert_array_equal(first, again)
    assert np.any(to_numpy(layers[0](x, x, training=True)) != first)
    whole = definition(layers[0], x, x)[0]
    assert_near(layers[0](x, x, training=False), whole)
    assert_near(layers[0](x, x), whole)
    assert np.max(np.abs(first - whole)) > 0.1


@pytest.mark.slow
def test_it_learns_to_copy():
    """The target is the previous token, which only attention reads."""
    inputs = keras.Input((8,), dtype="int32")
    x = keras.layers.Embedding(6, 16)(inputs)
    x = YatMultiHeadAttention(2, 8, rope_max_wavelength=100.0)(x, x, use_causal_mask=True)
    model = keras.Model(inputs, keras.layers.Dense(6)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    x = np.random.default_rng(0).integers(0, 6, (256, 8))
    y = np.concatenate([x[:, :1], x[:, :-1]], axis=1)
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.2


SIZES = {"num_heads": 4, "key_dim": 3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *[({n: v}, f"`{n}` must be an int of at least 1. Received: {n}=")
          for n in ("num_heads", "key_dim", "value_dim", "sliding_window", "num_key_value_heads")
          for v in (0, 2.5, True)],
        *[({n: None}, f"`{n}` must be an int of at least 1. Received: {n}=None")
          for n in ("num_heads", "key_dim")],
        ({"num_key_value_heads": 3}, "`num_key_value_heads` must divide `num_heads`. Received"),
        *[({"dropout": v}, r"`dropout` must be a number in \[0, 1\). Received: dropout=")
          for v in (1.0, "a", None)],
        *[({n: v}, f"`{n}` must be True or False. Received: {n}=")
          for n in ("use_bias", "use_gate", "learn_epsilon") for v in (None, 2)],
        *[({"output_shape": v}, "`output_shape` must be .*Received: output_shape=")
          for v in (0, (3, -1), "wide", 2.5)],
        *[({"attention_axes": v}, "`attention_axes` must be .*Received: attention_axes=")
          for v in ("all", 1.5, ())],
        ({"flash_attention": True}, "`flash_attention` must be None or False. Received: flash_"),
        ({"seed": 1.5}, "`seed` must be None or an int"),
        *[({f"{n}_initializer": "yats"}, f"`{n}_initializer` must be an initializer")
          for n in ("kernel", "bias", "alpha")],
        *[({f"{n}_regularizer": "l7"}, f"`{n}_regularizer` must be a regularizer")
          for n in ("kernel", "bias", "activity")],
        *[({f"{n}_constraint": "small"}, f"`{n}_constraint` must be a constraint")
          for n in ("kernel", "bias")],
        ({"normalization": "sum"}, "`normalization` must be one of 'softmax', 'softermax'"),
        *[({"power": v, "normalization": "softermax"}, "`power` must be a finite number greater")
          for v in (0, None)],
        ({"power": 2}, "`power` must be 1 where `normalization` is 'softmax'"),
        ({"normalize": "kernel"}, "`normalize` must be one of None, 'sphere'. Received"),
        *[({"rope_max_wavelength": v, "key_dim": 4},
           "`rope_max_wavelength` must be .*Received: rope_max_wavelength=")
          for v in (0, "long", True, float("inf"))],
        ({"rope_max_wavelength": 10.0}, "`rope_max_wavelength` must be None where `key_dim`"),
        *[({"block_size": v}, "`block_size` must be .*Received: block_size=")
          for v in (0, "x", 2.5)],
        *[({"epsilon": v}, "`epsilon` must be a finite number greater than 0") for v in (0, None)],
        ({"epsilon": 1e-9, "learn_epsilon": True}, "`epsilon` must be at least 1e-07 where it is"),
        ({"alpha": "learn"}, "`alpha` must be 'learned', a finite number or None"),
        ({"alpha": 1.0, "alpha_initializer": "ones"}, "`alpha_initializer` must be None"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        YatMultiHeadAttention(**{**SIZES, **arguments})


def test_the_global_flash_attention_setting():
    """Keras's global setting does not apply: the layer does not support fused attention."""
    keras.config.enable_flash_attention()
    try:
        layer = built(YatMultiHeadAttention, Case({"dropout": 0.1}))
        x = draw((2, 5, 6))
        assert_near(layer(x, x), definition(layer, x, x)[0])
    finally:
        keras.config.disable_flash_attention()


X, CACHE = draw((2, 5, 6)), (np.zeros((2, 7, 4, 3), "float32"),) * 2
AT = {"cache": CACHE, "cache_update_index": 0}


@pytest.mark.parametrize(
    ("inputs", "call", "words"),
    [
        ((X, X[:, :3], X), {}, "`value` must have .*the positions of the key. Received: value="),
        ((X, X[:, None]), {}, "`value` must have the number of axes of the query"),
        ((X[:, 0], X[:, 0]), {}, "`query` must have a batch, positions"),
        ((X, X), {"attention_mask": np.ones((2, 5, 4), bool)}, "`attention_mask` must broadcast"),
        ((X, X), {"attention_mask": np.ones((2, 3, 5, 5), bool)}, "`attention_mask` must broadca"),
        *[((X, X), {f"{n}_mask": np.ones((2, 4), bool)}, f"`{n}_mask` must have the shape")
          for n in ("query", "value", "key")],
        ((X, X), {"cache": CACHE}, "`cache_update_index` must be an int or a scalar tensor"),
        *[((X, X), {"cache": CACHE, "cache_update_index": i}, "`cache_update_index` must leave")
          for i in (-1, 3)],
        *[((X, X), {"cache": c, "cache_update_index": 0}, "`cache` must be a pair .*Received: ca")
          for c in (CACHE[:1], (CACHE[0][:, :, :2],) * 2, (CACHE[0], CACHE[1][:, 1:]), "cache")],
        ((X[:, :1], X[:, :3]), {"cache": CACHE, "cache_update_index": 5},
         "`cache_update_index` must leave room for all queries and keys"),
        ((X[:1], X[:1]), AT, "`cache` must have the batch of the query. Received: cache="),
        ((X, X), {**AT, "value_mask": np.ones((2, 5), bool)}, "`value_mask` must be None with a"),
        ((X[:, None], X[:, None]), AT, "`cache` must be None for an input of this rank"),
    ],
)  # fmt: skip
def test_bad_input(inputs, call, words):
    with pytest.raises(ValueError, match=words):
        YatMultiHeadAttention(**SIZES)(*inputs, **call)


@pytest.mark.parametrize("axes", [(0,), (3,), (1, 1), (-1,), (5,)])
def test_bad_axes(axes):
    layer = YatMultiHeadAttention(**SIZES, attention_axes=axes)
    with pytest.raises(ValueError, match="`attention_axes` must be different axes of the input"):
        layer.build((2, 3, 4, 6), (2, 3, 4, 6))


def test_invalid_cache_sizes():
    layer = YatMultiHeadAttention(**SIZES)
    for sizes in ((0, 3), (2, 0), (2, 2.5)):
        with pytest.raises(ValueError, match=r"`(batch_size|length)` must be an int of at le"):
            layer.make_cache(*sizes)
