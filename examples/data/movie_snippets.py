"""Snippets of film reviews: 5 242 favourable and 5 326 unfavourable ones.

The file has one review a line: a mean rating from -4 to 4, a tab and the text. Reviews
with a rating of 0 are left out.
"""

import re

import numpy as np

from examples.data._base import LabelledWords, ReviewSet, data_file, missing, unavailable


def read() -> LabelledWords:
    """The words of `$KERAS_YAT_DATA/movie_snippets.tsv`, a fifth of the reviews for the test.

    Raises:
        SystemExit: if there is no such file.
    """
    from sklearn.model_selection import train_test_split

    file = data_file("movie_snippets.tsv")
    if not (file and file.exists()):
        raise unavailable(
            "data set 'movie_snippets'",
            {"KERAS_YAT_DATA": missing(file)},
            "Set that variable to a folder with movie_snippets.tsv, with a rating above or below "
            "0, a tab and a text on each line. Or use --data imdb, which Keras downloads.",
        )
    lines = (line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines())
    rated = [(float(rating), re.findall(r"[\w']+", text.lower())) for rating, text in lines]
    rated = [(rating, words) for rating, words in rated if rating and words]
    y = np.array([rating > 0.0 for rating, _ in rated], "int32")
    train, test, y_train, y_test = train_test_split(
        [words for _, words in rated], y, test_size=0.2, stratify=y, random_state=0
    )
    return LabelledWords(train, y_train, test, y_test, str(file))


DATA_SET = ReviewSet(
    name="movie_snippets",
    length=40,
    source="C. J. Hutto and E. Gilbert, VADER, 2014: https://github.com/cjhutto/vaderSentiment",
    license="MIT",
    read=read,
)
