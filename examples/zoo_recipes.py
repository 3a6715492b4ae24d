"""How the networks of `keras_yat.zoo` are trained and measured."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from examples import config, data, runs, trials
from examples.batches import Batches, Split
from examples.language_model import LanguageModel
from examples.transformer import Size


@dataclass(frozen=True)
class Parts:
    """The integers that a network reads and their targets, for training, validation and test."""

    train: Split
    validation: Split
    test: Split
    vocabulary: str = ""

    @property
    def fingerprint(self) -> str:
        """A text that differs for different test data."""
        content = b"".join(x.astype("int32").tobytes() for x in (self.test.x, self.test.y))
        return hashlib.sha256(content).hexdigest()[:16]


@dataclass(frozen=True)
class ImageRecipe:
    """A classifier of images.

    `layers` returns the layers from scaled images with channels to logits.
    """

    title: str
    data: str
    classes: tuple[str, ...]
    layers: Callable[[], list[Any]]
    settings: config.Training
    augment: tuple[str, ...] = ()
    adapted: int = 0
    """Number of layers, the scaling included, among which Yat layers are adapted to the data."""
    validation: float = 0.1
    levels: int = 255

    @property
    def input(self) -> str:
        shape = " × ".join(map(str, self.shape))
        return f"images of {shape} (height, width{', channels' * (len(self.shape) == 3)}), " + (
            f"integers from 0 to {self.levels}"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image in the data set: without an axis of channels for a single one."""
        *sides, channels = data.find(self.data, data.ImageSet).shape
        return (*sides, channels) if channels > 1 else tuple(sides)

    def parts(self) -> Parts:
        from sklearn.model_selection import train_test_split

        images = data.load(self.data)
        x_train, x_test = (
            np.rint(x * self.levels).astype("uint8").reshape(len(x), *self.shape)
            for x in (images.x_train, images.x_test)
        )
        x, x_validation, y, y_validation = train_test_split(
            x_train,
            images.y_train,
            test_size=self.validation,
            stratify=images.y_train,
            random_state=0,
        )
        validation, test = Split(x_validation, y_validation), Split(x_test, images.y_test)
        return Parts(Split(x, y), validation, test)

    def train(self, parts: Parts, seed: int, epochs: int | None) -> keras.Model:
        """The network, trained from a seed, with the shape of the data set as its input."""
        settings = self.settings.model_copy(update={"epochs": epochs or self.settings.epochs})
        shape = data.find(self.data, data.ImageSet).shape
        split = Split(parts.train.x.reshape(-1, *shape).astype("float32"), parts.train.y)
        keras.utils.set_random_seed(seed)
        scaled = keras.layers.Rescaling(1.0 / self.levels)
        network = keras.Sequential([keras.Input(shape), scaled, *self.layers()])
        trials.adapt(network.layers[: self.adapted], split.x, seed)
        batches = Batches(split, settings.batch_size, seed, 0, list(self.augment))
        network.compile(
            runs.optimizer(settings, len(batches)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        bar = keras.utils.Progbar(settings.epochs, stateful_metrics=["loss"], unit_name="epoch")
        advance = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: bar.update(epoch + 1, [("loss", logs["loss"])])
        )
        network.fit(batches, epochs=settings.epochs, shuffle=False, verbose=0, callbacks=[advance])
        if self.shape == shape:
            return keras.Sequential([keras.Input(shape), *network.layers])
        channels = keras.layers.Reshape(shape)
        return keras.Sequential([keras.Input(self.shape), channels, *network.layers])

    def describe(self, epochs: int | None) -> dict[str, Any]:
        """The settings of the training, for the card."""
        return {
            "epochs": epochs or self.settings.epochs,
            "batch_size": self.settings.batch_size,
            "optimizer": self.settings.optimizer,
            "learning_rate": self.settings.learning_rate,
            "schedule": self.settings.schedule,
            "augment": list(self.augment),
        }

    def meaning(self, parts: Parts) -> dict[str, Any]:
        return {"output": "logits of the classes", "classes": list(self.classes)}


@dataclass(frozen=True)
class TextRecipe:
    """A causal transformer that predicts the next character."""

    title: str
    data: str
    size: Size
    steps: int
    batch: int
    learning_rate: float
    validation: float = 0.05

    input = "indices of characters, of any length"
    shape = (16,)
    """Of the inputs of `sample`."""

    def parts(self) -> Parts:
        text = data.load_text(self.data)
        vocabulary = "".join(sorted(set(text.train + text.test)))
        index = {character: i for i, character in enumerate(vocabulary)}
        train, test = (
            np.array([index[c] for c in part], "int32") for part in (text.train, text.test)
        )
        border = round(len(train) * (1.0 - self.validation))
        return Parts(
            self._windows(train[:border]),
            self._windows(train[border:]),
            self._windows(test),
            vocabulary,
        )

    def _windows(self, text: np.ndarray) -> Split:
        """Consecutive windows, and the same windows one character later."""
        count, length = (len(text) - 1) // self.size.length, self.size.length
        x, y = (text[i : i + count * length].reshape(count, length) for i in (0, 1))
        return Split(x, y)

    def train(self, parts: Parts, seed: int, epochs: int | None) -> keras.Model:
        """The network, trained from a seed. `epochs` are hundreds of steps."""
        keras.utils.set_random_seed(seed)
        language = LanguageModel("Yat", self.size, len(parts.vocabulary), "dense")
        steps = 100 * epochs if epochs else self.steps
        options = SimpleNamespace(
            steps=steps, batch=self.batch, context=self.size.length, seed=seed
        )
        train, validation = parts.train.x.ravel(), parts.validation.x.ravel()
        bar = keras.utils.Progbar(steps, unit_name="step")
        language.train(train, validation, self.learning_rate, options, bar)
        # Without the optimizer, whose state would be in the file.
        return keras.Model(language.model.input, language.model.output)

    def describe(self, epochs: int | None) -> dict[str, Any]:
        """The settings of the training, for the card."""
        return {
            "steps": 100 * epochs if epochs else self.steps,
            "batch_size": self.batch,
            "window": self.size.length,
            "optimizer": "adam",
            "learning_rate": self.learning_rate,
            "schedule": "cosine with warmup",
        }

    def meaning(self, parts: Parts) -> dict[str, Any]:
        output = "logits of the next character, at each position"
        return {"output": output, "vocabulary": parts.vocabulary}


Recipe = ImageRecipe | TextRecipe


def measure(model: Any, part: Split) -> dict[str, Any]:
    """Accuracy and mean cross-entropy in nats, from logits, in float64."""
    correct, nats = 0, 0.0
    for start in range(0, len(part.x), 500):
        x, y = part.x[start : start + 500], part.y[start : start + 500].astype("int64")
        logits = np.asarray(model.predict(x, batch_size=100, verbose=0), "float64")
        logits -= logits.max(axis=-1, keepdims=True)
        rows = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        correct += int(np.sum(logits.argmax(axis=-1) == y))
        nats -= float(np.take_along_axis(rows, y[..., None], axis=-1).sum())
    count = part.y.size
    return {"examples": count, "accuracy": correct / count, "loss": nats / count}


def sample(card: dict[str, Any]) -> np.ndarray:
    """Two inputs of a network, whose outputs are on its card."""
    shape = (2, *card["sample"]["shape"])
    return (np.arange(np.prod(shape)) * 7 % card["sample"]["levels"]).reshape(shape).astype("uint8")
