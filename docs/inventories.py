"""Inventories for intersphinx: names of Keras and NumPy, and their pages.

keras.io has no inventory, and a build needs no connection: both are written here, with the names
that this documentation refers to.
"""

import zlib
from pathlib import Path

KERAS = "https://keras.io/api/"
NUMPY = "https://numpy.org/doc/stable/"
PAGES = {
    "keras": {
        "keras.Model": "models/model/",
        "keras.Sequential": "models/sequential/",
        "keras.layers.Layer": "layers/base_layer/",
        "keras.layers.Activation": "layers/core_layers/activation/",
        "keras.layers.Dense": "layers/core_layers/dense/",
        "keras.layers.Embedding": "layers/core_layers/embedding/",
        "keras.layers.Conv2D": "layers/convolution_layers/convolution2d/",
        "keras.layers.Conv2DTranspose": "layers/convolution_layers/convolution2d_transpose/",
        "keras.layers.DepthwiseConv2D": "layers/convolution_layers/depthwise_convolution2d/",
        "keras.layers.SeparableConv2D": "layers/convolution_layers/separable_convolution2d/",
        "keras.layers.Bidirectional": "layers/recurrent_layers/bidirectional/",
        "keras.layers.GRU": "layers/recurrent_layers/gru/",
        "keras.layers.LSTM": "layers/recurrent_layers/lstm/",
        "keras.layers.RNN": "layers/recurrent_layers/rnn/",
        "keras.layers.SimpleRNN": "layers/recurrent_layers/simple_rnn/",
        "keras.layers.StackedRNNCells": "layers/recurrent_layers/stacked_rnn_cell/",
        "keras.layers.MultiHeadAttention": "layers/attention_layers/multi_head_attention/",
        "keras.layers.BatchNormalization": "layers/normalization_layers/batch_normalization/",
        "keras.layers.LayerNormalization": "layers/normalization_layers/layer_normalization/",
        "keras.layers.SpectralNormalization": (
            "layers/normalization_layers/spectral_normalization/"
        ),
        "keras.layers.PReLU": "layers/activation_layers/prelu/",
        "keras.activations.get": "layers/activations/",
        "keras.initializers.get": "layers/initializers/",
        "keras.callbacks.Callback": "callbacks/base_callback/",
        "keras.distribution": "distribution/",
        "keras.ops": "ops/",
        "keras_tuner.HyperParameters": "keras_tuner/hyperparameters/",
    },
    "numpy": {
        "numpy.ndarray": "reference/generated/numpy.ndarray.html",
        "numpy.delete": "reference/generated/numpy.delete.html",
    },
}


def write(folder: Path) -> dict[str, tuple[str, str]]:
    """Writes an inventory for each project; returns the mapping for intersphinx."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, pages in PAGES.items():
        file = folder / f"{project}.inv"
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        lines = "".join(f"{name} py:class 1 {page} -\n" for name, page in pages.items())
        file.write_bytes(head.encode() + zlib.compress(lines.encode()))
        mapping[project] = ({"keras": KERAS, "numpy": NUMPY}[project], str(file))
    return mapping


def names() -> set[str]:
    """All names with a page."""
    return {name for pages in PAGES.values() for name in pages}
