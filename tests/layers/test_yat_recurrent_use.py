"""The recurrent Yat layers: the checks of every layer, training, invalid arguments and inputs."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_yat
from tests import helpers
from tests.helpers import draw, to_numpy
from tests.reference_recurrent import KINDS

EVERY = pytest.mark.parametrize("kind", KINDS)
# Those that Keras has too.
STOCK = tuple(kind for kind in KINDS if hasattr(keras.layers, kind))


def layer_class(kind):
    return getattr(keras_yat, f"Yat{kind}")


def cell_class(kind):
    return getattr(keras_yat, f"Yat{kind}Cell")


# Arguments other than the defaults: the GRU is checked with all, the others with the first.
ARGUMENTS = {
    "sequences": {"return_sequences": True},
    "backwards, unrolled": {"go_backwards": True, "unroll": True, "activation": "coslu"},
    "before": {"reset_after": False, "recurrent_activation": "sigmoid"},
    "scales": {"learn_epsilon": True, "epsilon": 0.1, "alpha": 1.5, "constant_bias": 0.2},
    "sphere": {"normalize": "sphere", "epsilon": 0.1},
    "direct": {"distance": "direct"},
    "random": {"dropout": 0.2, "recurrent_dropout": 0.3, "drop_connect": 0.1, "seed": 3},
    "regularized": {
        "kernel_regularizer": "l2",
        "recurrent_regularizer": "l1",
        "bias_regularizer": "l2",
        "activity_regularizer": "l2",
        "kernel_constraint": "max_norm",
        "recurrent_constraint": "max_norm",
        "bias_constraint": "non_neg",
    },
}


@pytest.mark.spread
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(kind, "sequences") for kind in KINDS] + [("GRU", name) for name in list(ARGUMENTS)[1:]],
)
@pytest.mark.slow
def test_contract(kind, arguments, tmp_path):
    kwargs = {"units": 4, **ARGUMENTS[arguments]}
    helpers.check_layer(layer_class(kind), kwargs, (3, 2), tmp_path, arguments == "sequences")


@EVERY
def test_the_configuration_of_a_cell(kind):
    helpers.check_config(cell_class(kind), {"units": 4, "dropout": 0.1, "epsilon": 0.5})


@EVERY
def test_keras_own_layer_test(kind):
    built = layer_class(kind)(3)
    built.build((None, 4, 2))
    helpers.keras_layer_test(
        layer_class(kind),
        init_kwargs={"units": 3, "dropout": 0.1, "recurrent_dropout": 0.1},
        input_shape=(3, 4, 2),
        call_kwargs={"training": True},
        expected_output_shape=(3, 3),
        expected_num_trainable_weights=len(built.weights),
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=1,
        expected_num_non_trainable_variables=1,
        supports_masking=True,
    )


@pytest.mark.parametrize("kind", STOCK)
@pytest.mark.parametrize("suffix", ["", "Cell"])
def test_arguments_are_in_the_order_of_keras(kind, suffix):
    stock = list(inspect.signature(getattr(keras.layers, kind + suffix).__init__).parameters)[1:-1]
    own = list(inspect.signature(getattr(keras_yat, f"Yat{kind}{suffix}")).parameters)
    stock = [name for name in stock if name != "use_cudnn"]
    assert own[: len(stock)] == stock


@EVERY
def test_arguments_by_position(kind):
    gated = "recurrent_activation" in inspect.signature(layer_class(kind)).parameters
    layer = layer_class(kind)(3, "relu", *(["sigmoid"] if gated else []), False)
    assert layer.activation is keras.activations.relu
    assert layer.use_bias is False
    layer.build((None, 4, 2))
    assert layer.cell.bias is None


@EVERY
def test_starting_values(kind):
    """With Glorot kernels they are the published ones; the two kernels always differ."""
    cell = cell_class(kind)(
        6, kernel_initializer="glorot_uniform", recurrent_initializer="orthogonal"
    )
    cell.build((None, 6))
    assert float(to_numpy(cell.alpha)) == float(to_numpy(cell.recurrent_alpha)) == 1.0
    cell = cell_class(kind)(6, kernel_initializer="yat_normal", recurrent_initializer="yat_normal")
    cell.build((None, 6))
    assert np.any(to_numpy(cell.kernel) != to_numpy(cell.recurrent_kernel))


@pytest.mark.nightly
def test_learns_the_adding_problem():
    """The target is the sum of two marked numbers of a hundred: its mean has the error 0.167."""
    rng = np.random.default_rng(0)
    count, length = 64 * 300, 100
    numbers, marks = rng.uniform(size=(count, length)), np.zeros((count, length))
    for half in (0, 1):
        places = rng.integers(half * length // 2, (1 + half) * length // 2, size=count)
        marks[np.arange(count), places] = 1.0
    x = np.stack([numbers, marks], axis=-1).astype("float32")
    y = np.sum(numbers * marks, axis=1, keepdims=True)
    model = keras.Sequential([keras.Input((length, 2)), keras_yat.YatGRU(32)])
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(5e-3, clipnorm=1.0), "mse")
    model.fit(x[:-256], y[:-256], batch_size=64, shuffle=False, verbose=0)
    assert model.evaluate(x[-256:], y[-256:], verbose=0) < 0.03


@pytest.mark.once
@given(
    kind=st.sampled_from(STOCK),
    units=st.integers(1, 4),
    batch=st.integers(1, 3),
    time=st.integers(1, 4),
    flags=st.fixed_dictionaries(
        {
            name: st.booleans()
            for name in ("return_sequences", "return_state", "go_backwards", "unroll", "use_bias")
        }
    ),
    masked=st.booleans(),
)
def test_shapes_agree_with_keras(kind, units, batch, time, flags, masked):
    x = draw((batch, time, 2))
    mask = draw((batch, time), seed=1) > 0 if masked else None
    own, stock = layer_class(kind)(units, **flags), getattr(keras.layers, kind)(units, **flags)
    found = [tuple(t.shape) for t in keras.tree.flatten(own(x, mask=mask))]
    # On torch Keras's layer fails if unrolled, backwards and masked: no mask in that case.
    assert found == [tuple(t.shape) for t in keras.tree.flatten(stock(x))]
    assert keras.tree.flatten(own.compute_output_shape(x.shape)) == keras.tree.flatten(found)


def refused(words, call):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *[({"units": v}, "`units` must be an int of at least 1. Received: units=")
          for v in (0, -1, 2.5, "8", None, True)],
        *[({n: v}, rf"`{n}` must be a number in \[0, 1\)")
          for n in ("dropout", "recurrent_dropout", "drop_connect")
          for v in (1.0, -0.1, "0.5", None)],
        *[({n: 2}, f"`{n}` must be True or False")
          for n in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll",
                    "zero_output_for_mask", "use_bias", "reset_after", "learn_epsilon")],
        ({"activation": "soft_tahn"}, "`activation` must name an activation .*did you mean"),
        ({"recurrent_activation": "softersigmoid"}, "`recurrent_activation` .*'softer_sigmoid'"),
        ({"activation": keras_yat.SoftTanh}, r"`activation` must be an instance .*SoftTanh\(\)"),
        *[({f"{n}_initializer": "yat"}, f"`{n}_initializer` must be an initializer")
          for n in ("kernel", "recurrent", "bias")],
        *[({f"{n}_regularizer": "l7"}, f"`{n}_regularizer` must be a regularizer")
          for n in ("kernel", "recurrent", "bias", "activity")],
        *[({f"{n}_constraint": "small"}, f"`{n}_constraint` must be a constraint")
          for n in ("kernel", "recurrent", "bias")],
        ({"seed": "a"}, "`seed` must be None or an int"),
        ({"epsilon": 0.0}, "`epsilon` must be a finite number greater than 0"),
        ({"alpha": "learn"}, "`alpha` must be 'learned', a finite number or None"),
        ({"normalize": "rows"}, "`normalize` must be one of None, 'kernel', 'sphere'"),
        ({"distance": "near"}, "`distance` must be one of 'expanded', 'direct'"),
        ({"constant_bias": 1.0, "use_bias": False}, "`use_bias` must be True"),
        ({"use_cudnn": True}, "Unrecognized keyword arguments .*use_cudnn"),
    ],
    ids=str,
)  # fmt: skip
def test_invalid_arguments(arguments, words):
    refused(words, lambda: keras_yat.YatGRU(**{"units": 4, **arguments}))


def test_invalid_arguments_of_one_layer():
    refused("`unit_forget_bias` must be True", lambda: keras_yat.YatLSTM(3, unit_forget_bias=None))
    with pytest.raises(TypeError, match=r"missing 1 required .* argument: 'units'"):
        keras_yat.YatLSTM()


@EVERY
def test_invalid_inputs(kind):
    refused("expected ndim=3, found ndim=2", lambda: layer_class(kind)(3)(draw((2, 4))))
    words = "`input_shape` must have a last axis of known size"
    refused(words, lambda: layer_class(kind)(3).build((None, 4, None)))
    layer = layer_class(kind)(3, stateful=True)
    refused("batch size must be static", lambda: layer(keras.Input((4, 2))))
    layer = layer_class(kind)(3)
    x = draw((2, 4, 2))
    layer(x)
    refused("expected axis -1 of input shape to have value 2", lambda: layer(draw((2, 4, 3))))
    count = len(keras.tree.flatten(cell_class(kind)(3).state_size))
    for states in ([draw((2, 3))] * 3, [draw((2, 4))] * count, [draw((1, 3))] * count):
        words = r"`initial_state` must have the shapes \(2, 3\).* Received: initial_state=\["
        refused(words, lambda states=states: layer(x, initial_state=states))
        words = r"`states` must have the shapes \(batch, 3\).* Received: states=\["
        if len(states[0]) == 2:
            refused(words, lambda states=states: layer.cell(x[:, 0], states))
    for length in (3, 5):
        words = (
            rf"`mask` must have the shape \(2, 4\) of the sequences. Received: mask=\(2, {length}\)"
        )
        refused(words, lambda length=length: layer(x, mask=np.ones((2, length), bool)))
    words = "`inputs` must have a last axis of size 2. Received: inputs="
    refused(words, lambda: layer.cell(draw((2, 3)), layer.cell.get_initial_state(2)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        ("SimpleRNN", "bfloat16"),
        ("SimpleRNN", "mixed_float16"),
        ("LSTM", "mixed_bfloat16"),
        ("GRU", "mixed_bfloat16"),
        ("GRU", "float64"),
    ],
)
def test_masked_training_in_each_policy(kind, policy):
    with helpers.double_precision():
        layer = layer_class(kind)(3, return_sequences=True, dropout=0.1, dtype=policy)
        last = layer_class(kind)(3, drop_connect=0.1, dtype=policy)
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.Masking(), layer, last])
        model.compile("sgd", "mse")
        x = draw((4, 4, 2))
        x[0, 2:] = 0.0
        model.fit(x, np.zeros((4, 3)), verbose=0)
        assert all(np.all(np.isfinite(to_numpy(w))) for w in helpers.floats(model.weights))


@EVERY
def test_a_stateful_model_trains(kind):
    """As with Keras's layer, `fit` keeps the last state, except on JAX."""
    moved = []
    for layer in (layer_class(kind)(3, stateful=True), keras.layers.SimpleRNN(3, stateful=True)):
        model = keras.Sequential([keras.Input(batch_shape=(2, 4, 2)), layer])
        model.compile("sgd", "mse")
        before = to_numpy(layer.cell.recurrent_kernel).copy()
        model.fit(draw((4, 4, 2)), np.zeros((4, 3)), batch_size=2, shuffle=False, verbose=0)
        assert np.any(to_numpy(layer.cell.recurrent_kernel) != before)
        moved.append(bool(np.any(to_numpy(layer.states[0]) != 0.0)))
    assert moved[0] == moved[1]


def test_masks_are_cleared_after_an_error():
    layer = keras_yat.YatGRU(3, dropout=0.5)
    layer(draw((2, 4, 2)))
    refused("`initial_state`", lambda: layer(draw((2, 4, 2)), initial_state=[draw((5, 3))]))
    output, _ = layer.cell(draw((7, 2)), layer.cell.get_initial_state(7), training=True)
    assert output.shape == (7, 3)
