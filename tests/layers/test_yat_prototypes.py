"""Neurons that are added and removed: `add_prototypes` and `remove_prototypes`."""

import contextlib

import keras
import numpy as np
import pytest

import keras_yat
from tests import reference_yat
from tests.helpers import BACKEND, double_precision, draw, to_numpy
from tests.layers.test_yat import ARGUMENTS

X, NEW = draw((7, 6)), draw((2, 6), seed=3)


def built(units=4, **arguments):
    layer = keras_yat.YatDense(units, **{"epsilon": 0.3, **arguments})
    layer.build((None, 6))
    if layer.bias is not None:
        layer.bias.assign(draw((units,), seed=5))
    return layer


def state(layer):
    """Prototypes before they are normalized, bias, epsilon and alpha, in NumPy."""
    rows = to_numpy(layer._kernel).astype("float64").T * layer.multiplier
    bias = layer.constant_bias or 0.0 if layer.bias is None else to_numpy(layer.bias)
    epsilon = float(to_numpy(layer.epsilon))
    alpha = 1.0 if layer.alpha is None else float(to_numpy(layer.alpha))
    return rows, np.broadcast_to(bias, (len(rows),)), epsilon, alpha


def definition(layer, rows, bias, epsilon, alpha, x=X):
    columns = rows.T if layer.kernel_quantizer is None else reference_yat.ternary(rows.T)
    y = reference_yat.yat(x, columns, bias, epsilon, alpha, layer.normalize)
    return y if layer.activation is None else to_numpy(layer.activation(y.astype("float32")))


def close(found, truth, rtol=1e-3):
    truth = np.asarray(truth)
    np.testing.assert_allclose(to_numpy(found), truth, rtol, atol=1e-5 * np.abs(truth).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_option(name, tmp_path):
    """Outputs are those of a concatenation and a deletion in NumPy; a file has them; training."""
    arguments = ARGUMENTS[name]
    layer = built(**arguments)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.predict(X, verbose=0)
    model.fit(X, draw((7, 4)), verbose=0)
    rows, bias, epsilon, alpha = state(layer)
    names = [w.path for w in layer.weights]
    start = 0.25 if layer.bias is not None else None
    layer.add_prototypes(NEW, bias=start)
    rows = np.concatenate([rows, NEW])
    bias = np.concatenate([bias, [start if start is not None else bias[0]] * 2])
    check(layer, rows, bias, epsilon, alpha)
    layer.remove_prototypes([1, -1])
    rows, bias = np.delete(rows, [1, 5], axis=0), np.delete(bias, [1, 5])
    check(layer, rows, bias, epsilon, alpha)
    assert [w.path for w in layer.weights] == names
    layer.add_prototypes(NEW[:1], bias=start)
    rows = np.concatenate([rows, NEW[:1]])
    bias = np.append(bias, start if start is not None else bias[0])
    check(layer, rows, bias, epsilon, alpha)
    # XLA takes seconds on TensorFlow: once.
    jit = BACKEND == "jax" or (BACKEND == "tensorflow" and name == "learn_epsilon")
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit)
    expected = definition(layer, rows, bias, epsilon, alpha)
    close(model.predict(X, verbose=0), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.layers[0].units, loaded.output_shape) == (5, (None, 5))
    close(loaded.predict(X, verbose=0), expected)
    again = keras_yat.YatDense.from_config(layer.get_config())
    again.build((None, 6))
    again.set_weights(layer.get_weights())
    close(again(X), expected)
    check_training(model, layer)


def check(layer, rows, bias, epsilon, alpha):
    """The layer has these neurons, in every place that says how many."""
    units = len(rows)
    assert (layer.units, layer.features, layer.get_config()["units"]) == (units,) * 3
    assert layer.compute_output_shape((None, 3, 6)) == (None, 3, units)
    assert layer.compute_output_spec(keras.Input((6,))).shape == (None, units)
    assert tuple(layer.prototypes().shape) == (6, units)
    close(layer._kernel * layer.multiplier, rows.T, rtol=1e-6)
    if layer.bias is not None:
        np.testing.assert_array_equal(to_numpy(layer.bias), bias.astype("float32"))
    assert state(layer)[2:] == (epsilon, alpha)
    close(layer(X), definition(layer, rows, bias, epsilon, alpha))
    close(layer.prototypes(), layer.neurons.columns[0])


