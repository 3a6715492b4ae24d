"""Steps and epochs of several trainings in one program of JAX.

On an accelerator an epoch is one program (`jax.lax.scan`). On a CPU each step is one: XLA compiles
a convolution inside a loop there to code that is more than ten times as slow.
"""

from typing import Any, NamedTuple

import keras

from examples.batches import shift_and_flip

TEST_BATCH = 1000


class State(NamedTuple):
    """Values of a model and its optimizer; with a first axis for the copies of a program."""

    trainable: Any
    others: Any
    optimizer: Any


class Steps:
    """Training and test of the copies of a model.

    Args:
        model: The model, which is called with the values of each copy.
        optimizer: Its optimizer.
        rate_index: The place of the learning rate among the optimizer's variables.
        batch_size: Examples in a step.
    """

    def __init__(self, model: Any, optimizer: Any, rate_index: int, batch_size: int):
        import jax

        self._model, self._optimizer = model, optimizer
        self._rate_index, self._size = rate_index, batch_size
        self._in_loop = on_accelerator()
        copies = (State(0, 0, 0), None, None, 0, 0)
        self._step = jax.vmap(self._step_of_one, copies)
        self._scores = jax.vmap(self._scores_of_one, (0, 0, None, None))
        self._epoch, self._test = self._epoch_of_all, self._test_of_all
        if self._in_loop:
            self._epoch, self._test = jax.jit(self._epoch), jax.jit(self._test)
        else:
            self._step, self._scores = jax.jit(self._step), jax.jit(self._scores)

    def epoch(self, state: State, x: Any, y: Any, draws: Any, rates: Any) -> Any:
        """An epoch of all copies: the new state, and mean loss and metrics of each copy.

        Args:
            state: The values of the copies.
            x: All examples.
            y: Their classes.
            draws: For each copy the order of the examples, and their crops and flips.
            rates: For each copy the learning rate of each step.
        """
        return self._epoch(state, x, y, draws, rates)

    def test(self, trainable: Any, others: Any, x: Any, y: Any) -> dict[str, Any]:
        """Mean accuracy and cross-entropy of each copy."""
        return self._test(trainable, others, x, y)

    def _scan(self, body, carry, xs):
        """As `lax.scan`, which a CPU runs step by step."""
        import jax
        from jax import numpy

        if self._in_loop:
            return jax.lax.scan(body, carry, xs)
        found = []
        for i in range(len(jax.tree.leaves(xs)[0])):
            carry, value = body(carry, jax.tree.map(lambda v, i=i: v[i], xs))
            found.append(value)
        return carry, jax.tree.map(lambda *values: numpy.stack(values), *found)

    def _epoch_of_all(self, state, x, y, draws, rates):
        """The steps of full batches, then that of the rest."""
        size, count = self._size, len(y)
        full = count // size

        def body(state, batch):
            return self._step(state, x, y, *batch)

        whole = {name: _split(value, full, size) for name, value in draws.items()}
        state, sums = self._scan(body, state, (whole, rates[:, :full].T))
        sums = {name: value.sum(0) for name, value in sums.items()}
        if count % size:
            rest = {name: value[:, full * size :] for name, value in draws.items()}
            state, last = body(state, (rest, rates[:, full]))
            sums = {name: value + last[name] for name, value in sums.items()}
        return state, {name: value / count for name, value in sums.items()}

    def _step_of_one(self, state, x, y, drawn, rate):
        import jax

        x, y = shift_and_flip(x[drawn["order"]], drawn), y[drawn["order"]]

        def loss_of(trainable):
            logits, others, penalties = self._model.stateless_call(
                trainable, state.others, x, training=True, return_losses=True
            )
            found = _scores(logits, y)
            loss = found["crossentropy"].mean() + sum(penalties)
            sums = {name: value.sum() for name, value in found.items()}
            return loss, ({**sums, "loss": loss * len(y)}, others)

        gradient = jax.grad(loss_of, has_aux=True)
        gradients, (sums, others) = gradient(state.trainable)
        before = list(state.optimizer)
        before[self._rate_index] = rate
        trainable, after = self._optimizer.stateless_apply(before, gradients, state.trainable)
        return State(trainable, others, after), sums

    def _test_of_all(self, trainable, others, x, y):
        size = min(TEST_BATCH, len(y))
        full = len(y) // size

        def body(_, batch):
            return None, self._scores(trainable, others, *batch)

        whole = [value[: full * size].reshape(full, size, *value.shape[1:]) for value in (x, y)]
        _, sums = self._scan(body, None, whole)
        sums = {name: value.sum(0) for name, value in sums.items()}
        if len(y) % size:
            _, rest = body(None, (x[full * size :], y[full * size :]))
            sums = {name: value + rest[name] for name, value in sums.items()}
        return {name: value / len(y) for name, value in sums.items()}

    def _scores_of_one(self, trainable, others, x, y):
        logits, _ = self._model.stateless_call(trainable, others, x, training=False)
        return {name: value.sum() for name, value in _scores(logits, y).items()}


def on_accelerator() -> bool:
    import jax

    return jax.default_backend() != "cpu"


def _split(value, full, size):
    """Batches on the first axis, from `(copies, examples, …)`."""
    shape = (len(value), full, size, *value.shape[2:])
    return value[:, : full * size].reshape(shape).swapaxes(0, 1)


def _scores(logits, y):
    """Cross-entropy and accuracy of each example."""
    crossentropy = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
    right = keras.metrics.sparse_categorical_accuracy(y, logits)
    return {"crossentropy": crossentropy, "accuracy": right}
