"""Files of other programs, written by `model.export` and run by those programs."""

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import BACKEND, to_numpy
from tests.models import MODELS, inputs_of, sequential

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
    "direct": (lambda: sequential((6,), keras_yat.YatDense(3, distance="direct")), (6,)),
    "causal attention": (causal_attention, (4, 6)),
}
# These run in each run of the tests, all others in the nightly tier.
QUICK = {"delu", "per channel", "YatDense", "YatConv2D", "tied", "causal attention"}
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


def with_onnx(path, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def with_openvino(path, x):
    import openvino

    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(path, "CPU", exact)([x])[0]


def with_torch(path, x):
    import torch

    return to_numpy(torch.export.load(path).module()(torch.as_tensor(x)))


def with_tf_saved_model(path, x):
    import tensorflow as tf

    model = tf.saved_model.load(path)
    return model.serve(x).numpy()


def with_litert(path, x):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


RUN = {
    "onnx": (with_onnx, ".onnx"),
    "openvino": (with_openvino, ".xml"),
    "torch": (with_torch, ".pt2"),
    "tf_saved_model": (with_tf_saved_model, ""),
    "litert": (with_litert, ".tflite"),
}


@pytest.mark.filterwarnings("ignore")  # the exporters' own
@pytest.mark.parametrize(("name", "file"), list(cases()))
def test_an_exported_file_runs_elsewhere(name, file, tmp_path):
    build, shape = CASES[name]
    model, x = build(), inputs_of(shape)[:1]  # torch exports a batch of 1
    expected = to_numpy(model(x))
    run, ending = RUN[file]
    path = str(tmp_path / f"model{ending}")
    model.export(path, format=file, verbose=False)
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-5, atol=1e-5)
