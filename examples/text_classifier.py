"""Tells favourable film reviews from others by a transformer of Yat layers, against Keras's.

    KERAS_YAT_DATA=data python -m examples.text_classifier
    python -m examples.text_classifier --data imdb --seeds 1

Transformer blocks on the words of a review, padding masked, and a Dense layer of logits on the
mean of their outputs. The variants have as nearly as can be the same number of
parameters, the same data, optimizer (Adam), epochs and seeds. Positions are rotary, but
for the row `Keras`: its attention has no other than learned ones. Prints and saves the test
accuracy of each variant and of a logistic regression on TF-IDF of the words, and draws the
learning curves. Nothing is chosen by test accuracy: it is watched after each epoch, and
the table has that after the last one. The sizes, the epochs and the regression's C were
chosen by the accuracy on parts of the training set that were left out for it.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, options

BATCH = 64
DROPOUT = 0.3
LINEAR = "TF-IDF, logistic regression"

# The data sets, and how many words of a review are read.
LENGTHS = {"movie_snippets": 40, "imdb": 200}


def main(arguments: argparse.Namespace) -> None:

    from examples import data

    length = arguments.length or LENGTHS[arguments.data]
    reviews = data.load_reviews(arguments.data, length, arguments.vocabulary)
    print(
        f"{reviews.origin}: {len(reviews.y_train)} reviews to train on, {len(reviews.y_test)} to "
        f"test on, of at most {length} words; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(reviews, arguments, folder)
    print(f"\nSaved accuracy.csv and learning_curves.png in {folder}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="movie_snippets", choices=list(LENGTHS))
    for name, default, text in (
        ("seeds", 3, ""),
        ("epochs", 4, ""),
        ("vocabulary", 10_000, "words that are told apart, "),
        ("width", 32, ""),
        ("heads", 4, ""),
        ("blocks", 1, ""),
        ("hidden", 64, "units of the MLP, "),
    ):
        parser.add_argument(
            f"--{name}", type=options.positive, default=default, help=f"{text}default: %(default)s"
        )
    parser.add_argument(
        "--length",
        type=options.positive,
        help="words of a review that are read, default: "
        + ", ".join(f"{length} on {name}" for name, length in LENGTHS.items()),
    )
    parser.add_argument(
        "--rate",
        type=options.rate,
        default="0.001",
        help="Adam's learning rate (default: %(default)s)",
    )
    options.add_common(parser, "text_classifier")
    arguments = parser.parse_args()
    if arguments.width % (2 * arguments.heads):
        parser.error(f"--width must be a multiple of 2 × --heads, not {arguments.width}")
    if arguments.vocabulary < 3:
        parser.error(f"--vocabulary must be 3 or more, not {arguments.vocabulary}")
    return arguments


def study(reviews: Any, arguments: argparse.Namespace, folder: Path) -> None:
    """Trains each variant from each seed; reports accuracy, draws learning curves."""
    import keras

    from examples import trials
    from examples.transformer import VARIANTS, Size, matched

    seeds, epochs = arguments.seeds, arguments.epochs
    size = Size(
        reviews.x_train.shape[1],
        arguments.width,
        arguments.heads,
        arguments.blocks,
        arguments.hidden,
        DROPOUT,
    )

    def build(variant: str, hidden: int) -> Any:
        return classifier(variant, replace(size, hidden=hidden), arguments.vocabulary)

    bar = keras.utils.Progbar(len(VARIANTS) * seeds * epochs, unit_name="epoch")
    wanted = build("Yat", size.hidden).count_params()
    found = []
    for variant in VARIANTS:
        hidden = matched(partial(build, variant), wanted)
        found.append(trials.Trials(variant, arguments.rate))
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model = build(variant, hidden)
            found[-1].train(model, reviews, epochs, bar, batch_size=BATCH, watched=True)
    title = f"{arguments.data}: {epochs} epochs of Adam at {arguments.rate:g}, batches of {BATCH}"
    rows = [row.columns() for row in found]
    rows.append({"variant": LINEAR, "test accuracy": f"{linear(reviews):.4f}"})
    trials.report(title, rows, folder / "accuracy.csv")
    trials.draw_curves(
        found,
        title,
        f"Each with about {wanted} parameters. Lines: the mean over the seeds ({seeds}). "
        "Bands: from the least to the most.",
        folder / "learning_curves.png",
    )


def classifier(variant: str, size: Any, vocabulary: int) -> Any:
    import keras

    from examples.transformer import Block, embedded

    words = keras.Input((size.length,), dtype="int32")
    embedding = keras.layers.Embedding(vocabulary, size.width, mask_zero=True)
    x = keras.layers.Dropout(size.dropout)(embedded(words, embedding, variant, size))
    for _ in range(size.blocks):
        x = Block(variant, size)(x)
    # Of the words alone: the mask has come this far.
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return keras.Model(words, keras.layers.Dense(2)(keras.layers.Dropout(size.dropout)(x)))


def linear(reviews: Any) -> float:
    """The test accuracy of a logistic regression on how often words occur."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=list, sublinear_tf=True), LogisticRegression(C=3.0, max_iter=1000)
    )
    model.fit(reviews.words_train, reviews.y_train)
    return float(np.mean(model.predict(reviews.words_test) == reviews.y_test))


if __name__ == "__main__":
    command.start(parse, main)
