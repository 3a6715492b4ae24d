"""The layers of the activations: the contract, and what users do with them."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_yat
from keras_yat import activations
from keras_yat.layers.activation._base import TrainableActivation
from tests import helpers, reference
from tests.helpers import BACKEND, draw, to_numpy, weight_gradients

ALL = {name: type(activations.get(name)) for name in activations.names()}
TRAINABLE = {n: c for n, c in ALL.items() if issubclass(c, TrainableActivation)}
EVERY = pytest.mark.parametrize("cls", ALL.values(), ids=ALL)
EVERY_TRAINABLE = pytest.mark.parametrize("cls", TRAINABLE.values(), ids=TRAINABLE)

# For each layer, arguments that are all other than the defaults.
ARGUMENTS = {
    "nami": {"w": 0.2, "a": 1.5, "b": 2.0, "bounds": {"w": (0.05, 0.9)}},
    "mila": {"beta": -0.5, "bounds": {"beta": (-2.0, None)}},
    "coslu": {"alpha": 0.5, "beta": 2.0},
    "sinlu": {"alpha": 0.5, "beta": 2.0, "bounds": {"alpha": [None, 3.0]}},
    "delu": {"n": 0.5},
    "helu": {},
    "lincomb": {"coefficients": [0.5, -0.5], "functions": ["gelu", "nami"]},
    "norm_lincomb": {"coefficients": 0.3, "functions": ["tanh", "relu", "elu"], "norm": "l1"},
    "relun": {"n": 0.5, "bounds": {"n": (0.1, 8.0)}},
    "scaled_softsign": {"alpha": 2.0, "beta": 0.5},
    "shilu": {"alpha": 0.5, "beta": -1.0},
    "softermax": {"power": 2.0, "axis": 1, "epsilon": 1e-3},
    "softer_sigmoid": {"power": 2.5},
    "soft_tanh": {"power": 3.0},
    "score_tanh": {"power": 0.5},
}


@pytest.mark.parametrize("name", ALL)
def test_contract(name, tmp_path, fresh):
    helpers.check_layer(ALL[name], ARGUMENTS[name], (3, 4), folder=tmp_path, fresh=fresh)


@pytest.mark.parametrize("name", TRAINABLE)
def test_contract_per_channel(name, tmp_path, fresh):
    arguments = {**ARGUMENTS[name], "axis": -1}
    helpers.check_layer(TRAINABLE[name], arguments, (3, 4), folder=tmp_path, fresh=fresh)


@EVERY
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_keras_own_layer_test(cls):
    from keras.src import testing

    count = 0
    if issubclass(cls, TrainableActivation):
        count = len(cls()._starts)
    testing.TestCase("run_layer_test").run_layer_test(
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
def test_values_are_those_of_the_function(cls):
    name = next(n for n, c in ALL.items() if c is cls)
    x = draw((5, 4))
    np.testing.assert_allclose(
        to_numpy(cls()(x)), to_numpy(getattr(activations, name)(x)), rtol=1e-6, atol=1e-7
    )


@EVERY_TRAINABLE
@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [-1, 1])
def test_one_set_per_channel(cls, rank, axis):
    """Each channel is what a layer with that channel's values alone makes of it."""
    shape = (2, 3, 4, 2, 3)[:rank]
    x = draw(shape)
    layer = cls(axis=axis)
    symbolic = layer.compute_output_spec(keras.KerasTensor(shape))
    assert tuple(symbolic.shape) == shape
    layer(x)
    channels = shape[axis]
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        assert tuple(weight.shape)[-1] == channels
        weight.assign(to_numpy(weight) * rng.uniform(0.8, 1.2, tuple(weight.shape)))
    output = to_numpy(layer(x))
    single = cls()
    for channel in range(channels):
        for one, many in zip(single.weights, layer.weights, strict=True):
            one.assign(to_numpy(many)[..., channel])
        take = [slice(None)] * rank
        take[axis] = slice(channel, channel + 1)
        np.testing.assert_allclose(
            output[tuple(take)], to_numpy(single(x[tuple(take)])), rtol=1e-5, atol=1e-6
        )


@EVERY_TRAINABLE
@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(cls, axis, policy):
    """Output within 1 rounding unit of the rounded truth; parameter gradients within 1 %."""
    shape = (64, 32, 32, 16)
    name = next(n for n, c in TRAINABLE.items() if c is cls)
    case = next(c for c in reference.CASES if c.name == name)
    layer = cls(
        **{k: np.asarray(v).tolist() for k, v in case.parameters.items()}, axis=axis, dtype=policy
    )
    dtype = layer.compute_dtype
    x = ops.cast(draw(shape, scale=2.0), dtype)
    upstream = ops.cast(1.0 + draw(shape, seed=1), dtype)
    output = layer(x)
    exact = to_numpy(x).astype("float64")
    parameters = [np.float32(p).astype("float64") for p in case.parameters.values()]
    truth = case.definition(exact, *parameters)
    assert rounding_units(output, truth, dtype) <= 1

    gradients = weight_gradients(layer, x, upstream)
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
    """How many numbers of `dtype` lie between the output and the rounded truth."""
    import ml_dtypes

    kind = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[dtype]

    def place(values):
        bits = values.astype(kind).view(np.int16).astype(np.int32)
        return np.where(bits < 0, -(bits & 0x7FFF), bits)

    return np.max(np.abs(place(to_numpy(output)) - place(truth)))


