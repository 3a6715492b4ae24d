"""Plays of Shakespeare in one file of 1 115 394 characters."""

from pathlib import Path

from examples.data._base import TextSet, data_file, keras_cache, missing, unavailable

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


def find() -> Path:
    """`$KERAS_YAT_DATA/tinyshakespeare.txt`, or else the file in Keras's cache.

    Raises:
        SystemExit: if neither is available, with the places that were tried.
    """
    file = data_file("tinyshakespeare.txt")
    if file and file.exists():
        return file
    import keras

    try:
        return Path(keras.utils.get_file("tinyshakespeare.txt", URL))
    except Exception as error:
        raise unavailable(
            "text 'tinyshakespeare'",
            {"KERAS_YAT_DATA": missing(file), keras_cache(): error},
            "With a connection it is downloaded once. Without one, put it there, or give --data "
            "the path of another text.",
        ) from error


DATA_SET = TextSet(
    name="tinyshakespeare",
    source="https://github.com/karpathy/char-rnn",
    license="public domain",
    find=find,
)
