"""The demo of Mila: a small network on Fashion-MNIST, made in either of two ways.

784-256-128-64-10, trained with Adam at 0.003 and batches of 64 for 5 epochs:
`python -m keras_yat demo --activation mila --model-initialization class`.
"""

from collections.abc import Iterable
from typing import Any

import keras

from keras_yat import _validate, activations
from keras_yat._register import register
from keras_yat.callbacks import ParameterHistory

__all__ = ["Network", "network", "run"]

UNITS = (256, 128, 64)
EPOCHS = 5
BATCH_SIZE = 64
LEARNING_RATE = 3e-3


@register()
class Network(keras.Model):
    """Layers one after the other, as a subclass of `keras.Model`.

    Args:
        layers: The layers, or their configurations.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Model`.

    Raises:
        ValueError: if there is no layer.

    Example:

    >>> model = keras_yat.demo.Network([keras.layers.Dense(8, activation=keras_yat.Mila())])
    >>> model(np.ones((2, 4))).shape[-1]
    8

    Reference:
        The demo of Mila (`--model_initialization class`).
    """

    def __init__(self, layers: Iterable[Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.chain = [
            each
            if isinstance(each, keras.layers.Layer)
            else keras.saving.deserialize_keras_object(each)
            for each in layers
        ]
        if not self.chain:
            _validate.invalid_argument("layers", "have one entry at least", [])

    def build(self, input_shape):
        for layer in self.chain:
            if not layer.built:
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs, training=None):
        for layer in self.chain:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for layer in self.chain:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.chain]
        return {**super().get_config(), "layers": layers}


def network(layers: Iterable[Any], shape: tuple[int, ...], initialization: str) -> keras.Model:
    """A built model of layers one after the other.

    Args:
        layers: The layers.
        shape: Of one input.
        initialization: `"sequential"` for a `keras.Sequential`, `"class"` for a `Network`.

    Returns:
        The model.

    Raises:
        ValueError: if `initialization` is neither.

    Example:

    >>> layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    >>> keras_yat.demo.network(layers, (28, 28), "sequential").count_params()
    7850

    Reference:
        The demo of Mila (`--model_initialization class|sequential`).
    """
    if _validate.one_of("initialization", initialization, ("class", "sequential")) == "class":
        model = Network(layers)
        model.build((None, *shape))
        return model
    return keras.Sequential([keras.Input(shape), *layers])


def run(
    activation: str = "mila",
    model_initialization: str = "sequential",
    epochs: int = EPOCHS,
    seed: int = 0,
) -> dict[str, float]:
    """Trains the network on Fashion-MNIST, prints how it goes, and tests it.

    Args:
        activation: A name of `keras_yat.activations.get`.
        model_initialization: `"sequential"` or `"class"`: see `network`.
        epochs: How many, at least 1.
        seed: Of the starting weights and of the order of the data.

    Returns:
        Loss and accuracy on the 10 000 test images.

    Raises:
        ValueError: for an argument of another kind than named here.
        SystemExit: if the data cannot be had, saying what was tried.

    Example:

    >>> keras_yat.demo.run("nope")
    Traceback (most recent call last):
    ...
    ValueError: `activation` must name an activation of Keras or one of coslu, delu...

    Reference:
        The demo of Mila.
    """
    epochs = _validate.count("epochs", epochs)
    layers: list[Any] = [keras.layers.Flatten()]
    keras.utils.set_random_seed(_validate.seed("seed", seed) or 0)
    for units in UNITS:
        found = activations.get(activation, "activation")
        layer = found if isinstance(found, keras.layers.Layer) else keras.layers.Activation(found)
        layers += [keras.layers.Dense(units), layer]
    model = network([*layers, keras.layers.Dense(10)], (28, 28), model_initialization)
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    (x, y), (x_test, y_test) = _data()
    model.summary()
    recorded = ParameterHistory(log=False)
    model.fit(
        x, y, batch_size=BATCH_SIZE, epochs=epochs, validation_split=0.1, callbacks=[recorded]
    )
    for name, values in recorded.history.items():
        print(f"{name}: {values[0].mean():.4f} before the training, {values[-1].mean():.4f} now")
    metrics = model.evaluate(x_test, y_test, batch_size=1000, verbose=0, return_dict=True)
    print(f"Test data: accuracy {metrics['accuracy']:.4f}, loss {metrics['loss']:.4f}")
    return {name: float(value) for name, value in metrics.items()}


def _data():
    try:
        parts = keras.datasets.fashion_mnist.load_data()
    except Exception as error:
        raise SystemExit(
            f"Fashion-MNIST could not be had: {error}\n"
            "With a connection Keras downloads it once. Without one, put the four files into "
            "datasets/fashion-mnist in ~/.keras (or in KERAS_HOME); in a checkout, "
            "python -m examples.quickstart needs no download."
        ) from error
    return [(x.astype("float32") / 255.0, y) for x, y in parts]
