"""The language model of `examples/tiny_gpt.py`: training, and writing through caches."""

import time
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_yat
from examples.transformer import VARIANTS, Block, Size, embedded

LEAST = 1e-3
"""What is added to the scores of a tied head, whose logarithms are the logits."""
WATCHED = 8
"""How often a network is measured."""


class LanguageModel:
    """A causal transformer, as a functional model, and one that takes a step with caches."""

    def __init__(self, variant: str, size: Size, characters: int, head: str):
        self.size = size
        yat = VARIANTS[variant] is not None
        if yat:
            alpha = "learned" if head == "tied" else None
            self.embedding = keras_yat.YatEmbedding(characters, size.width, alpha=alpha)
        else:
            self.embedding = keras.layers.ReversibleEmbedding(
                characters, size.width, embeddings_initializer=keras_yat.initializers.YatNormal()
            )
        self.blocks = [Block(variant, size, window=size.length) for _ in range(size.blocks)]
        self.norm = keras.layers.LayerNormalization()
        self.dense = keras.layers.Dense(characters) if head == "dense" else None
        # First: Keras takes a layer to have as many outputs as in its first call, or fewer.
        self.step: Any = self._step() if yat else None
        tokens = keras.Input((None,), dtype="int32")
        x = embedded(tokens, self.embedding, variant, size)
        for block in self.blocks:
            x = block(x, causal=True)
        self.model = keras.Model(tokens, self._logits(x))

    def count_params(self) -> int:
        return self.model.count_params()

    def _logits(self, x):
        x = self.norm(x)
        if self.dense is not None:
            return self.dense(x)
        if isinstance(self.embedding, keras_yat.YatEmbedding):
            return ops.log(self.embedding.score(x) + LEAST)
        return self.embedding(x, reverse=True)

    def train(
        self, train: Any, test: Any, rate: float, options: Any, bar: Any
    ) -> tuple[list, float]:
        """Trains on random windows of `train`.

        Returns:
            The bits per character of `test` after some of the steps, and the seconds that
            a step takes.
        """
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0,
            decay_steps=max(1, options.steps - options.steps // 10),
            alpha=0.1,
            warmup_target=rate,
            warmup_steps=options.steps // 10,
        )
        self.model.compile(
            keras.optimizers.Adam(schedule, global_clipnorm=1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        rng = np.random.default_rng(options.seed)
        starts = np.arange(0, len(test) - options.context, options.context)
        held_out = _windows(test, starts, options)
        points, seconds, step = [], [], 0
        watch = _Steps(bar)
        for steps in np.diff(np.unique(np.linspace(0, options.steps, WATCHED + 1).astype(int))):
            starts = rng.integers(0, len(train) - options.context, steps * options.batch)
            begun = time.perf_counter()
            self.model.fit(
                *_windows(train, starts, options),
                batch_size=options.batch,
                shuffle=False,
                verbose=0,
                callbacks=[watch],
            )
            seconds.append((time.perf_counter() - begun) / steps)
            step += int(steps)
            loss = self.model.evaluate(*held_out, batch_size=64, verbose=0)
            points.append((step, float(loss / np.log(2.0))))
        # The first steps compile.
        return points, float(np.median(seconds[1:] or seconds))

    def write(
        self, prompt: list[int], count: int, temperature: float, rng: np.random.Generator
    ) -> tuple[list[int], float]:
        """Goes on from `prompt`, a token at a time, each of which meets the caches only.

        Returns:
            The prompt with `count` more tokens, and the largest difference of the logits
            from those of the whole text at once.
        """
        length = len(prompt) + count - 1
        caches = [
            ops.convert_to_numpy(cache)
            for block in self.blocks
            for cache in block.attention.make_cache(1, length)
        ]
        tokens, found = list(prompt), []
        for i in range(length):
            token, index = np.array([[tokens[i]]], "int32"), np.array([i], "int32")
            logits, *caches = self.step.predict_on_batch([token, index, *caches])
            found.append(logits[0, 0])
            if i + 1 == len(tokens):
                # The largest of logits with Gumbel noise is drawn as the softmax says.
                noise = rng.gumbel(size=found[i].shape)
                tokens.append(int(np.argmax(found[i] / temperature + noise)))
        whole = self.model.predict_on_batch(np.array([tokens[:-1]], "int32"))[0]
        return tokens, float(np.max(np.abs(whole - np.array(found))))

    def _step(self):
        """A model of one token, its position and caches, which gives logits and the next caches."""
        token = keras.Input(batch_shape=(1, 1), dtype="int32")
        index = keras.Input(batch_shape=(1,), dtype="int32")
        shape = (1, None, self.size.heads, self.size.width // self.size.heads)
        caches = [keras.Input(batch_shape=shape) for _ in range(2 * len(self.blocks))]
        x = self.embedding(token)
        following: list[Any] = []
        for block, cache in zip(
            self.blocks, zip(caches[::2], caches[1::2], strict=True), strict=True
        ):
            x, cache = block.step(x, cache, index[0])
            following += cache
        return keras.Model([token, index, *caches], [self._logits(x), *following])


class _Steps(keras.callbacks.Callback):
    """Moves a bar that spans several trainings."""

    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.add(1)


def _windows(text, starts, options):
    """The characters from each start on, and those that follow each of them."""
    found = text[starts[:, None] + np.arange(options.context + 1)]
    return found[:, :-1], found[:, 1:]
