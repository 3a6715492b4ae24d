"""MNIST: handwritten digits, 60 000 training and 10 000 test images."""

from functools import partial

from examples.data._base import ImageSet, load_keras_images

DATA_SET = ImageSet(
    name="mnist",
    shape=(28, 28, 1),
    classes=10,
    epochs=3,
    source="Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits",
    license="CC BY-SA 3.0",
    load=partial(load_keras_images, "mnist"),
)
