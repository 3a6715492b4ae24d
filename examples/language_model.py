"""The language model of `examples/tiny_gpt.py`: training, and generation with caches."""

import time
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_yat
from examples.transformer import VARIANTS, Block, Size, embed_tokens

SCORE_OFFSET = 1e-3
"""Added to the scores of a tied head before the logarithm that gives the logits."""
EVALUATIONS = 8
"""Number of evaluations during a training."""


class LanguageModel:
    """A causal transformer as a functional model, and a model of one step with caches."""

    def __init__(self, variant: str, size: Size, characters: int, head: str):
        self.size = size
        if VARIANTS[variant].is_yat:
            self.embedding = keras_yat.YatEmbedding(
                characters, size.width, alpha="learned" if head == "tied" else None
            )
        else:
            self.embedding = keras.layers.ReversibleEmbedding(
                characters, size.width, embeddings_initializer=keras_yat.initializers.YatNormal()
            )
        self.blocks = [Block(variant, size, window=size.length) for _ in range(size.blocks)]
        self.norm = keras.layers.LayerNormalization()
        self.dense = keras.layers.Dense(characters) if head == "dense" else None
        # Before `model`: Keras allows no more outputs of a layer than in its first call.
        has_cache = hasattr(self.blocks[0].attention, "make_cache")
        self.step: Any = self._step() if has_cache else None
        tokens = keras.Input((None,), dtype="int32")
        x = embed_tokens(tokens, self.embedding, variant, size)
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
            return ops.log(self.embedding.score(x) + SCORE_OFFSET)
        return self.embedding(x, reverse=True)

    def train(
        self, train: Any, test: Any, rate: float, options: Any, bar: Any
    ) -> tuple[list, float]:
        """Trains on random windows of `train`.

        Returns:
            Pairs of a step and the bits per character of `test` after it, and the median
            time of a step in seconds.
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
        progress = _Progress(bar)
        for steps in np.diff(np.unique(np.linspace(0, options.steps, EVALUATIONS + 1).astype(int))):
            starts = rng.integers(0, len(train) - options.context, steps * options.batch)
            begun = time.perf_counter()
            self.model.fit(
                *_windows(train, starts, options),
                batch_size=options.batch,
                shuffle=False,
                verbose=0,
                callbacks=[progress],
            )
            seconds.append((time.perf_counter() - begun) / steps)
            step += int(steps)
            loss = self.model.evaluate(*held_out, batch_size=64, verbose=0)
            points.append((step, float(loss / np.log(2.0))))
        # The first steps include compilation.
        return points, float(np.median(seconds[1:] or seconds))

    def generate(
        self, prompt: list[int], count: int, temperature: float, rng: np.random.Generator
    ) -> tuple[list[int], float]:
        """Continues `prompt` token by token, using the caches.

        Returns:
            The prompt with `count` more tokens, and the largest difference between the logits
            computed with caches and those of the whole text at once.
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
                # The largest logit after adding Gumbel noise is a sample of the softmax.
                noise = rng.gumbel(size=found[i].shape)
                tokens.append(int(np.argmax(found[i] / temperature + noise)))
        whole = self.model.predict_on_batch(np.array([tokens[:-1]], "int32"))[0]
        return tokens, float(np.max(np.abs(whole - np.array(found))))

    def _step(self):
        """A model from a token, its position and caches to logits and the next caches."""
        token = keras.Input(batch_shape=(1, 1), dtype="int32")
        index = keras.Input(batch_shape=(1,), dtype="int32")
        x = self.embedding(token)
        caches: list[Any] = []
        following: list[Any] = []
        for block in self.blocks:
            cache = tuple(keras.Input(batch_shape=shape) for shape in _cache_shapes(block))
            caches += cache
            x, cache = block.step(x, cache, index[0])
            following += cache
        return keras.Model([token, index, *caches], [self._logits(x), *following])


def _cache_shapes(block):
    """The shapes of the cache of a block; what depends on its length is None."""
    short, long = (block.attention.make_cache(1, length) for length in (2, 3))
    for x, y in zip(short, long, strict=True):
        pairs = zip(x.shape, y.shape, strict=True)
        yield tuple(size if size == other else None for size, other in pairs)


class _Progress(keras.callbacks.Callback):
    """Updates a progress bar that spans several trainings."""

    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.add(1)


def _windows(text, starts, options):
    """Windows of the text from each start, and the same windows one character later."""
    found = text[starts[:, None] + np.arange(options.context + 1)]
    return found[:, :-1], found[:, 1:]