@EVERY_TRAINABLE
def test_in_a_stock_layer(cls, tmp_path):
    """Counted, trained, frozen, saved and reloaded, as any weight of the layer."""

    def build():
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(5, activation=cls()), keras.layers.Dense(1)]
        )

    model = build()
    own = sum(int(np.prod(w.shape)) for w in cls().weights)
    assert model.count_params() == 4 * 5 + 5 + own + 5 + 1
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mse")
    x, y = draw((16, 4)), draw((16, 1), seed=1)
    before = [to_numpy(w) for w in model.layers[0].activation.weights]
    model.fit(x, y, epochs=2, verbose=0)
    after = [to_numpy(w) for w in model.layers[0].activation.weights]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))

    model.layers[0].trainable = False
    assert len(model.trainable_variables) == 2
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    for w, old in zip(model.layers[0].activation.weights, after, strict=True):
        np.testing.assert_array_equal(to_numpy(w), old)

    expected = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    other = build()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(to_numpy(other(x)), expected)


@EVERY_TRAINABLE
def test_frozen(cls):
    layer = cls(trainable=False)
    layer(draw((2, 3)))
    assert not layer.trainable_variables
    assert len(layer.non_trainable_variables) == len(layer.weights) > 0
    assert cls.from_config(layer.get_config()).trainable is False


def test_one_layer_at_several_sites_is_one_set_of_parameters(tmp_path):
    shared = keras_yat.Nami()
    inputs = keras.Input((4,))
    x = shared(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(shared(keras.layers.Dense(4)(x))))
    assert sum("nami" in w.path for w in model.weights) == 3
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert sum("nami" in w.path for w in again.weights) == 3
    np.testing.assert_array_equal(to_numpy(again(draw((2, 4)))), to_numpy(model(draw((2, 4)))))


@pytest.mark.parametrize("layer", ["SimpleRNN", "LSTM", "GRU"])
def test_as_the_activation_of_a_recurrent_layer(layer):
    recurrent = getattr(keras.layers, layer)(3, activation=keras_yat.Nami())
    model = keras.Sequential([keras.Input((5, 2)), recurrent])
    model.compile("sgd", "mse")
    model.fit(draw((4, 5, 2)), draw((4, 3)), verbose=0)
    assert np.any(to_numpy(recurrent.cell.activation.w) != np.float32(0.3))


@pytest.mark.parametrize("name", ["nami", "relun", "scaled_softsign"])
def test_an_update_is_projected_onto_the_bounds(name):
    """And a parameter that starts at a bound still moves."""
    layer = ALL[name]()
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(100.0), "mse")
    x = draw((32, 4), scale=2.0)
    for target in (-50.0, 50.0):
        model.fit(x, np.full_like(x, target), epochs=2, verbose=0)
        for parameter, (low, high) in layer.bounds.items():
            value = float(to_numpy(getattr(layer, parameter)))
            assert low is None or value >= np.float32(low)
            assert high is None or value <= np.float32(high)
    at_bound = keras_yat.Nami(w=0.1)
    gradients = weight_gradients(at_bound, draw((8,), scale=3.0))
    assert gradients["w"] != 0.0


def test_a_parameter_out_of_the_published_range_has_a_gradient():
    """Clipping in the forward pass would have cut it off."""
    layer = keras_yat.Nami(w=0.9, bounds={"w": None})
    assert weight_gradients(layer, -np.abs(draw((8,))))["w"] != 0.0


def test_bounds():
    layer = keras_yat.Nami(bounds={"w": (0.05, None), "a": None})
    assert layer.bounds == {"w": (0.05, None), "a": (None, None), "b": (0.5, 3.0)}
    assert layer.get_config()["bounds"] == {"w": [0.05, None], "a": None, "b": [0.5, 3.0]}


def test_initializers():
    """Drawn per channel, apart for each parameter, and within the bounds."""
    uniform = keras.initializers.RandomUniform(0.2, 0.4)
    layer = keras_yat.Nami(w=uniform, a=uniform, axis=-1, bounds={"a": (0.1, 3.0)})
    layer(draw((2, 50)))
    w, a = to_numpy(layer.w), to_numpy(layer.a)
    assert 0.2 <= w.min() < w.max() <= 0.4
    assert np.any(w != a)
    np.testing.assert_array_equal(to_numpy(layer.b), np.full(50, 1.5, "float32"))
    wide = keras_yat.Nami(w=keras.initializers.RandomUniform(-5.0, 5.0), axis=-1)
    wide(draw((2, 50)))
    assert to_numpy(wide.w).min() == np.float32(0.1)
    assert to_numpy(wide.w).max() == np.float32(0.5)
    assert keras_yat.Nami(a="ones").get_config()["a"]["class_name"] == "Ones"
    again = keras_yat.Nami.from_config(layer.get_config())
    assert again.get_config()["w"] == layer.get_config()["w"]