def check_training(model, layer):
    """A step moves all weights that are to be trained, and no other."""
    before = [to_numpy(w) for w in layer.trainable_weights]
    model.fit(X, draw((7, layer.units), seed=2), verbose=0)
    names = [w.path.rsplit("/", 1)[-1] for w in layer.trainable_weights]
    assert ("kernel" in names) == layer.kernel_trainable
    if BACKEND == "torch":
        again = keras.Sequential([keras.Input((6,)), layer])
        for each in (layer, again):
            assert {id(p) for p in each.parameters()} == {id(v.value) for v in each.variables}
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        assert np.any(to_numpy(weight) != old), weight.path


@pytest.mark.parametrize("policy", ["bfloat16", "float16", "mixed_bfloat16", "float64"])
def test_precision(policy):
    """Old neurons are kept bit for bit, new ones to the rounding of their dtype."""
    with double_precision() if policy == "float64" else contextlib.nullcontext():
        layer = built(dtype=policy)
        kernel, bias = (to_numpy(w) for w in (layer._kernel, layer.bias))
        dtype = layer._kernel.dtype
        layer.add_prototypes(NEW.astype("float64"), bias=[0.1, 0.2])
        assert (layer._kernel.dtype, layer.bias.dtype) == (dtype, dtype)
        rounding = {"bfloat16": 2**-7, "float16": 2**-9, "float32": 1e-6, "float64": 1e-15}[dtype]
        found = to_numpy(layer.prototypes())[:, -2:].T
        np.testing.assert_allclose(found, NEW, rtol=rounding)
        np.testing.assert_array_equal(to_numpy(layer._kernel)[:, :4], kernel)
        np.testing.assert_array_equal(to_numpy(layer.bias)[:4], bias)
        layer.remove_prototypes([0, 4, 5])
        np.testing.assert_array_equal(to_numpy(layer._kernel), kernel[:, 1:])
        assert np.all(np.isfinite(to_numpy(layer(X))))


@pytest.mark.parametrize("multiplier", ["auto", 0.1, 3.0])
@pytest.mark.parametrize("normalize", [None, "kernel", "sphere"])
def test_prototypes_end_with_the_rows(multiplier, normalize):
    layer = built(kernel_multiplier=multiplier, normalize=normalize)
    before = to_numpy(layer.prototypes())
    layer.add_prototypes(keras.ops.convert_to_tensor(NEW))
    rows = NEW if normalize is None else NEW / np.linalg.norm(NEW, axis=1, keepdims=True)
    found = to_numpy(layer.prototypes())
    np.testing.assert_allclose(found[:, -2:].T, rows, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, :4], before, rtol=1e-6)
    assert layer.multiplier == built(kernel_multiplier=multiplier, normalize=normalize).multiplier


@pytest.mark.parametrize("start", [None, "ones", keras.initializers.Constant(0.7)])
def test_the_bias_of_new_neurons_starts_as_that_of_the_layer(start):
    layer = keras_yat.YatDense(3, bias_initializer=start)
    layer.build((None, 6))
    layer.add_prototypes(NEW)
    fresh = keras_yat.YatDense(5, bias_initializer=start)
    fresh.build((None, 6))
    np.testing.assert_array_equal(to_numpy(layer.bias), to_numpy(fresh.bias))
    layer.add_prototypes(NEW.tolist(), bias=[1, 2])
    np.testing.assert_array_equal(to_numpy(layer.bias)[-2:], [1.0, 2.0])


