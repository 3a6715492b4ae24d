"""Files of every layer, loaded on each backend by a process that has only imported `keras_yat`."""

import numpy as np
import pytest

import keras_yat
from tests import fresh, helpers
from tests.helpers import to_numpy
from tests.models import MODELS, inputs_of

pytestmark = pytest.mark.slow


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
