"""CIFAR-10: photographs of objects, 50 000 training and 10 000 test images."""

from functools import partial

from examples.data._base import ImageSet, load_keras_images

DATA_SET = ImageSet(
    name="cifar10",
    shape=(32, 32, 3),
    classes=10,
    epochs=3,
    source="A. Krizhevsky, 2009: https://www.cs.toronto.edu/~kriz/cifar.html",
    license=None,
    load=partial(load_keras_images, "cifar10"),
)
