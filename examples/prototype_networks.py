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
"""One in `HELD_OUT` training images is held out to fit temperatures."""

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


def centres(images: Any, count: int, seed: int) -> dict[int, np.ndarray]:
    """Up to `count` k-means centres of the images of each class, as rows of pixels."""
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    found = {}
    # On a busy machine the threads of k-means wait for each other longer than they compute.
    with threadpool_limits(1):
        for label in np.unique(images.y_train):
            rows = images.x_train[images.y_train == label]
            kmeans = MiniBatchKMeans(
                min(count, len(rows)), random_state=seed, n_init=1, batch_size=2048
            )
            found[int(label)] = kmeans.fit(rows.reshape(len(rows), -1)).cluster_centers_
    return found


class Classes:
    """A network of prototypes, each of one class, which are k-means centres of its images.

    Args:
        images: The data.
        rows: The centres of each class, by label.
        labels: The classes that the network knows.
        normalize: Argument of the Yat layer.
    """

    def __init__(
        self, images: Any, rows: dict[int, np.ndarray], labels: Any, normalize: Any
    ) -> None:
        self._shape, self._rows = images.x_train.shape[1:], rows
        self.labels: np.ndarray = np.repeat(labels, [len(rows[label]) for label in labels])
        kernel = np.concatenate([rows[label] for label in labels]).T
        self.layer: Any = keras_yat.YatDense(
            kernel.shape[1], use_bias=False, epsilon=EPSILON[normalize], normalize=normalize
        )
        self.layer.build((None, len(kernel)))
        self.layer.set_weights([kernel / self.layer.multiplier, np.ones(())])
        some = images.x_train[:1000].reshape(-1, len(kernel))
        found = ops.convert_to_numpy(self.layer(some))
        self.layer.alpha.assign(1.0 / np.sqrt(np.mean(found**2)))

    def model(self, classes: int) -> Any:
        """A model of logits, of the layer as it is now."""
        readout = LargestOfClass(self.labels, classes)
        return keras.Sequential(
            [keras.Input(self._shape), keras.layers.Flatten(), self.layer, readout]
        )

    def teach(self, label: int) -> None:
        """Adds the prototypes of a class, without training."""
        rows = self._rows[label]
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
