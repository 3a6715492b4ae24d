"""The networks of `examples/prototypes.py`: ladders, and classes that are taught and forgotten."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_yat
from examples import trials

RELU, FROZEN, TRAINED = "Dense + ReLU", "Yat, frozen prototypes", "Yat, trained prototypes"
RANDOM = "Yat, random start"
KINDS = (RELU, FROZEN, TRAINED, RANDOM)
HELD_OUT = 12
"""One of so many training images is kept for temperatures."""

EPSILON = {None: 1.0, "sphere": 0.05}
"""Of networks of classes, below the squared distances of images to centres."""


def held_out(images: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """The data without the images kept for temperatures, and these with their classes."""
    order = np.random.default_rng(0).permutation(len(images.y_train))
    kept, rest = np.split(order, [len(order) // HELD_OUT])
    fewer = replace(images, x_train=images.x_train[rest], y_train=images.y_train[rest])
    return fewer, images.x_train[kept], images.y_train[kept]


def ladder(images: Any, kind: str, units: int, seed: int) -> Any:
    """A hidden layer and a linear readout; frozen and trained prototypes start at images."""
    if kind == RELU:
        hidden = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")
    else:
        hidden = keras_yat.YatDense(units)
    # Without a bias the contributions of the prototypes are the whole logit.
    readout = keras.layers.Dense(len(np.unique(images.y_train)), use_bias=False)
    shape = images.x_train.shape[1:]
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), hidden, readout])
    if kind in (FROZEN, TRAINED):
        trials.adapt(model.layers[:2], images.x_train, seed)
        hidden.trainable = kind == TRAINED
    return model


class LargestOfClass(keras.layers.Layer):
    """A readout without weights: the logit of a class is the largest response of its prototypes.

    The logit of a class without prototypes is -∞.

    Args:
        labels: The class of each prototype; those of a class follow each other.
        classes: The number of classes.
    """

    def __init__(self, labels: np.ndarray, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        places = [np.flatnonzero(labels == label) for label in range(classes)]
        self.slices: list[slice] = [slice(p[0], p[-1] + 1) if len(p) else slice(0) for p in places]

    def call(self, responses: Any) -> Any:
        none = ops.full_like(responses[..., 0], -np.inf)
        best = [
            ops.max(responses[..., here], axis=-1) if here.stop else none for here in self.slices
        ]
        return ops.stack(best, axis=-1)


class Classes:
    """A network of prototypes, each of one class, which are k-means centres of its images.

    Args:
        images: The data.
        labels: The classes that the network knows.
        count: Prototypes of each class.
        seed: Of k-means.
        normalize: Argument of the Yat layer.
    """

    def __init__(
        self, images: Any, labels: Any, count: int, seed: int, normalize: str | None
    ) -> None:
        self._images, self._count, self._seed = images, count, seed
        centres = [self._centres(label) for label in labels]
        self.labels: np.ndarray = np.repeat(labels, [len(rows) for rows in centres])
        rows = np.concatenate(centres)
        self.layer: Any = keras_yat.YatDense(
            len(rows), use_bias=False, epsilon=EPSILON[normalize], normalize=normalize
        )
        self.layer.build((None, rows.shape[1]))
        self.layer.set_weights([rows.T / self.layer.multiplier, np.ones(())])
        some = images.x_train[:1000].reshape(-1, rows.shape[1])
        responses = ops.convert_to_numpy(self.layer(some))
        self.layer.alpha.assign(1.0 / np.sqrt(np.mean(responses**2)))

    def _centres(self, label):
        from sklearn.cluster import MiniBatchKMeans

        rows = self._images.x_train[self._images.y_train == label]
        kmeans = MiniBatchKMeans(
            min(self._count, len(rows)), random_state=self._seed, n_init=1, batch_size=2048
        )
        return kmeans.fit(rows.reshape(len(rows), -1)).cluster_centers_

    def model(self, classes: int) -> Any:
        """A model of logits, of the layer as it is now."""
        shape = self._images.x_train.shape[1:]
        readout = LargestOfClass(self.labels, classes)
        return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), self.layer, readout])

    def teach(self, label: int) -> None:
        """Adds the prototypes of a class, without training."""
        rows = self._centres(label)
        self.layer.add_prototypes(rows)
        self.labels = np.append(self.labels, [label] * len(rows))

    def forget(self, label: int) -> None:
        """Removes the prototypes of a class."""
        self.layer.remove_prototypes(self.labels == label)
        self.labels = self.labels[self.labels != label]

    def logits(self, x: np.ndarray, classes: int) -> np.ndarray:
        return predict(self.model(classes), x)


def only(images: Any, labels: Any) -> Any:
    """The images of some classes."""
    train, test = np.isin(images.y_train, labels), np.isin(images.y_test, labels)
    return replace(
        images,
        x_train=images.x_train[train],
        y_train=images.y_train[train],
        x_test=images.x_test[test],
        y_test=images.y_test[test],
    )


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    return model.predict(x, batch_size=1000, verbose=0)


def responses(model: Any, x: np.ndarray) -> np.ndarray:
    """The outputs of the prototypes."""
    return predict(keras.Sequential([keras.Input(x.shape[1:]), *model.layers[:-1]]), x)
