"""The layers of the activations: the checks of every layer, values, precision, shapes."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_yat
from keras_yat import activations
from keras_yat.activations._base import TrainableActivation
from tests import helpers, reference
from tests.helpers import all_gradients, draw, to_numpy
from tests.layers.catalogue import ALL, ARGUMENTS, EVERY, EVERY_TRAINABLE, TRAINABLE


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_contract(name, tmp_path):
    helpers.check_layer(ALL[name], ARGUMENTS[name], (3, 4), tmp_path, jit=True)


@pytest.mark.spread
@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_contract_per_channel(name, tmp_path):
    helpers.check_layer(TRAINABLE[name], {**ARGUMENTS[name], "axis": -1}, (3, 4), tmp_path)


@EVERY
def test_keras_own_layer_test(cls):
    count = 0
    if issubclass(cls, TrainableActivation):
        count = len(cls()._starts)
    helpers.keras_layer_test(
        cls,
        init_kwargs={},
        input_shape=(2, 3, 4),
        expected_output_shape=(2, 3, 4),
        expected_num_trainable_weights=count,
        expected_num_non_trainable_weights=0,
        expected_num_losses=0,
        supports_masking=True,
    )


@EVERY
def test_layer_and_function_agree(cls):
    name = next(n for n, c in ALL.items() if c is cls)
    x = draw((5, 4))
    np.testing.assert_allclose(
        to_numpy(cls()(x)), to_numpy(getattr(activations, name)(x)), rtol=1e-6, atol=1e-7
    )


@EVERY_TRAINABLE
@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [-1, 1])
def test_one_set_per_channel(cls, rank, axis):
    """Each channel equals the output of a layer with that channel's parameters."""
    shape = (2, 3, 4, 2, 3)[:rank]
    x = draw(shape)
    layer = cls(axis=axis)
    symbolic = layer.compute_output_spec(keras.KerasTensor(shape))
    assert tuple(symbolic.shape) == shape
    helpers.build(layer, x)
    channels = shape[axis]
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        assert tuple(weight.shape)[-1] == channels
        weight.assign(to_numpy(weight) * rng.uniform(0.8, 1.2, tuple(weight.shape)))
    output = to_numpy(helpers.call(layer, x))
    single = cls()
    for channel in range(channels):
        for one, many in zip(single.weights, layer.weights, strict=True):
            one.assign(to_numpy(many)[..., channel])
        take = [slice(None)] * rank
        take[axis] = slice(channel, channel + 1)
        found = to_numpy(helpers.call(single, x[tuple(take)]))
        np.testing.assert_allclose(output[tuple(take)], found, rtol=1e-5, atol=1e-6)


@pytest.mark.spread
@EVERY_TRAINABLE
@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(cls, axis, policy):
    """The output is within a rounding unit of the rounded truth, gradients within 1 %."""
    shape = (16, 16, 16, 8)
    name = next(n for n, c in TRAINABLE.items() if c is cls)
    case = next(c for c in reference.CASES if c.name == name)
    layer = cls(
        **{k: np.asarray(v).tolist() for k, v in case.parameters.items()}, axis=axis, dtype=policy
    )
    dtype = layer.compute_dtype
    x = to_numpy(ops.cast(draw(shape, scale=2.0), dtype))
    # No kinks, at which differences have no slope; in half precision many inputs round to one.
    x = ops.cast(np.where(np.isin(x, case.kinks), 1.5, x), dtype)
    upstream = ops.cast(1.0 + draw(shape, seed=1), dtype)
    output, _, gradients = all_gradients(layer, x, upstream)
    exact = to_numpy(x).astype("float64")
    parameters = [np.float32(p).astype("float64") for p in case.parameters.values()]
    truth = case.definition(exact, *parameters)
    assert rounding_units(output, truth, dtype) <= 1

    weights = to_numpy(upstream).astype("float64")
    for i, key in enumerate(case.parameters):
        for place in np.ndindex(np.shape(parameters[i])):
            unit = np.zeros_like(parameters[i])
            unit[place] = 1e-5

            def moved(sign, i=i, unit=unit):
                values = [p + sign * unit if j == i else p for j, p in enumerate(parameters)]
                return case.definition(exact, *values)

            slope = (moved(1) - moved(-1)) / 2e-5 * weights
            total = slope.sum(axis=None if axis is None else (0, 1, 2))
            scale = np.abs(slope).sum(axis=None if axis is None else (0, 1, 2))
            found = gradients[key][place] if np.ndim(parameters[i]) else gradients[key]
            np.testing.assert_allclose(found, total, rtol=1e-2, atol=1e-5 * np.max(scale))


def rounding_units(output, truth, dtype):
    """The number of steps of `dtype` between the output and the rounded truth."""
    import ml_dtypes

    kind = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[dtype]

    def place(values):
        bits = values.astype(kind).view(np.int16).astype(np.int32)
        return np.where(bits < 0, -(bits & 0x7FFF), bits)

    return np.max(np.abs(place(to_numpy(output)) - place(truth)))


def test_an_input_with_other_channels_raises_an_error():
    layer = keras_yat.Nami(axis=-1)
    layer(draw((2, 3)))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        layer(draw((2, 4)))


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    data=st.data(),
    name=st.sampled_from(sorted(TRAINABLE)),
    dtype=st.sampled_from(["float32", "mixed_float16", "mixed_bfloat16"]),
)
def test_any_shape_axis_and_precision(shape, data, name, dtype):
    axis = data.draw(st.sampled_from([a for a in range(-len(shape) + 1, len(shape)) if a != 0]))
    layer = TRAINABLE[name](axis=axis, dtype=dtype)
    x = draw(tuple(shape))
    output = layer(x)
    assert tuple(output.shape) == tuple(shape)
    assert all(tuple(w.shape)[-1] == shape[axis] for w in layer.weights)
    np.testing.assert_allclose(
        to_numpy(output), to_numpy(TRAINABLE[name]()(x)), rtol=1e-2, atol=1e-2
    )


# torch's compiler reads `.grad` and calls functions that torch deprecates.
@pytest.mark.filterwarnings("default")
@pytest.mark.backends("torch")  # on the others `check_layer` compiles each layer
@pytest.mark.slow
def test_torch_compiles_every_layer():
    """`jit_compile` on torch takes a minute per model: one model has every layer."""
    layers = [cls() for cls in ALL.values()]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    history = model.fit(draw((4, 4)), draw((4, 1)), verbose=0)
    assert np.isfinite(history.history["loss"][0])
