"""Weights have one path each, in the layer around them, and stay shared where a layer is."""

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import draw, to_numpy
from tests.layers import catalogue

LSTM, GRU, Dense = keras.layers.LSTM, keras.layers.GRU, keras.layers.Dense


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


AROUND = {
    "dense": lambda a: sequential((4,), Dense(3, activation=a())),
    "two": lambda a: sequential((4,), Dense(3, activation=a()), Dense(3, activation=a())),
    "bidirectional": lambda a: sequential(
        (4, 3), keras.layers.Bidirectional(LSTM(3, activation=a()))
    ),
    "bidirectional, own": lambda a: sequential(
        (4, 3), keras.layers.Bidirectional(keras_yat.YatLSTM(3, activation=a()))
    ),
    "both activations": lambda a: sequential(
        (4, 3), GRU(3, activation=a(), recurrent_activation=a())
    ),
    "distributed": lambda a: sequential(
        (4, 3), keras.layers.TimeDistributed(Dense(3, activation=a()))
    ),
    "a function": lambda a: sequential(
        (4,), Dense(3, activation=keras_yat.LinComb(functions=[a(), a()]))
    ),
}


@pytest.mark.spread
@pytest.mark.parametrize("activation", [keras_yat.Nami, keras_yat.Mila])
@pytest.mark.parametrize("around", AROUND)
def test_a_path_is_unique_and_in_its_parent(around, activation, tmp_path):
    model = AROUND[around](activation)
    paths = [w.path for w in model.weights]
    assert len(set(paths)) == len(paths)
    model.compile("sgd", "mse")
    model.get_state_tree()
    file = tmp_path / "before.h5"
    model.save(file)

    x = draw((2, *model.input_shape[1:]))
    expected = to_numpy(model(x))
    paths = [w.path for w in model.weights]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith(f"{model.name}/") for path in paths)
    np.testing.assert_allclose(to_numpy(loaded_from(file)(x)), expected, atol=1e-6)
    for name in ("after.h5", "after.keras", "after.weights.h5"):
        if name.endswith(".weights.h5"):
            model.save_weights(tmp_path / name)
            loaded = AROUND[around](activation)
            loaded.load_weights(tmp_path / name)
        else:
            model.save(tmp_path / name)
            loaded = loaded_from(tmp_path / name)
        np.testing.assert_allclose(to_numpy(loaded(x)), expected, atol=1e-6)


def loaded_from(file):
    return keras.models.load_model(file, compile=False)


def test_a_state_tree_restores_a_model_of_the_same_structure():
    build = AROUND["two"]
    model = build(keras_yat.Nami)
    model.compile("sgd", "mse")
    x = draw((3, 4))
    model.fit(x, draw((3, 3), 1), verbose=0)
    tree = model.get_state_tree()
    twin = keras.models.clone_model(model)
    twin.compile("sgd", "mse")
    twin(x)
    twin.set_state_tree(tree)
    np.testing.assert_array_equal(to_numpy(twin(x)), to_numpy(model(x)))


def test_weight_decay_can_be_excluded_by_path():
    model = AROUND["dense"](keras_yat.Nami)
    x = draw((3, 4))
    model(x)
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(
        [v for v in model.trainable_variables if "/nami/" in v.path or "/nami_" in v.path]
    )
    model.compile(optimizer, lambda y, prediction: 0.0 * prediction)
    model.get_layer(index=0).bias.assign(np.ones(3))
    before = [to_numpy(v) for v in model.trainable_variables]
    model.fit(x, draw((3, 3), 1), verbose=0)
    kept = {
        v.name
        for v, old in zip(model.trainable_variables, before, strict=True)
        if np.array_equal(to_numpy(v), old)
    }
    assert kept == {"w", "a", "b"}


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`")
@pytest.mark.parametrize("name", catalogue.ALL)
def test_quantize_right_after_building(name):
    model = sequential((4,), Dense(3, activation=catalogue.ALL[name](**catalogue.ARGUMENTS[name])))
    model.quantize("int8")
    assert to_numpy(model(draw((2, 4)))).shape == (2, 3)


@pytest.mark.parametrize("name", catalogue.ALL)
def test_a_layer_without_weights_is_built(name):
    layer = catalogue.ALL[name](**catalogue.ARGUMENTS[name])
    assert layer.built == (not isinstance(layer, tuple(catalogue.TRAINABLE.values())))


def tied(mask_zero=True):
    rows = keras_yat.YatEmbedding(20, 8, mask_zero=mask_zero)
    inputs = keras.Input((3,), dtype="int32")
    return keras.Model(inputs, rows.score(rows(inputs)))


COPIES = {
    "clone_model": lambda model, folder: keras.models.clone_model(model),
    "json": lambda model, folder: keras.models.model_from_json(model.to_json()),
    ".keras": lambda model, folder: saved(model, folder / "m.keras"),
    ".h5": lambda model, folder: saved(model, folder / "m.h5"),
}


def saved(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.parametrize("copy", COPIES)
def test_a_tied_head_stays_tied(copy, tmp_path):
    model = tied()
    assert len(model.weights) == 2
    found = COPIES[copy](model, tmp_path)
    assert len(found.weights) == 2
    found.set_weights(model.get_weights())
    x = np.array([[1, 5, 0]])
    np.testing.assert_array_equal(to_numpy(found(x)), to_numpy(model(x)))


def test_the_head_is_a_call_with_reverse():
    rows = keras_yat.YatEmbedding(20, 8, mask_zero=True)
    x = draw((2, 3, 8))
    np.testing.assert_array_equal(to_numpy(rows(x, reverse=True)), to_numpy(rows.score(x)))
    assert rows.compute_output_shape((None, 3, 8), reverse=True) == (None, 3, 20)
    assert tuple(rows(keras.Input((3, 8)), reverse=True).shape) == (None, 3, 20)
    with pytest.raises(ValueError, match="`inputs` must have a last axis of size 8"):
        rows(draw((2, 7)), reverse=True)


def test_masks_of_lookup_and_head():
    model = tied()
    x = np.array([[1, 5, 0]])
    model.compile("sgd", keras.losses.MeanAbsoluteError())
    found = model.evaluate(x, np.zeros((1, 3, 20)), verbose=0)
    # The last position is padding.
    np.testing.assert_allclose(found, np.mean(to_numpy(model(x))[:, :2]), rtol=1e-5)
    # `mask_zero` belongs to the lookup: the head has no mask if its input has none.
    rows = keras_yat.YatEmbedding(20, 8, mask_zero=True)
    assert getattr(rows(draw((2, 3, 8)), reverse=True), "_keras_mask", None) is None


def test_a_kernel_that_is_no_longer_shared_is_said(tmp_path):
    owner = keras_yat.YatDense(3, name="owner")
    inputs = keras.Input((4,))
    other = keras_yat.YatDense(3, kernel_from=owner)
    model = keras.Model(inputs, [owner(inputs), other(inputs)])
    for copy in ("clone_model", "json", ".h5"):
        with pytest.warns(UserWarning, match="The kernel of 'owner' is no longer shared"):
            COPIES[copy](model, tmp_path)
    found = COPIES[".keras"](model, tmp_path)
    assert len(found.weights) == len(model.weights)
