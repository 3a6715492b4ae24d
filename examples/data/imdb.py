"""Film reviews of IMDB: 25 000 for training and 25 000 for the test, downloaded by Keras."""

from examples.data._base import LabelledWords, ReviewSet, keras_cache, unavailable


def read() -> LabelledWords:
    """The reviews of `keras.datasets.imdb`, whose words are numbers.

    Raises:
        SystemExit: if they are neither in Keras's cache nor can be downloaded.
    """
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data()
    except Exception as error:
        raise unavailable(
            "data set 'imdb'",
            {keras_cache(): error},
            "With a connection it is downloaded once. Without one, put the file there, or use "
            "--data movie_snippets.",
        ) from error
    train, test = ([list(map(str, review)) for review in x] for x in (x_train, x_test))
    return LabelledWords(
        train, y_train.astype("int32"), test, y_test.astype("int32"), "keras.datasets.imdb"
    )


DATA_SET = ReviewSet(
    name="imdb",
    length=200,
    source="A. L. Maas et al., 2011: https://ai.stanford.edu/~amaas/data/sentiment",
    license=None,
    read=read,
)
