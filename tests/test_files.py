"""Files of every layer, loaded on each backend by a process that has only imported `keras_yat`."""

import keras
import numpy as np
import pytest

import keras_yat
from tests import fresh, helpers
from tests.helpers import draw, to_numpy
from tests.layers import catalogue
from tests.layers.test_yat import LAYERS, sharing_model
from tests.layers.test_yat_recurrent_use import KINDS

pytestmark = pytest.mark.slow

CELLS = {kind: getattr(keras_yat, f"Yat{kind}Cell") for kind in KINDS}


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def recurrent(kind, **arguments):
    return getattr(keras_yat, f"Yat{kind}")(3, **arguments)


def attention(call):
    """A model of `call(layer, x, other)`, with masked positions in x."""
    layer = keras_yat.YatMultiHeadAttention(2, 4, num_key_value_heads=1, rope_max_wavelength=100.0)
    inputs = keras.Input((4, 6))
    x = keras.layers.Masking()(inputs)
    return keras.Model(inputs, call(layer, x, keras.layers.Dense(6)(x)))


def tied():
    rows = keras_yat.YatEmbedding(7, 4, mask_zero=True)
    inputs = keras.Input((3,), dtype="int32")
    return keras.Model(inputs, rows.score(keras.layers.Dense(4)(rows(inputs))))


# Models, each with the shapes of its inputs.
MODELS = {
    **{
        name: (lambda cls=cls, a=catalogue.ARGUMENTS[name]: sequential((3, 4), cls(**a)), (3, 4))
        for name, cls in catalogue.ALL.items()
    },
    "per channel": (lambda: sequential((3, 4), keras_yat.Nami(axis=-1)), (3, 4)),
    "in a stock layer": (
        lambda: sequential((4,), keras.layers.Dense(3, activation=keras_yat.CosLU())),
        (4,),
    ),
    **{
        name: (lambda n=name, k=kwargs, s=shape: sequential(s, getattr(keras_yat, n)(**k)), shape)
        for name, (kwargs, shape) in LAYERS.items()
    },
    "owner first": (lambda: sharing_model("owner first")[0], (6,)),
    "owner last": (lambda: sharing_model("owner last")[0], (6,)),
    "tied": (tied, np.array([[1, 2, 6], [3, 0, 0]], "int32")),
    **{
        f"Yat{kind}": (lambda k=kind: sequential((4, 2), recurrent(k, activation="coslu")), (4, 2))
        for kind in KINDS
    },
    **{
        f"bidirectional {kind}": (
            lambda k=kind: sequential(
                (4, 2), keras.layers.Bidirectional(recurrent(k, return_sequences=True))
            ),
            (4, 2),
        )
        for kind in KINDS
    },
    **{
        f"cells {kind}": (
            lambda cell=cell: sequential((4, 2), keras.layers.RNN([cell(3), cell(2, dropout=0.1)])),
            (4, 2),
        )
        for kind, cell in CELLS.items()
    },
    "distributed": (
        lambda: sequential(
            (4, 2),
            keras.layers.TimeDistributed(
                sequential((2,), keras.layers.Reshape((2, 1)), recurrent("GRU"))
            ),
        ),
        (4, 2),
    ),
    "stateful": (
        lambda: keras.Sequential(
            [keras.Input(batch_shape=(2, 4, 2)), recurrent("LSTM", stateful=True)]
        ),
        (4, 2),
    ),
    "attention, causal": (
        lambda: attention(lambda layer, x, other: layer(x, other, use_causal_mask=True)),
        (4, 6),
    ),
    "attention, keys": (lambda: attention(lambda layer, x, other: layer(x, other, x)), (4, 6)),
    "attention, scores": (
        lambda: attention(
            lambda layer, x, other: layer(x, other, return_attention_scores=True)[1]
        ),
        (4, 6),
    ),
}  # fmt: skip


def inputs_of(shape):
    if isinstance(shape, np.ndarray):
        return shape
    x = draw((2, *shape))
    if len(shape) == 2:
        x[0, 2:] = 0.0  # masked in models with a mask
    return x


def test_every_layer_is_in_a_file():
    found = {type(layer).__name__ for build, _ in MODELS.values() for layer in flat(build())}
    names = {n for n in keras_yat.layers.__all__ if not n.endswith("Cell")}
    assert names <= found


def flat(layer):
    for inner in layer._layers:
        yield inner
        yield from flat(inner)


def test_files_load_on_every_backend(tmp_path):
    expected = {}
    for name, (build, shape) in MODELS.items():
        model, x = build(), inputs_of(shape)
        helpers.scramble(model)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.in.npy", x)
        expected[name] = to_numpy(model.predict_on_batch(x))
    wrong = []
    for backend, outputs in fresh.predictions(tmp_path).items():
        assert set(outputs) == set(expected)
        for name, output in outputs.items():
            if isinstance(output, str):
                wrong.append(f"{name} on {backend}: {output}")
            elif output.shape != expected[name].shape:
                wrong.append(f"{name} on {backend}: {output.shape}")
            elif not np.allclose(output, expected[name], rtol=1e-5, atol=1e-5):
                apart = np.max(np.abs(output - expected[name]))
                wrong.append(f"{name} on {backend}: off by {apart:.1e}")
    assert not wrong, "\n".join(wrong)
