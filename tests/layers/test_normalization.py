"""Normalization by a root mean square, over the features and over the batch."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from keras_yat import YatBatchNormalization, YatLayerNormalization
from tests import helpers
from tests.helpers import double_precision, draw, to_numpy, value_and_gradients

LAYERS = {
    "layer": (YatLayerNormalization, {"epsilon": 0.1, "gamma_regularizer": "l2"}, (4, 3)),
    "layer, axes": (YatLayerNormalization, {"axis": [1, -1]}, (3, 4, 2)),
    "batch": (YatBatchNormalization, {"momentum": 0.9, "gamma_constraint": "non_neg"}, (4, 3)),
    "batch, no gamma": (YatBatchNormalization, {"scale": False, "epsilon": 0.1}, (3,)),
}
MASKS = {
    None: None,
    "positions": np.array([[True, True, False, False], [True, False, False, False], [True] * 4]),
    "examples": np.array([True, False, True]),
}


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_contract(name, tmp_path):
    cls, kwargs, shape = LAYERS[name]
    if name == "layer, axes":  # sizes along all axes have to be known
        helpers.check_config(cls, kwargs)
        helpers.check_files(cls, kwargs, draw((4, *shape)), tmp_path)
    else:
        helpers.check_layer(cls, kwargs, shape, tmp_path, jit=True)


@pytest.mark.parametrize("cls", [YatLayerNormalization, YatBatchNormalization])
def test_arguments_are_those_of_keras(cls):
    def arguments(of):
        found = inspect.signature(of).parameters
        skipped = ("center", "beta", "moving", "renorm", "rms")
        return [name for name in found if not name.startswith(skipped)]

    assert arguments(cls) == arguments(getattr(keras.layers, cls.__name__.removeprefix("Yat")))


def definition(x, gamma, axes, epsilon, mask=None, upstream=None):
    """gamma·x/√(mean(x²) + epsilon) in float64, or its gradients in x and gamma.

    `axes` are those of the mean; gamma has the rank of `x`, with 1 along axes that it is the same.
    """
    x, gamma = np.asarray(x, "float64"), np.asarray(gamma, "float64")
    weight = np.ones(x.shape)
    if mask is not None:
        weight *= mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
    count = np.sum(weight, axis=axes, keepdims=True)
    root = np.sqrt(np.sum(weight * x**2, axis=axes, keepdims=True) / count + epsilon)
    if upstream is None:
        return gamma * x / root
    through = np.sum(upstream * gamma * x, axis=axes, keepdims=True) / count
    of_x = upstream * gamma / root - weight * x * through / root**3
    of_gamma = upstream * x / root
    same = tuple(i for i, size in enumerate(gamma.shape) if size == 1)
    return of_x, np.sum(of_gamma, axis=same, keepdims=True)


def tolerance(dtype):
    return {"rtol": 1e-12, "atol": 1e-13} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-5}


def in_training(layer, mask=None):
    """The output in training, as a function of the input and gamma."""
    others = [v.value for v in layer.non_trainable_variables]
    further = {} if mask is None else {"mask": ops.convert_to_tensor(mask)}

    def function(x, gamma):
        return layer.stateless_call([gamma], others, x, training=True, **further)[0]

    return function


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [-1, 1, (2, -1)])
def test_layer_normalization(axis, dtype):
    x, upstream = (draw((3, 2, 4, 5), seed=s, scale=4.0).astype(dtype) for s in (1, 2))
    axes = axis if isinstance(axis, tuple) else (axis,)
    with double_precision():
        layer = YatLayerNormalization(axis, epsilon=0.3, dtype=dtype)
        layer.build(x.shape)
        gamma = draw(tuple(layer.gamma.shape), seed=3).astype(dtype)
        y, found = value_and_gradients(
            lambda x, gamma: layer.stateless_call([gamma], [], x)[0], x, gamma, upstream=upstream
        )
        y, found = to_numpy(y), [to_numpy(g) for g in found]
    shape = [x.shape[i] if i - 4 in axes or i in axes else 1 for i in range(4)]
    wide = gamma.reshape(shape)
    np.testing.assert_allclose(y, definition(x, wide, axes, 0.3), **tolerance(dtype))
    of_x, of_gamma = definition(x, wide, axes, 0.3, upstream=upstream)
    np.testing.assert_allclose(found[0], of_x, **tolerance(dtype))
    np.testing.assert_allclose(found[1], of_gamma.reshape(gamma.shape), **tolerance(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mask", MASKS)
def test_batch_normalization(mask, dtype):
    x, upstream = (draw((3, 4, 5), seed=s, scale=3.0).astype(dtype) for s in (1, 2))
    gamma, mask = draw((5,), seed=3).astype(dtype), MASKS[mask]
    with double_precision():
        layer = YatBatchNormalization(epsilon=0.3, dtype=dtype)
        layer.build(x.shape)
        y, found = value_and_gradients(in_training(layer, mask), x, gamma, upstream=upstream)
        y, found = to_numpy(y), [to_numpy(g) for g in found]
    wide = gamma.reshape(1, 1, 5)
    np.testing.assert_allclose(y, definition(x, wide, (0, 1), 0.3, mask), **tolerance(dtype))
    of_x, of_gamma = definition(x, wide, (0, 1), 0.3, mask, upstream)
    np.testing.assert_allclose(found[0], of_x, **tolerance(dtype))
    np.testing.assert_allclose(found[1], of_gamma.reshape(5), **tolerance(dtype))


def test_batch_normalization_along_another_axis():
    x = draw((3, 2, 4), seed=1)
    layer = YatBatchNormalization(1, epsilon=0.3)
    y = to_numpy(layer(x, training=True))
    assert tuple(layer.moving_mean_square.shape) == (2,)
    np.testing.assert_allclose(y, definition(x, np.ones((1, 1, 1)), (0, 2), 0.3), rtol=1e-5)


def test_moving_mean():
    """After n batches it is a weighted mean of them; the start has no influence."""
    batches = [draw((4, 6, 2), seed=s, scale=1.0 + s) for s in range(3)]
    masks = [np.random.default_rng(s).random((4, 6)) < 0.7 for s in range(3)]
    layer = YatBatchNormalization(momentum=0.8, epsilon=1e-3)
    x = draw((2, 6, 2))
    np.testing.assert_allclose(to_numpy(layer(x)), x / np.sqrt(1.001), rtol=1e-6)
    for batch, mask in zip(batches, masks, strict=True):
        layer(batch, training=True, mask=ops.convert_to_tensor(mask))
    means = [
        np.mean(b[m].astype("float64") ** 2, axis=0) for b, m in zip(batches, masks, strict=True)
    ]
    expected = np.average(means, axis=0, weights=[0.8**2, 0.8, 1.0])
    for training in (False, None):
        y = to_numpy(layer(x, training=training))
        np.testing.assert_allclose(y, x / np.sqrt(expected + 1e-3), rtol=1e-5)


def test_a_frozen_layer_keeps_and_uses_its_statistics():
    x = draw((8, 3))
    layer = YatBatchNormalization()
    layer(x, training=True)
    statistics = layer.moving_mean_square, layer.moving_weight
    before = [to_numpy(v) for v in statistics]
    layer.trainable = False
    y = layer(5.0 * x, training=True)
    for old, variable in zip(before, statistics, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old)
    np.testing.assert_allclose(to_numpy(y), 5.0 * to_numpy(layer(x)), rtol=1e-5)


@pytest.mark.parametrize("empty", ["masked", "no examples"])
def test_nothing_to_average(empty):
    """Statistics stay as they are, and nothing is NaN."""
    layer = YatBatchNormalization()
    layer(draw((4, 5, 3)), training=True)
    before = [to_numpy(v) for v in layer.weights]
    if empty == "masked":
        x = np.full((2, 5, 3), np.nan, "float32")
        layer(x, training=True, mask=ops.zeros((2, 5), dtype="bool"))
    else:
        layer(np.zeros((0, 5, 3), "float32"), training=True)
    for old, variable in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("cls", [YatLayerNormalization, YatBatchNormalization])
def test_half_precision(cls, policy):
    """Squares overflow float16, sums of 4096 ones are wrong in both: neither is computed so."""
    layer = cls(dtype=policy)
    x = np.abs(draw((8, 4096))) * 300.0
    y = to_numpy(
        layer(ops.convert_to_tensor(x), training=True)
        if cls is YatBatchNormalization
        else layer(ops.convert_to_tensor(x))
    )
    axis = 0 if cls is YatBatchNormalization else -1
    rounding = 2.0**-10 if policy == "mixed_float16" else 2.0**-7
    np.testing.assert_allclose(y, definition(x, np.ones((1, 1)), axis, 1e-6), rtol=2 * rounding)


def test_any_scale():
    layer = YatLayerNormalization(epsilon=1e-6)
    for scale in (1e20, -3e37, 1.0):
        y, (slope,) = value_and_gradients(layer, np.full((1, 4), scale, "float32"))
        np.testing.assert_allclose(to_numpy(y), np.full((1, 4), np.sign(scale)), rtol=1e-5)
        assert np.all(np.isfinite(to_numpy(slope)))
    y, (slope,) = value_and_gradients(layer, np.zeros((2, 4), "float32"))
    np.testing.assert_array_equal(to_numpy(y), 0.0)
    np.testing.assert_allclose(to_numpy(slope), 1e3, rtol=1e-5)


@pytest.mark.parametrize("cls", [YatLayerNormalization, YatBatchNormalization])
def test_outputs_suit_the_next_layer(cls):
    """Outputs of a Yat layer stay non-negative and get the rms 1, whatever scale it gives them."""
    layer = cls()
    x = keras_yat.YatDense(64, alpha=50.0)(draw((256, 64)))
    y = to_numpy(layer(x, training=True) if cls is YatBatchNormalization else layer(x))
    assert np.all(y >= 0.0)
    np.testing.assert_allclose(np.sqrt(np.mean(y**2)), 1.0, rtol=1e-3)


def test_a_conversion_keeps_them():
    """`convert.replace` replaces the layers beside them alone."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            YatLayerNormalization(),
            keras.layers.Dense(4, activation="relu"),
            YatBatchNormalization(),
        ]
    )
    model(draw((8, 3)), training=True)
    found = keras_yat.convert.replace(model, {"relu": "nami"})
    kinds = (YatLayerNormalization, YatBatchNormalization)
    assert sum(isinstance(layer, kinds) for layer in found.layers) == 2
    (batch,) = [layer for layer in found.layers if isinstance(layer, YatBatchNormalization)]
    np.testing.assert_array_equal(
        to_numpy(batch.moving_mean_square), to_numpy(model.layers[-1].moving_mean_square)
    )


