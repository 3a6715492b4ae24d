"""ParameterHistory against a callback that reads the weights at the same steps."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_yat
from keras_yat.callbacks import ParameterHistory
from tests.helpers import BACKEND, draw, operands, to_numpy
from tests.layers.catalogue import TRAINABLE

X, Y = draw((20, 4)), draw((20, 2), seed=1)
FIT = {"batch_size": 4, "shuffle": False, "verbose": 0}  # 5 steps an epoch
ENDS = [0, 5, 10]
MOMENTS = {None: ENDS, 1: list(range(11)), 2: [0, 2, 4, 5, 7, 9, 10], 5: ENDS, 7: ENDS}


class Reader(keras.callbacks.Callback):  # reads before training and after each step
    def __init__(self, weights):
        self.weights, self.seen = weights, []

    def read(self, *_, **__):
        assert self.model is not None  # this access makes JAX update the weights of the model
        self.seen.append({n: to_numpy(w).tolist() for n, w in self.weights.items()})

    on_train_begin = on_train_batch_end = read


def compiled(*parts, steps=1):
    model = parts[0] if isinstance(parts[0], keras.Model) else keras.Sequential(parts)
    model.compile(keras.optimizers.SGD(0.1), "mse", steps_per_execution=steps)
    return model


def small(name="mila", **kwargs):
    return compiled(keras.Input((4,)), layers.Dense(2), keras_yat.Mila(name=name), **kwargs)


def started(model, recorded=None):
    """A callback at the start of training a model."""
    recorded = recorded or ParameterHistory(steps=2)
    recorded.set_model(model)
    recorded.on_train_begin()
    recorded.on_epoch_begin(0)
    return recorded


def listed(recorded):
    return {name: values.tolist() for name, values in recorded.history.items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs of a model with parameters in several kinds of layers."""
    nami, twice = keras_yat.Nami(name="inside"), keras_yat.Mila(name="mila")
    channels = keras_yat.SinLU(axis=-1, name="channels")
    same, frozen = keras_yat.Mila(0.5, name="mila"), keras_yat.DELU(name="frozen", trainable=False)
    learned = keras_yat.YatDense(3, learn_epsilon=True, name="learned")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), same, frozen])
    x = inputs = keras.Input((4,))
    for layer in (layers.Dense(4, activation=nami), twice, channels, inner, twice, learned):
        x = layer(x)
    model = compiled(keras.Model(inputs, keras_yat.YatDense(2, alpha=1.0)(x)))
    owners = {"inside": (nami, "wab"), "channels": (channels, ("alpha", "beta"))}
    owners |= {"frozen": (frozen, "n"), "learned": (learned, ("alpha", "epsilon"))}
    weights = {f"{n}/{p}": getattr(layer, p) for n, (layer, ps) in owners.items() for p in ps}
    reader = Reader({**weights, "mila/beta": twice.beta, "mila/beta:2": same.beta})
    path = tmp_path_factory.mktemp("trained") / "parameters.npz"
    recorded = {s: ParameterHistory(s, path if s == 2 else None, log=s == 2) for s in MOMENTS}
    history = model.fit(X, Y, epochs=2, callbacks=[*recorded.values(), reader], **FIT).history
    return model, recorded, reader, history, path


@pytest.mark.parametrize("steps", MOMENTS)
def test_records_are_the_values(trained, steps):
    _, recorded, reader, history, _ = trained
    assert recorded[steps].epochs.tolist() == [step / 5 for step in MOMENTS[steps]]
    seen = {name: [reader.seen[s][name] for s in MOMENTS[steps]] for name in reader.weights}
    assert listed(recorded[steps]) == seen
    for name, values in recorded[steps].history.items():
        assert values.dtype == "float32"
        assert (values[0] != values[-1]).any() == (name != "frozen/n"), name
        logged = None if "channels" in name else [reader.seen[s][name] for s in (5, 10)]
        assert history.get(name) == logged
    assert recorded[steps].history["channels/beta"].shape[1:] == (4,)


