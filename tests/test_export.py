"""Files of other programs, written by `model.export` and run by those programs."""

import keras
import numpy as np
import pytest

import keras_yat
from tests import exports
from tests.helpers import BACKEND, to_numpy
from tests.models import MODELS, inputs_of, quantized, sequential, tied

pytestmark = pytest.mark.slow


def causal_attention():
    inputs = keras.Input((4, 6))
    layer = keras_yat.YatMultiHeadAttention(2, 4, rope_max_wavelength=100.0)
    return keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))


CASES = {
    **{name: MODELS[name] for name in ("delu", "mila", "lincomb", "softermax", "per channel")},
    **{
        name: MODELS[name]
        for name in (
            "YatDense",
            "YatConv1D",
            "YatConv2D",
            "YatConv2DTranspose",
            "YatDepthwiseConv2D",
            "YatSeparableConv1D",
        )
    },
    **{name: MODELS[name] for name in ("owner first", "tied", "YatLSTM", "bidirectional GRU")},
    "int8 and LoRA": MODELS["int8 and LoRA"],
    "ternary": MODELS["ternary"],
    "int8, tied": (lambda: quantized(tied(), "int8"), MODELS["tied"][1]),
    "direct": (lambda: sequential((6,), keras_yat.YatDense(3, distance="direct")), (6,)),
    "causal attention": (causal_attention, (4, 6)),
}
# These run in each run of the tests, all others in the nightly tier.
QUICK = {"delu", "per channel", "YatConv2D", "int8 and LoRA", "tied", "causal attention"}
# OpenVINO and LiteRT without TensorFlow have no loops of TensorFlow.
LOOPS = {"YatLSTM", "bidirectional GRU", "direct"}
FORMATS = {
    "torch": ("onnx", "openvino", "torch"),
    "jax": ("onnx", "tf_saved_model"),
    "tensorflow": ("tf_saved_model", "openvino", "litert"),
}


def cases():
    for name in CASES:
        marks = () if name in QUICK else pytest.mark.nightly
        for file in FORMATS[BACKEND]:
            if BACKEND == "tensorflow" and file != "tf_saved_model" and name in LOOPS:
                continue
            yield pytest.param(name, file, marks=marks)


def table_cases():
    for file in exports.FORMATS:
        for name in exports.CASES:
            yield pytest.param(name, file, marks=pytest.mark.nightly)


@pytest.mark.parametrize(("name", "file"), list(table_cases()))
def test_the_table_of_exports(name, file):
    """What exports, and that all exports that do for Keras's own layers."""
    own, keras_ = exports.measured(name, file)
    order = ["not run", "no", "batch of 1", "any batch"]
    assert order.index(own) >= order.index(keras_)
    assert (own, keras_) == exports.written()[BACKEND, file, name]


@pytest.mark.filterwarnings("ignore")  # the exporters' own
@pytest.mark.parametrize(("name", "file"), list(cases()))
def test_an_exported_file_runs_elsewhere(name, file, tmp_path):
    build, shape = CASES[name]
    model, x = build(), inputs_of(shape)[:1]  # torch exports a batch of 1
    expected = to_numpy(model(x))
    found = exports.export_and_run(model, file, x, tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