@pytest.mark.parametrize(
    ("index", "left"),
    [
        (0, [1, 2, 3]),
        (-1, [0, 1, 2]),
        (np.int64(2), [0, 1, 3]),
        ((3, 0), [1, 2]),
        (range(1, 3), [0, 3]),
        (np.array([-4, 1]), [2, 3]),
        (np.array([True, False, False, True]), [1, 2]),
        ([False, True, True, True], [0]),
        ({1: None}.keys(), [0, 2, 3]),
    ],
)
def test_removes_what_numpy_deletes(index, left):
    layer = built()
    kernel, bias = (to_numpy(w) for w in (layer._kernel, layer.bias))
    layer.remove_prototypes(index)
    np.testing.assert_array_equal(to_numpy(layer._kernel), kernel[:, left])
    np.testing.assert_array_equal(to_numpy(layer.bias), bias[left])


def test_what_was_frozen_stays_frozen(tmp_path):
    layer = built(kernel_trainable=False)
    layer.add_prototypes(NEW)
    assert [w.path.rsplit("/", 1)[-1] for w in layer.trainable_weights] == ["bias", "alpha"]
    layer.trainable = False
    layer.remove_prototypes(0)
    assert layer.trainable_weights == []
    layer.trainable = True
    assert [w.path.rsplit("/", 1)[-1] for w in layer.trainable_weights] == ["bias", "alpha"]
    other = built(5, kernel_trainable=False)
    keras.Sequential([keras.Input((6,)), layer]).save_weights(tmp_path / "only.weights.h5")
    keras.Sequential([keras.Input((6,)), other]).load_weights(tmp_path / "only.weights.h5")
    np.testing.assert_array_equal(to_numpy(layer(X)), to_numpy(other(X)))


def test_a_weight_that_was_frozen_by_itself():
    layer = built()
    layer.kernel.trainable = False
    layer.add_prototypes(NEW)
    assert [w.path.rsplit("/", 1)[-1] for w in layer.trainable_weights] == ["bias", "alpha"]


def test_a_new_readout_and_an_adapted_layer():
    """A model of the same layer and a wider readout says the same of what it knew."""
    layer = keras_yat.YatDense(4)
    layer.adapt(X)
    readout = keras.layers.Dense(2)
    before = to_numpy(keras.Sequential([keras.Input((6,)), layer, readout])(X))
    layer.add_prototypes(NEW, bias=0.0)
    wider = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((6,)), layer, wider])
    kernel = np.zeros((6, 3), "float32")
    kernel[:4, :2], kernel[4:, 2] = to_numpy(readout.kernel), 1.0
    wider.set_weights([kernel, np.append(to_numpy(readout.bias), 0.0)])
    after = model.predict(X, verbose=0)
    np.testing.assert_allclose(after[:, :2], before, rtol=1e-5, atol=1e-6)
    rows, bias, epsilon, alpha = state(layer)
    close(after[:, 2], reference_yat.yat(X, rows[4:].T, bias[4:], epsilon, alpha).sum(axis=1))
    layer.enable_lora(2)
    assert tuple(layer.lora_kernel_b.shape) == (2, 6)


def test_a_changed_layer_can_be_quantized_and_shared():
    layer = built()
    layer.add_prototypes(NEW)
    user = keras_yat.YatDense(2, kernel_from=layer, kernel_slice=(4, 6), epsilon=0.3)
    assert tuple(user(X).shape) == (7, 2)
    close(user.prototypes(), NEW.T, rtol=1e-5)
    layer.quantize("int8")
    assert tuple(layer._kernel.shape) == (6, 6)
    np.testing.assert_allclose(to_numpy(layer.prototypes())[:, 4:].T, NEW, atol=0.02)


