"""Accuracy and size of quantized networks, on scikit-learn's digits.

`python -m pytest -s tests/test_quantized_accuracy.py` prints them.
"""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_yat


@pytest.mark.nightly
@pytest.mark.parametrize(("mode", "most", "size"), [("int8", 0.005, 0.3), ("int4", 0.02, 0.17)])
def test_accuracy_and_size(mode, most, size, tmp_path):
    digits = load_digits()
    images, labels = digits.images[..., None] / 16, digits.target
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras_yat.YatConv2D(32, 3),
            keras_yat.YatConv2D(64, 3, strides=2),
            keras.layers.Flatten(),
            keras_yat.YatDense(128),
            keras_yat.YatDense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    model.fit(images[:1400], labels[:1400], epochs=8, batch_size=64, verbose=0)

    def accuracy():
        predicted = model.predict(images[1400:], verbose=0).argmax(axis=-1)
        return np.mean(predicted == labels[1400:])

    def bytes_of_kernels():
        return sum(
            keras.ops.convert_to_numpy(w).nbytes for w in model.weights if "kernel" in w.path
        )

    def bytes_of_file():
        path = tmp_path / "model.keras"
        # The optimizer's state is in a file too.
        keras.models.Model(model.inputs, model.outputs).save(path)
        return path.stat().st_size

    before, kernels, file = accuracy(), bytes_of_kernels(), bytes_of_file()
    model.quantize(mode, filters="^yat")
    after = accuracy()
    smaller = bytes_of_kernels() / kernels, bytes_of_file() / file
    print(f"{mode}: {before:.4f} to {after:.4f}; kernels {smaller[0]:.3f}, file {smaller[1]:.3f}")
    assert before > 0.9
    assert abs(before - after) <= most
    assert smaller[0] < size
    # About 25 kB are the configuration, and places in the file.
    assert bytes_of_file() - 25_000 < size * (file - 25_000)