def test_lincomb_functions_keep_their_parameters(tmp_path):
    layer = keras_yat.LinComb(
        coefficients=[0.6, 0.4, 0.2],
        functions=["nami", keras_yat.Mila(axis=-1), keras_yat.activations.sinlu],
    )
    model = keras.Sequential([keras.Input((4,)), layer])
    assert {w.path.split("/")[-1] for w in layer.weights} == {"coefficients", "w", "a", "b", "beta"}
    helpers.scramble(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = draw((3, 4))
    np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(model(x)))
    config = layer.get_config()["functions"]
    assert "nami" in str(config[0]).lower()
    assert "sinlu" in str(config[2])


BAD = [
    (keras_yat.Nami, {"w": 0.05}, r"`w` must start within its bounds.*w=0.05, bounds=\(0.1, 0.5\)"),
    (keras_yat.Nami, {"w": keras.initializers.Constant(9.0)}, "`w` must start within its bounds"),
    (keras_yat.Nami, {"a": "zeros"}, "`a` must start within its bounds"),
    (keras_yat.ReLUN, {"n": 0.0}, "`n` must start within its bounds"),
    (keras_yat.Mila, {"beta": "abc"}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"beta": None}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"beta": float("nan")}, "`beta` must be a finite number"),
    (keras_yat.Mila, {"beta": True}, "`beta` must be a finite number"),
    (keras_yat.Mila, {"beta": [1.0, 2.0]}, "`beta` must be a finite number, an initializer"),
    (keras_yat.Mila, {"axis": 0}, "`axis` must be None or an int other than 0.*axis=0"),
    (keras_yat.Mila, {"axis": 1.5}, "`axis` must be None or an int"),
    (keras_yat.Mila, {"axis": [1]}, "`axis` must be None or an int"),
    (keras_yat.Mila, {"bounds": {"gamma": None}}, "bounds.* must be one of 'beta'.*'gamma'"),
    (keras_yat.Mila, {"bounds": (0, 1)}, "`bounds` must be a dict"),
    (keras_yat.Mila, {"bounds": {"beta": (1, 0)}}, "low < high"),
    (keras_yat.Mila, {"bounds": {"beta": 3}}, r"`bounds\['beta'\]` must be None or a pair"),
    (keras_yat.Mila, {"bounds": {"beta": (0, 1, 2)}}, "must be None or a pair"),
    (keras_yat.LinComb, {"functions": []}, "`functions` must be a non-empty list"),
    (keras_yat.LinComb, {"functions": ["rellu"]}, "did you mean.*'relu'"),
    (keras_yat.LinComb, {"coefficients": [1.0]}, "`coefficients` must have 4 entries"),
    (keras_yat.LinComb, {"coefficients": [1, 2, 3, "x"]}, r"`coefficients\[3\]` must be a finite"),
    (keras_yat.NormLinComb, {"norm": "max"}, "`norm` must be one of 'l2', 'l1', 'sum'"),
    (keras_yat.Softermax, {"axis": "a"}, "`axis` must be an int or a tuple of ints"),
    (keras_yat.Softermax, {"epsilon": 0}, "`epsilon` must be a finite number greater than 0"),
    (keras_yat.SoftTanh, {"power": -1}, "`power` must be a finite number greater than 0"),
]


@pytest.mark.parametrize(("cls", "kwargs", "message"), BAD)
def test_bad_arguments(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        cls(**kwargs)


@pytest.mark.parametrize("axis", [2, -2, 5])
def test_an_axis_that_the_input_does_not_have(axis):
    with pytest.raises(ValueError, match=rf"`axis` must be an axis of the input .*axis={axis}"):
        keras_yat.Nami(axis=axis)(draw((2, 3)))


def test_an_axis_of_unknown_size():
    with pytest.raises(ValueError, match="`axis` must be an axis of known size"):
        keras_yat.Nami(axis=1)(keras.Input((None, 3)))


def test_an_input_with_other_channels_is_refused():
    layer = keras_yat.Nami(axis=-1)
    layer(draw((2, 3)))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
        layer(draw((2, 4)))


@settings(max_examples=25, deadline=None)
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


# The compiler reads `.grad` and calls deprecated functions of its own.
@pytest.mark.filterwarnings("default")
def test_torch_compiles_them_all():
    """`jit_compile` on torch takes a minute a model: one model with every layer."""
    if BACKEND != "torch":
        return  # there the contract of each layer has it
    layers = [cls() for cls in ALL.values()]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    history = model.fit(draw((4, 4)), draw((4, 1)), verbose=0)
    assert np.isfinite(history.history["loss"][0])
