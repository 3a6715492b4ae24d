"""The networks of `keras_yat.zoo`, and the settings of their training."""

from functools import partial
from typing import Any

import keras

import keras_yat
from examples import config
from examples.transformer import Size
from examples.zoo_recipes import ImageRecipe, Recipe, TextRecipe

# The copies of data sets that differ from the published ones, by `Parts.fingerprint`.
COPIES = {
    "2f815e129eef20c3": "A copy that was stored once as JPEG: its values differ a little from "
    "those of the published CIFAR-10, and so may the accuracy.",
}


def _mnist() -> list[Any]:
    layers: list[Any] = []
    for filters, size, strides in ((16, 5, 2), (32, 3, 1), (64, 3, 2)):
        layers.append(keras_yat.YatConv2D(filters, size, strides=strides, padding="same"))
        layers.append(keras.layers.BatchNormalization(momentum=0.9))
    return [*layers, keras.layers.Flatten(), keras.layers.Dropout(0.2), keras.layers.Dense(10)]


def _digits() -> list[Any]:
    return [
        keras_yat.YatConv2D(32, 3, padding="same"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras_yat.YatConv2D(64, 3, strides=2, padding="same"),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.3),
        keras_yat.YatDense(64),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dense(10),
    ]


def _convolutions(activation: Any, sizes: tuple[tuple[int, int, int], ...]) -> list[Any]:
    """Convolutions (filters, size, strides) with an activation per channel."""
    layers: list[Any] = []
    for filters, size, strides in sizes:
        layers.append(
            keras.layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)
        )
        layers.append(keras.layers.BatchNormalization(momentum=0.9))
        layers.append(activation(axis=-1))
    return [*layers, keras.layers.Flatten(), keras.layers.Dropout(0.3), keras.layers.Dense(10)]


def _training(epochs: int, batch_size: int, learning_rate: float) -> config.Training:
    return config.Training(
        epochs=epochs,
        batch_size=batch_size,
        optimizer="adam",
        learning_rate=learning_rate,
        schedule="cosine",
    )


_DIGITS = tuple("0123456789")
RECIPES: dict[str, Recipe] = {
    "cifar10": ImageRecipe(
        "Photographs: convolutions with Mila per channel",
        "cifar10",
        (
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        partial(_convolutions, keras_yat.Mila, ((32, 5, 2), (64, 3, 2), (96, 3, 1), (128, 3, 2))),
        _training(8, 128, 0.003),
        augment=("crop", "flip"),
    ),
    "digits": ImageRecipe(
        "Handwritten digits of 8×8: Yat convolutions and a Yat dense layer",
        "digits",
        _DIGITS,
        _digits,
        _training(40, 32, 0.003),
        adapted=2,
        levels=16,
    ),
    "fashion_mnist": ImageRecipe(
        "Articles of clothing: convolutions with SinLU per channel",
        "fashion_mnist",
        (
            *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
            *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ),
        partial(_convolutions, keras_yat.SinLU, ((24, 5, 2), (48, 3, 1), (64, 3, 2))),
        _training(12, 128, 0.003),
        augment=("flip",),
    ),
    "mnist": ImageRecipe(
        "Handwritten digits of 28×28: Yat convolutions without activation functions",
        "mnist",
        _DIGITS,
        _mnist,
        _training(8, 128, 0.003),
        augment=("crop",),
        adapted=2,
    ),
    "tinyshakespeare": TextRecipe(
        "The next character of plays of Shakespeare: a transformer with Yat attention",
        "tinyshakespeare",
        Size(length=128, width=96, heads=4, blocks=2, hidden=288),
        steps=1000,
        batch=16,
        learning_rate=0.01,
    ),
}
