"""Fashion-MNIST: articles of clothing, 60 000 training and 10 000 test images."""

from functools import partial

from examples.data._base import ImageSet, load_keras_images

DATA_SET = ImageSet(
    name="fashion_mnist",
    shape=(28, 28, 1),
    classes=10,
    epochs=3,
    source="H. Xiao et al., 2017: https://github.com/zalandoresearch/fashion-mnist",
    license="MIT",
    load=partial(load_keras_images, "fashion_mnist"),
)
