"""Networks of other packages, small, with random weights."""

import keras
import numpy as np

import keras_yat
from tests.helpers import draw

SIDE = 32


def application(name, **options):
    def build():
        network = getattr(keras.applications, name)
        return disturbed(
            network(weights=None, input_shape=(SIDE, SIDE, 3), classes=3, pooling="avg", **options)
        )

    return build


def encoder():
    """A backbone of KerasHub within another model."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=20,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=6,
    )
    inputs = {name: keras.Input((6,), dtype="int32", name=name) for name in TOKENS}
    return disturbed(keras.Model(inputs, backbone(inputs)))


def disturbed(model):
    """The model with other weights than at its start, where many branches give 0."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "variance" not in variable.path:
            value = keras.ops.convert_to_numpy(variable)
            variable.assign(value + 0.05 * rng.standard_normal(value.shape))
    return model


IMAGES = draw((1, SIDE, SIDE, 3))
TOKENS = {
    "token_ids": np.array([[3, 7, 1, 0, 0, 2]]),
    "segment_ids": np.array([[0, 0, 1, 1, 0, 0]]),
    "padding_mask": np.array([[1, 1, 1, 1, 1, 0]]),
}

# The network, an input, rules with an exact start, and the names of what they replace.
NETWORKS = {
    "ResNet50": (application("ResNet50"), IMAGES, {"relu": keras_yat.ShiLU(axis=-1)}, {"relu": 49}),
    "VGG16": (application("VGG16"), IMAGES, {"relu": keras_yat.ShiLU(axis=-1)}, {"relu": 15}),
    "EfficientNetV2B0": (
        application("EfficientNetV2B0"),
        IMAGES,
        {"swish": keras_yat.CosLU(axis=-1)},
        {"silu": 55},
    ),
    "MobileNetV3Small": (
        application("MobileNetV3Small"),
        IMAGES,
        {"relu": keras_yat.ShiLU, "hard_swish": keras_yat.LinComb, "relu6": keras_yat.ReLUN},
        {"relu": 14, "hard_silu": 19},
    ),
    "encoder": (
        encoder,
        TOKENS,
        {"gelu_approximate": keras_yat.LinComb, "tanh": keras_yat.NormLinComb},
        {"keras_hub>gelu_approximate": 2, "tanh": 1},
    ),
}