def test_graph_layers():
    edges = np.array([[0, 1, 2], [1, 2, 0]])
    layer = keras_yat.YatGraphConv(4, epsilon=0.3)
    layer([X, edges])
    aggregated = to_numpy(layer._aggregated([X, edges]))
    layer.add_prototypes(NEW, bias=0.0)
    rows, bias, epsilon, alpha = state(layer)
    close(layer([X, edges]), reference_yat.yat(aggregated, rows.T, bias, epsilon, alpha))
    np.testing.assert_allclose(rows[4:], NEW, rtol=1e-5)
    layer.remove_prototypes([0, 2])
    assert tuple(layer([X, edges]).shape) == (7, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (NEW[:, :5], r"`data` must be rows of numbers, of shape \(rows, 6\).*\(2, 5\)"),
        (NEW[0], r"of shape \(rows, 6\). Received: data=\(6,\)"),
        (NEW[:0], r"Received: data=\(0, 6\)"),
        ([[1.0], [1.0, 2.0]], "`data` must be rows of numbers"),
        ("rows", "`data` must be rows of numbers"),
        (np.array(["1"] * 6)[None], "`data` must be rows of numbers"),
        (None, "`data` must be rows of numbers"),
        (np.nan * NEW, "`data` must be finite in float32"),
        (1e300 * NEW.astype("float64"), "`data` must be finite in float32"),
    ],
)
def test_wrong_data(data, message):
    layer = built()
    before = to_numpy(layer(X))
    with pytest.raises(ValueError, match=message):
        layer.add_prototypes(data)
    np.testing.assert_array_equal(to_numpy(layer(X)), before)


@pytest.mark.parametrize("bias", ["1", [1.0], [[1.0, 2.0]], [1.0, np.inf], [[1.0], [2.0, 3.0]]])
def test_wrong_bias(bias):
    with pytest.raises(ValueError, match="`bias` must be"):
        built().add_prototypes(NEW, bias)


def test_numbers_that_half_precision_cannot_hold():
    with pytest.raises(ValueError, match="`data` must be finite in float16"):
        built(dtype="float16").add_prototypes(1e5 * NEW)


WRONG_INDEX = [4, -5, [0, 0], [1, -3], [], True, 1.0, "a", None, [[0]], [True], [[0], [1, 2]]]


@pytest.mark.parametrize("index", WRONG_INDEX, ids=str)
def test_wrong_index(index):
    layer = built()
    message = (
        r"`index` must be a unit from -4 to 3, one or several different ones, or a mask\. Received"
    )
    with pytest.raises(ValueError, match=message):
        layer.remove_prototypes(index)
    assert layer.units == 4


@pytest.mark.parametrize("index", [range(4), [True] * 4], ids=["all", "mask"])
def test_a_unit_is_left(index):
    with pytest.raises(ValueError, match="`index` must leave at least one unit"):
        built().remove_prototypes(index)


@pytest.mark.parametrize("change", ["add", "remove"])
def test_layers_that_cannot_be_changed(change):
    def changed(layer):
        layer.add_prototypes(NEW) if change == "add" else layer.remove_prototypes(0)

    with pytest.raises(ValueError, match="has no weights yet"):
        changed(keras_yat.YatDense(4))
    for freeze in (lambda layer: layer.enable_lora(2), lambda layer: layer.quantize("int8")):
        layer = built()
        freeze(layer)
        with pytest.raises(ValueError, match="before `enable_lora` or `quantize`"):
            changed(layer)
    owner = built(name="owner")
    user = keras_yat.YatDense(4, kernel_from=owner, name="user")
    user.build((None, 6))
    with pytest.raises(ValueError, match="change the prototypes of the layer that owns the kernel"):
        changed(user)
    with pytest.raises(ValueError, match="The kernel of 'owner' is shared with user"):
        changed(owner)
    for activation in (keras_yat.Mila(axis=-1), keras.layers.PReLU()):
        layer = built(activation=activation)
        with pytest.raises(ValueError, match="`activation` must have the same parameters"):
            changed(layer)
        assert layer(X).shape == (7, 4)
    layer = built(use_bias=False)
    if change == "add":
        with pytest.raises(ValueError, match=r"`bias` must be None: 'yat_dense.*' has no trained"):
            layer.add_prototypes(NEW, bias=0.0)


@pytest.mark.parametrize("activation", ["mila", "leaky relu", "lincomb"])
def test_activations_with_parameters_of_all_units(activation):
    kinds = {"leaky relu": keras.layers.LeakyReLU(0.1), "lincomb": keras_yat.LinComb([0.5] * 4)}
    layer = built(activation=kinds.get(activation, activation))
    before = to_numpy(layer(X))
    layer.add_prototypes(NEW)
    np.testing.assert_allclose(to_numpy(layer(X))[:, :4], before, rtol=1e-5, atol=1e-6)