@pytest.mark.parametrize(
    ("cls", "kwargs", "shape", "message"),
    [
        (YatLayerNormalization, {"axis": 0}, (2, 3), "`axis` must be different axes of the input"),
        (YatLayerNormalization, {"axis": 2}, (2, 3), "`axis` must be different axes of the input"),
        (YatLayerNormalization, {"axis": [1, -1]}, (2, 3), "`axis` must be different axes"),
        (YatLayerNormalization, {"axis": "last"}, (2, 3), "`axis` must be"),
        (YatLayerNormalization, {}, (2, None), "`input_shape` must have known sizes along `axis`"),
        (YatLayerNormalization, {"epsilon": 0.0}, (2, 3), "`epsilon` must be a finite number"),
        (YatBatchNormalization, {"axis": None}, (2, 3), "`axis` must be an int other than 0"),
        (YatBatchNormalization, {"axis": 0}, (2, 3), "`axis` must be"),
        (
            YatBatchNormalization,
            {"momentum": 1.0},
            (2, 3),
            r"`momentum` must be a number in \[0, 1",
        ),
        (YatBatchNormalization, {"synchronized": "yes"}, (2, 3), "`synchronized` must be True or"),
        (YatBatchNormalization, {"gamma_initializer": 3}, (2, 3), "`gamma_initializer` must be"),
    ],
)
def test_errors(cls, kwargs, shape, message):
    with pytest.raises(ValueError, match=message):
        cls(**kwargs).build(shape)


def test_a_mask_of_higher_rank_is_an_error():
    with pytest.raises(ValueError, match="`mask` must have at most the rank of the inputs"):
        YatBatchNormalization()(np.ones((2, 3)), training=True, mask=np.ones((2, 3, 1), "bool"))