def test_saving_is_atomic(trained, monkeypatch, tmp_path):
    _, recorded, _, _, path = trained
    copy = tmp_path / "copy"
    ParameterHistory.load(path).save(copy)
    loaded = ParameterHistory.load(copy)
    assert loaded.epochs.tolist() == recorded[2].epochs.tolist()
    assert listed(loaded) == listed(recorded[2])
    assert {values.dtype for values in loaded.history.values()} == {np.dtype("float32")}
    before = copy.read_bytes()
    monkeypatch.setattr(np, "savez", lambda file, **_: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recorded[None].save(copy)
    assert copy.read_bytes() == before


def test_reads_marked_weights_only_and_keeps_copies(trained, monkeypatch):
    model, read, convert = trained[0], [], keras.ops.convert_to_numpy
    monkeypatch.setattr(keras.ops, "convert_to_numpy", lambda w: read.append(w) or convert(w))
    recorded = started(model)
    for batch in range(5):
        recorded.on_train_batch_begin(batch)
        recorded.on_train_batch_end(batch)
    recorded.on_epoch_end(0)
    marked = [id(weight) for weight in trained[2].weights.values()]
    assert sorted(map(id, read)) == sorted(marked * 4)
    before, weights = listed(recorded), model.get_weights()
    model.set_weights([weight + 1 for weight in weights])
    assert listed(recorded) == before
    model.set_weights(weights)


def test_weights_of_loaded_and_cloned_models_are_recorded(trained, tmp_path):
    # Compared in the order of the weights: in Keras 3.16 a copy has other paths.
    model, last = trained[0], [v[-1].tolist() for v in trained[1][None].history.values()]
    model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (keras.saving.load_model(tmp_path / "model.keras"), clone):
        assert [value.tolist() for (value,) in started(other).history.values()] == last


@pytest.mark.parametrize("kwargs", [{"learn_epsilon": True}, {"alpha": 2.0}], ids=str)
def test_every_parameter_and_learned_scale_is_recorded(kwargs):
    kinds = {keras_yat.YatEmbedding: (9, 4), keras_yat.YatMultiHeadAttention: (2, 2)}
    kinds |= {keras_yat.YatConv1D: (2, 2), keras_yat.YatLSTM: (2,)}
    made = [cls(*sizes, **kwargs) for cls, sizes in kinds.items()]
    made += [cls() for cls in TRAINABLE.values()]
    x = inputs = keras.Input((5,))
    for layer in made:
        x = layer(*operands(layer, x))
    paths = [w.path for layer in made for w in layer.weights]
    expected = [p for p in paths if p[:4] != "yat_" or p.endswith(("alpha", "epsilon"))]
    assert [*started(keras.Model(inputs, x)).history] == expected
    # The LSTM has two of each.
    assert sum(p[:4] == "yat_" for p in expected) == (10 if "learn_epsilon" in kwargs else 0)


def test_epochs_of_unknown_length():
    model, recorded = small(), ParameterHistory(steps=2, log=False)
    batches = ((X[i : i + 4], Y[i : i + 4]) for i in range(0, 20, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 3.15 warns that the data ran out, 3.16 does not
        history = model.fit(batches, verbose=0, callbacks=[recorded]).history
    assert [*history] == ["loss"]
    assert recorded.epochs.tolist() == [0, 0.4, 0.8, 1]


def test_steps_executed_together():
    # Five steps per epoch, two at a time; on torch Keras executes one at a time.
    together, seen_after, thirds = (
        (1, range(11), (0, 3, 5, 8, 10))
        if BACKEND == "torch"
        else (2, (0, 2, 4, 5, 7, 9, 10), (0, 4, 5, 9, 10))
    )
    model, two, three = small(steps=together), ParameterHistory(2), ParameterHistory(3)
    reader = Reader({"mila/beta": model.layers[-1].beta})
    model.fit(X, Y, epochs=2, callbacks=[two, three, reader], **FIT)
    seen = dict(zip(seen_after, (each["mila/beta"] for each in reader.seen), strict=True))
    for recorded, steps in ((two, (0, 2, 4, 5, 7, 9, 10)), (three, thirds)):
        assert recorded.epochs.tolist() == [step / 5 for step in steps]
        assert recorded.history["mila/beta"].tolist() == [seen[step] for step in steps]


def test_continues_or_starts_again(tmp_path):
    kept, path = f"{tmp_path}/{{epoch}}.weights.h5", tmp_path / "parameters.npz"
    keep = keras.callbacks.ModelCheckpoint(kept, save_weights_only=True)
    whole, model = ParameterHistory(steps=2, path=path), small()
    small().fit(X, Y, epochs=3, callbacks=[whole, keep], **FIT)
    model.load_weights(kept.format(epoch=2))
    recorded = ParameterHistory.load(path, steps=2)
    model.fit(X, Y, initial_epoch=2, epochs=3, callbacks=[recorded], **FIT)
    values = recorded.history["mila/beta"]
    assert recorded.epochs.tolist() == whole.epochs.tolist()
    np.testing.assert_allclose(values, whole.history["mila/beta"], rtol=1e-6)
    # Not in a list: Keras then reports the ends of steps from another thread.
    model.fit(X, Y, callbacks=recorded, **FIT)
    assert recorded.epochs.tolist() == [0, 0.4, 0.8, 1]
    assert recorded.history["mila/beta"][0] == values[-1]
    assert len(set(recorded.history["mila/beta"].tolist())) == 4
    assert [*started(small("other"), recorded).history] == ["other/beta"]
    model = compiled(keras.Input((4,)), layers.Dense(2))
    model.fit(X, Y, callbacks=[recorded], **FIT)
    assert recorded.history == {}
    assert recorded.epochs.tolist() == [0, 0.4, 0.8, 1]


def test_model_built_in_the_first_step():
    model = compiled(layers.Dense(2), keras_yat.Mila(axis=-1))
    recorded = ParameterHistory()
    model.fit(X, Y, epochs=2, callbacks=[recorded], **FIT)
    ((start, first, last),) = recorded.history.values()
    assert np.isnan(start).all() if BACKEND == "tensorflow" else (start == -0.25).all()
    assert (first != last).all()
    assert last.tolist() == to_numpy(model.layers[-1].beta).tolist()


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "2"])
def test_bad_arguments(steps):
    with pytest.raises(ValueError, match=r"`steps` must be an int of at least 1. Received: steps="):
        ParameterHistory(steps)
    with pytest.raises(ValueError, match=r"`log` must be True or False. Received: log='yes'"):
        ParameterHistory(log="yes")
