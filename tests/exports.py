"""Which files of other programs a model becomes, beside Keras's layers: `python -m tests.exports`.

    python -m tests.exports             the outcomes on this backend, beside those of `exports.csv`
    python -m tests.exports --write     writes them there; then `python -m tools.tables`

Each model is exported twice, for a batch of any size and for one of 1, run by the program that the
file is for, and compared with the model.
"""

import argparse
import csv
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers

import keras_yat
from tests.helpers import BACKEND, draw, to_numpy

TABLE = Path(__file__).parent / "exports.csv"
FORMATS = ("tf_saved_model", "onnx", "openvino", "litert", "torch")
# tf2onnx and litert-torch, which Keras needs, have no wheel for this Python.
MISSING = {("tensorflow", "onnx"), ("torch", "litert")}
TOLERANCE = 1e-5


def _layers_on(shape, *made):
    def build(batch):
        return keras.Sequential([keras.Input(batch_shape=(batch, *shape)), *(m() for m in made)])

    return build


def _attention(layer):
    def build(batch):
        inputs = keras.Input(batch_shape=(batch, 4, 6))
        return keras.Model(inputs, layer()(inputs, inputs))

    return build


def _tied(embedding):
    def build(batch):
        tokens = keras.Input(batch_shape=(batch, 4), dtype="int32")
        layer = embedding()
        return keras.Model(tokens, layer(layer(tokens), reverse=True))

    return build


IMAGES, ROWS, SEQUENCES = draw((3, 6, 6, 2)), draw((3, 5)), draw((3, 4, 6))
TOKENS = np.array([[3, 1, 0, 7], [2, 2, 5, 1], [6, 0, 1, 4]], "int32")

# The model, Keras's counterpart, and an input of 3.
CASES = {
    "activation per channel": (
        _layers_on((6, 6, 2), lambda: keras_yat.Nami(axis=-1)),
        _layers_on((6, 6, 2), lambda: layers.PReLU(shared_axes=(1, 2))),
        IMAGES,
    ),
    "YatDense": (
        _layers_on((5,), lambda: keras_yat.YatDense(3)),
        _layers_on((5,), lambda: layers.Dense(3)),
        ROWS,
    ),
    "YatConv2D": (
        _layers_on((6, 6, 2), lambda: keras_yat.YatConv2D(3, 3)),
        _layers_on((6, 6, 2), lambda: layers.Conv2D(3, 3)),
        IMAGES,
    ),
    "YatLSTM": (
        _layers_on((4, 6), lambda: keras_yat.YatLSTM(3)),
        _layers_on((4, 6), lambda: layers.LSTM(3)),
        SEQUENCES,
    ),
    "YatMultiHeadAttention": (
        _attention(lambda: keras_yat.YatMultiHeadAttention(2, 3)),
        _attention(lambda: layers.MultiHeadAttention(2, 3)),
        SEQUENCES,
    ),
    "tied YatEmbedding": (
        _tied(lambda: keras_yat.YatEmbedding(8, 5)),
        _tied(lambda: layers.ReversibleEmbedding(8, 5)),
        TOKENS,
    ),
}


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


# The program that runs a file, and how the file's name ends.
RUN = {
    "onnx": (with_onnx, ".onnx"),
    "openvino": (with_openvino, ".xml"),
    "torch": (with_torch, ".pt2"),
    "tf_saved_model": (with_tf_saved_model, ""),
    "litert": (with_litert, ".tflite"),
}


def export_and_run(model, file, x, folder):
    """The outputs of a model for `x`, by the program that a file is for."""
    model(x)  # Keras exports what has been called
    run, ending = RUN[file]
    path = str(Path(folder) / f"model{ending}")
    model.export(path, format=file, verbose=False)
    return run(path, x)


def outcome(build, x, file):
    """What works: `"any batch"`, `"batch of 1"` or `"no"`; `"not run"` without the program."""
    if (BACKEND, file) in MISSING:
        return "not run"
    works = [_works(build, batch, x, file) for batch in (None, 1)]
    return "any batch" if works[0] else "batch of 1" if works[1] else "no"


def _works(build, batch, x, file):
    x = x if batch is None else x[:batch]
    keras.utils.set_random_seed(0)
    model = build(batch)
    expected = to_numpy(model(x))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own
        try:
            found = export_and_run(model, file, x, folder)
        except Exception as error:  # any way to fail counts as one
            print(f"  {file}, batch {batch}: {type(error).__name__}: {str(error)[:150]!r}")
            return False
    same = found.shape == expected.shape
    return same and bool(np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE))


def measured(case, file):
    """The outcome of a case, and that of Keras's counterpart."""
    own, stock, x = CASES[case]
    return outcome(own, x, file), outcome(stock, x, file)


def written():
    """The outcomes of the table: by backend, file and case."""
    with TABLE.open() as table:
        rows = list(csv.DictReader(table))
    return {(r["backend"], r["format"], r["layer"]): (r["outcome"], r["keras"]) for r in rows}


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.exports", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the outcomes to the table")
    arguments = parser.parse_args()
    rows = written() if TABLE.exists() else {}
    for file in FORMATS:
        for case in CASES:
            key, found = (BACKEND, file, case), measured(case, file)
            changed = "" if rows.get(key) == found else f"(was {rows.get(key)})"
            print(*key, *found, changed, sep=", ")
            rows[key] = found
    if arguments.write:
        order = sorted(rows)
        with TABLE.open("w", newline="") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(["backend", "format", "layer", "outcome", "keras"])
            writer.writerows([*key, *rows[key]] for key in order)


if __name__ == "__main__":
    main()
