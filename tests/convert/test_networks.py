"""Networks of Keras and KerasHub: swapped in one line, saved, loaded, frozen, exported."""

import keras
import numpy as np
import pytest

from keras_yat import convert
from keras_yat.activations._base import TrainableActivation
from tests.convert.networks import NETWORKS
from tests.exports import RUN
from tests.helpers import BACKEND

# Compilation of a large network takes JAX and TensorFlow most of a minute.
QUICK = {"torch": {"MobileNetV3Small", "encoder"}, "tensorflow": {"encoder"}, "jax": set()}[BACKEND]
CASES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.nightly) for name in NETWORKS
]
GATES = {"sigmoid", "hard_sigmoid", "softmax", "relu6"}

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the exporters' own


def outputs(model, x):
    return keras.tree.flatten(model.predict(x, verbose=0))


def assert_near(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(np.abs(other).max()))
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_a_network_is_swapped_saved_frozen_and_exported(name, tmp_path):
    build, x, rules, expected = NETWORKS[name]
    model = build()
    new = convert.replace(model, rules)
    truth = outputs(model, x)
    assert any(np.std(part) > 1e-4 for part in truth)
    assert_near(outputs(new, x), truth, 1e-5)

    found = convert.plan(model, rules)
    names = [change.old for change in found.replaced]
    assert {old: names.count(old) for old in names} == expected
    assert {change.start for change in found.replaced} == {"exact"}
    assert {change.old for change in found.skipped} <= GATES
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]

    new.save(tmp_path / "new.keras")
    loaded = keras.saving.load_model(tmp_path / "new.keras")
    assert_near(outputs(loaded, x), truth, 1e-5)

    frozen = convert.freeze(loaded)
    assert not frozen.trainable_weights
    assert not any(isinstance(layer, TrainableActivation) for layer in frozen.layers)
    assert_near(outputs(frozen, x), truth, 1e-5)
    frozen(x)  # Keras exports what has been called
    pools = any(isinstance(layer, keras.layers.MaxPooling2D) for layer in model.layers)
    # tf2onnx has no wheel. The pooling that jax2onnx writes for Keras has no window in onnxruntime.
    no_onnx = BACKEND == "tensorflow" or (BACKEND == "jax" and pools)
    file = "tf_saved_model" if no_onnx else "onnx"
    options = {}
    if isinstance(x, dict) and file == "onnx":
        # Keras exports its attention and normalization to ONNX for fixed sizes alone.
        sizes = {k: keras.InputSpec(shape=v.shape, dtype="int32", name=k) for k, v in x.items()}
        options = {"input_signature": [sizes]}
    frozen.export(tmp_path / f"frozen.{file}", format=file, verbose=False, **options)
    run_file(file, tmp_path / f"frozen.{file}", x, truth)


def run_file(file, path, x, truth):
    if not isinstance(x, dict):
        found = [RUN[file][0](str(path), x)]
    elif file == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))
        given = {i.name: i.type for i in session.get_inputs()}
        kinds = {"tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(bool)": "bool"}
        found = session.run(None, {k: x[k].astype(kinds[kind]) for k, kind in given.items()})
    else:
        import tensorflow as tf

        model = tf.saved_model.load(str(path))
        served = model.serve({k: v.astype("int32") for k, v in x.items()})
        found = [value.numpy() for value in keras.tree.flatten(served)]
    assert_near(found, truth, 1e-4)
