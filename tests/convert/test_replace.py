"""`replace` and `plan` on small models; `test_networks.py` has large ones."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_yat
from keras_yat import convert
from tests.helpers import call, draw, to_numpy


def dense(*activations, size=4):
    """A model with a dense layer for each activation."""
    made = [layers.Dense(size, activation=a, name=f"d{i}") for i, a in enumerate(activations)]
    return keras.Sequential([keras.Input((size,)), *made])


def replaced(model, rules, **options):
    """What `plan` says: place, argument, old, new."""
    found = convert.plan(model, rules, **options).replaced
    return [(change.path, change.argument, change.old, change.new) for change in found]


def assert_equal(new, old, x):
    for one, other in zip(*(keras.tree.flatten(call(m, x)) for m in (new, old)), strict=True):
        np.testing.assert_allclose(to_numpy(one), to_numpy(other), atol=1e-6, rtol=1e-6)


def test_matches_by_what_keras_gets():
    model = dense("swish", keras.activations.silu, "hard_swish", "relu", "relu6")
    names = [old for *_, old, _ in replaced(model, {"silu": "coslu", "hard_silu": "mila"})]
    assert names == ["silu", "silu", "hard_silu"]
    assert len(replaced(model, {keras.activations.relu: "mila"})) == 1
    assert len(replaced(model, {"swish": "coslu"})) == 2


ACTIVATION_LAYERS = [
    (layers.ReLU(), "relu"),
    (layers.ReLU(6.0), "relu6"),
    (layers.ReLU(3.0), None),
    (layers.ReLU(negative_slope=0.1), "leaky_relu"),
    (layers.ReLU(threshold=1.0), None),
    (layers.LeakyReLU(0.2), "leaky_relu"),
    (layers.ELU(), "elu"),
    (layers.PReLU(), "prelu"),
    (layers.Activation("relu"), "relu"),
    (layers.Activation("hard_swish"), "hard_silu"),
    (keras_yat.Mila(axis=-1), "mila"),
]


@pytest.mark.parametrize(("layer", "name"), ACTIVATION_LAYERS)
def test_a_layer_is_the_function_that_it_computes(layer, name):
    model = keras.Sequential([keras.Input((4,)), type(layer).from_config(layer.get_config())])
    for other in ("relu", "relu6", "leaky_relu", "elu", "prelu", "hard_silu", "mila"):
        count = len(replaced(model, {other: "nami"}))
        assert count == (other == name), other
    assert len(replaced(model, {type(layer): "nami"})) == 1


def test_names_weights_and_shared_layers_stay():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu", name="in")], name="inner")
    shared = layers.Dense(4, "relu", name="shared")
    inputs = keras.Input((4,), name="x")
    x = layers.BatchNormalization(name="norm")(inner(shared(shared(inputs))))
    model = keras.Model(inputs, [layers.ReLU(name="act")(x), layers.Dropout(0.5, name="drop")(x)])
    model.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    new = convert.replace(model, {"relu": keras_yat.ShiLU})
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    assert_equal(new, model, draw((3, 4)))
    for layer in (new.get_layer("shared"), new.get_layer("inner").get_layer("in")):
        assert isinstance(layer.activation, keras_yat.ShiLU)
    kernels = [w for w in new.trainable_weights if w.name == "kernel"]
    assert len(kernels) == 2
    # The weights are copies: training one model does not change the other.
    for weight in new.weights:
        weight.assign(weight + 1.0)
    assert float(model.get_layer("norm").moving_mean[0]) == 1.0


def test_an_activation_that_layers_share_stays_shared():
    act = keras_yat.Mila(0.0)
    model = dense(act, act)
    new = convert.replace(model, {"mila": keras_yat.CosLU})
    assert new.layers[0].activation is new.layers[1].activation
    kept = convert.replace(dense(act, act, "relu"), {"relu": "shilu"})
    assert kept.layers[0].activation is kept.layers[1].activation


def test_a_tied_kernel_stays_tied():
    owner = keras_yat.YatDense(4, name="owner")
    inputs = keras.Input((4,))
    x = layers.ReLU()(owner(inputs))
    model = keras.Model(inputs, keras_yat.YatDense(4, kernel_from=owner, name="tied")(x))
    new = convert.replace(model, {"relu": "shilu"})
    assert new.get_layer("tied").kernel is new.get_layer("owner").kernel
    assert_equal(new, model, draw((2, 4)))


def test_wrapped_layers_and_cells():
    model = keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="lstm"), name="both"),
            layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(2)], return_sequences=True),
            layers.TimeDistributed(layers.Dense(3, activation="tanh"), name="each"),
            layers.TimeDistributed(dense("tanh", size=3), name="model"),
        ]
    )
    found = replaced(model, {"tanh": keras_yat.ScaledSoftSign})
    assert len(found) == 6
    assert all(argument == "activation" for _, argument, *_ in found)
    assert "both/forward_lstm" in {path for path, *_ in found}
    new = convert.replace(model, {"tanh": keras_yat.LinComb})
    assert_equal(new, model, draw((2, 5, 3)))


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """A layer whose configuration has one of its two activations."""

    def __init__(self, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.first = layers.Dense(4, activation=self.activation)
        self.second = layers.Dense(4, activation="elu")

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build(input_shape)

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.block = Block(self.activation)

    def call(self, x):
        return self.block(x)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


def test_a_layer_is_replaced_as_its_configuration_describes_it():
    model = keras.Sequential([keras.Input((4,)), Block(name="block")])
    new = convert.replace(model, {"relu": keras_yat.ShiLU(axis=-1)})
    assert_equal(new, model, draw((2, 4)))
    hidden = convert.plan(model, {"*": "mila"}).skipped
    assert [change.old for change in hidden] == ["elu"]
    assert "code of Block" in hidden[0].reason
    with pytest.raises(ValueError, match=r"elu \(set in the code of Block"):
        convert.replace(model, {"elu": "mila"})


def test_a_subclassed_model():
    model = Subclassed(name="own")
    model(draw((2, 4)))
    new = convert.replace(model, {"relu": keras_yat.ShiLU})
    assert type(new) is Subclassed
    assert_equal(new, model, draw((2, 4)))


def test_operations_become_layers():
    inputs = keras.Input((4,))
    x = ops.relu(layers.Dense(4, name="first")(inputs))
    x = ops.leaky_relu(ops.silu(layers.Dense(4)(x)), negative_slope=0.1)
    model = keras.Model(inputs, keras_yat.activations.mila(x * 2.0))
    rules = {"relu": "shilu", "silu": "lincomb"}
    new = convert.replace(model, rules)
    assert_equal(new, model, draw((3, 4)))
    assert len(new.trainable_weights) == len(model.trainable_weights) + 3
    plan = convert.plan(model, {**rules, "leaky_relu": "shilu", "mila": "coslu"})
    starts = {change.old: change.start for change in plan.replaced}
    exact = dict.fromkeys(("relu", "silu"), "exact")
    assert starts == {**exact, "leaky_relu": "least squares", "mila": "least squares"}


def squeeze_and_excite(gate):
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="relu", name="weighted")(inputs)
    branch = layers.Dense(4, activation="relu", name="branch")(x)
    branch = gate(layers.Dense(4, name="excite")(branch))
    return keras.Model(inputs, layers.Multiply(name="product")([x, branch]))


@pytest.mark.parametrize(
    ("gate", "rules"),
    [
        (lambda x: layers.ReLU(6.0, name="gate")(x + 3.0) * (1.0 / 6.0), {"relu6": "relun"}),
        (lambda x: layers.Reshape((4,))(layers.ReLU(name="gate")(x)), {"relu": "shilu"}),
        (lambda x: layers.Activation("tanh", name="gate")(x), {"tanh": "nami"}),
        (lambda x: layers.Activation("sigmoid", name="gate")(x), {"*": "mila"}),
        (lambda x: layers.Softmax(name="gate")(x), {"*": "mila"}),
    ],
)
def test_gates_stay(gate, rules):
    model = squeeze_and_excite(gate)
    paths = {path for path, *_ in replaced(model, {"relu": "shilu", **rules})}
    assert paths == {"weighted", "branch"}
    named = {path for path, *_ in replaced(model, rules, where=["gate"])}
    assert named == (set() if "*" in rules else {"gate"})


def test_a_rule_that_names_a_gate_replaces_it():
    model = squeeze_and_excite(lambda x: layers.Activation("sigmoid", name="gate")(x))
    assert [p for p, *_ in replaced(model, {"sigmoid": "softer_sigmoid"})] == ["gate"]
    lstm = keras.Sequential([keras.Input((5, 3)), layers.LSTM(2, name="lstm")])
    assert [a for _, a, *_ in replaced(lstm, {"sigmoid": "softer_sigmoid"})] == [
        "recurrent_activation"
    ]
    assert replaced(lstm, {"*": "nami"}) == [("lstm", "activation", "tanh", "Nami")]


def test_a_factor_that_depends_on_nothing_else_is_a_gate():
    inputs = keras.Input((4,))
    gate = layers.Dense(4, activation="silu", name="gate")(inputs)
    up = layers.Dense(4, activation="silu", name="up")(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="silu", name="down")(gate * up))
    assert [path for path, *_ in replaced(model, {"silu": "coslu"})] == ["down"]


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ("d1", {"d1"}),
        ("d[01]", {"d0", "d1"}),
        (["d0", "d2"], {"d0", "d2"}),
        (lambda path: path != "d0", {"d1", "d2"}),
    ],
)
def test_where(where, paths):
    found = convert.plan(dense("relu", "relu", "relu"), {"relu": "mila"}, where=where)
    assert {change.path for change in found.replaced} == paths
    assert {change.reason for change in found.skipped} == {"not selected by `where`"}


def test_policies_and_frozen_layers_stay():
    inputs = keras.Input((4,))
    x = layers.Dense(4, activation="relu", dtype="mixed_bfloat16", name="half")(inputs)
    model = keras.Model(inputs, layers.ReLU(name="act", dtype="float16")(x))
    model.get_layer("half").trainable = False
    new = convert.replace(model, {"relu": keras_yat.ShiLU})
    assert new.get_layer("half").activation.compute_dtype == "bfloat16"
    assert new.get_layer("act").compute_dtype == "float16"
    assert {w.name for w in new.trainable_weights} == {"alpha", "beta"}
    assert len(new.trainable_weights) == 2


def test_the_report(capsys):
    model = dense("swish", "gelu", "softmax")
    new = convert.replace(model, {"silu": "coslu", "gelu": "mila"}, verbose=True)
    text = capsys.readouterr().out
    assert text.rstrip() == str(convert.plan(model, {"silu": "coslu", "gelu": "mila"}))
    assert re.search(r"d0 \(activation\) +silu +CosLU +exact\n", text)
    assert re.search(r"d1 \(activation\) +gelu +Mila +least squares, rms 0\.0\d+\n", text)
    assert re.search(r"d2 \(activation\) +softmax +a gate that no rule names\n", text)
    assert "2 replaced, 1 left" in text
    assert not new.compiled


def test_plan_changes_nothing():
    model = dense("relu")
    before = model.get_config()
    convert.plan(model, {"relu": "mila"})
    assert model.get_config() == before


def test_parameters_per_channel_are_there_before_the_first_call(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(3, activation="relu", name="dense"),
        ]
    )
    new = convert.replace(model, {"relu": keras_yat.ShiLU(axis=-1)})
    assert new.count_params() == model.count_params() + 2 * (4 + 3)
    new.layers[0].activation.alpha.assign([1.0, 2.0, 3.0, 4.0])
    new.save(tmp_path / "new.keras")
    loaded = keras.saving.load_model(tmp_path / "new.keras")
    assert_equal(loaded, new, draw((2, 6, 6, 2)))
    paths = {"/".join(w.path.split("/")[-3:]) for w in new.trainable_weights}
    assert {"conv/conv_shilu/alpha", "dense/dense_shilu/beta"} <= paths


def test_a_model_without_weights_yet():
    model = keras.Sequential([layers.Dense(3, activation="relu")])
    new = convert.replace(model, {"relu": keras_yat.ShiLU})
    assert to_numpy(new(ops.ones((1, 4)))).shape == (1, 3)


def test_functions_of_the_user():
    def squared(x):
        return ops.relu(x) ** 2

    model = dense(squared, lambda x: x * 2.0)
    new = convert.replace(model, {squared: keras_yat.Mila}, where="d0")
    assert isinstance(new.layers[0].activation, keras_yat.Mila)
    assert replaced(model, {"squared": "mila"}) == [("d0", "activation", "squared", "Mila")]
    plain = convert.replace(model, {squared: keras.activations.relu})
    assert plain.layers[0].activation is keras.activations.relu
    assert plain.layers[1].activation is model.layers[1].activation


BAD = [
    ({"relo": "mila"}, {}, r"`rules` must name activations .*\(did you mean 'relu'"),
    ({"swishh": "mila"}, {}, r"\(did you mean 'swish'"),
    ({"elu": "mila"}, {}, r"No rule applies to the model\. Its activations: relu \(no rule\)"),
    ({}, {}, "`rules` must be a dict"),
    ([("relu", "mila")], {}, "`rules` must be a dict"),
    ({3: "mila"}, {}, "`rules` must have names of activations.* Received: rules=3"),
    ({keras_yat.Mila(): "relu"}, {}, "`rules` must have names of activations"),
    ({"relu": "milo"}, {}, "`rules.'relu'.` must .*mila"),
    ({"relu": layers.Dense(3)}, {}, "`rules.'relu'.` must be an activation"),
    ({"relu": keras_yat.YatDense}, {}, "`rules.'relu'.` must be an instance or a name"),
    ({layers.Dense: "mila"}, {}, "`rules.Dense.` must be a layer class"),
    ({layers.Dense: keras_yat.YatConv2D}, {}, r"same required arguments.*'filters', 'kernel_size'"),
    ({"relu": "mila"}, {"where": "d9"}, r"`where` must select layers.*\['d9'\]"),
    ({"relu": "mila"}, {"where": []}, "`where` must be None, a path"),
    ({"relu": "mila"}, {"where": 3}, "`where` must be None, a path"),
    ({"relu": "mila"}, {"start": "fast"}, "`start` must be one of 'same', 'default'"),
]


@pytest.mark.parametrize(("rules", "options", "message"), BAD)
def test_bad_input(rules, options, message):
    with pytest.raises(ValueError, match=message):
        convert.replace(dense("relu"), rules, **options)


def test_no_model():
    with pytest.raises(ValueError, match="`model` must be a Keras model"):
        convert.plan(layers.Dense(3), {"relu": "mila"})
