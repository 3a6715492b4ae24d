"""Classifies film reviews as favourable or not, with Yat transformers and Keras's.

    KERAS_YAT_DATA=data python -m examples.text_classifier
    python -m examples.text_classifier --data imdb --seeds 1

The model has transformer blocks on the words of a review, with masked padding, and a Dense
layer of logits on the mean of their outputs. All variants have about the same number of
parameters, and the same data, optimizer (Adam), epochs and seeds. Positions are rotary,
except in the row `Keras`, which has learned positions: Keras's attention has no rotary
ones. Prints and saves the test accuracy of each variant and of a logistic regression on the
words' TF-IDF, and draws learning curves. Test accuracy is measured after each epoch but
selects nothing: the table has the values after the last epoch. Sizes, epochs and the
regression's C were selected on held-out parts of the training set.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python examples/…`

from examples import command, data, options

BATCH = 64
DROPOUT = 0.3
VARIANTS = ("Yat", "Yat, softermax", "Keras", "Keras, rotary")
LINEAR = "TF-IDF, logistic regression"


def main(arguments: argparse.Namespace) -> None:
    length = arguments.length or default_lengths()[arguments.data]
    reviews = data.load_reviews(arguments.data, length, arguments.vocabulary)
    print(
        f"{reviews.origin}: {len(reviews.y_train)} reviews to train on, {len(reviews.y_test)} to "
        f"test on, of at most {length} words; {command.versions()}."
    )
    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    study(reviews, arguments, folder)
    print(f"\nSaved accuracy.csv and learning_curves.png in {folder}.")


def default_lengths() -> dict[str, int]:
    """The default number of words that are read of a review, by data set."""
    return {name: each.length for name, each in data.of_kind(data.ReviewSet).items()}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="movie_snippets", choices=list(default_lengths()))
    for name, default, text in (
        ("seeds", 3, ""),
        ("epochs", 4, ""),
        ("vocabulary", 10_000, "number of word indices, "),
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
        help="words that are read of a review, default: "
        + ", ".join(f"{length} on {name}" for name, length in default_lengths().items()),
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
    """Trains each variant from each seed, reports accuracy, draws learning curves."""
    import keras

    from examples import trials
    from examples.transformer import Size, match_parameters

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
    target = build("Yat", size.hidden).count_params()
    found = []
    for variant in VARIANTS:
        hidden = match_parameters(partial(build, variant), target)
        found.append(trials.Trials(variant, arguments.rate))
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            model = build(variant, hidden)
            found[-1].train(model, reviews, epochs, bar, batch_size=BATCH, validate=True)
    title = f"{arguments.data}: {epochs} epochs of Adam at {arguments.rate:g}, batches of {BATCH}"
    rows = [row.columns() for row in found]
    rows.append({"variant": LINEAR, "test accuracy": f"{linear(reviews):.4f}"})
    trials.report(title, rows, folder / "accuracy.csv")
    trials.draw_curves(
        found,
        title,
        f"About {target} parameters each. Lines: mean over {seeds} seeds. "
        "Bands: minimum to maximum.",
        folder / "learning_curves.png",
    )


def classifier(variant: str, size: Any, vocabulary: int) -> Any:
    import keras

    from examples.transformer import Block, embed_tokens

    words = keras.Input((size.length,), dtype="int32")
    embedding = keras.layers.Embedding(vocabulary, size.width, mask_zero=True)
    x = keras.layers.Dropout(size.dropout)(embed_tokens(words, embedding, variant, size))
    for _ in range(size.blocks):
        x = Block(variant, size)(x)
    # The mask of the embedding excludes padding from the mean.
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return keras.Model(words, keras.layers.Dense(2)(keras.layers.Dropout(size.dropout)(x)))


def linear(reviews: Any) -> float:
    """The test accuracy of a logistic regression on word frequencies (TF-IDF)."""
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
