"""Handwritten digits of 8×8 pixels, which come with scikit-learn."""

from examples.data._base import Images, ImageSet


def load() -> Images:
    """1 437 training and 360 test images, split by class."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = digits.images.astype("float32")[..., None] / 16.0
    x_train, x_test, y_train, y_test = train_test_split(
        x, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    return Images(x_train, y_train, x_test, y_test, "scikit-learn's digits")


DATA_SET = ImageSet(
    name="digits",
    shape=(8, 8, 1),
    classes=10,
    epochs=30,
    source="E. Alpaydin and C. Kaynak, 1998: https://archive.ics.uci.edu/dataset/80; the test part",
    license=None,
    load=load,
)
