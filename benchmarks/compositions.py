"""Activations as a user would write them in `keras.ops`, for comparison.

Accurate where nothing overflows. An activation without a composition here is compared with its own
formula, without a custom gradient.
"""

from keras import ops


def nami(x, w, a, b):
    return ops.where(x > 0, ops.tanh(a * x), a / b * ops.sin(w * x))


def mila(x, beta):
    return x * ops.tanh(ops.softplus(x + beta))


def coslu(x, alpha, beta):
    return (x + alpha * ops.cos(beta * x)) * ops.sigmoid(x)


def sinlu(x, alpha, beta):
    return (x + alpha * ops.sin(beta * x)) * ops.sigmoid(x)


def delu(x, n):
    return ops.where(x > 0, (n + 0.5) * x + ops.abs(ops.exp(-x) - 1.0), ops.silu(x))


def helu(x):
    return delu(x, 0.0)


def lincomb(x, coefficients):
    outputs = (ops.relu(x), ops.sigmoid(x), ops.tanh(x), ops.softsign(x))
    return sum(coefficients[i] * y for i, y in enumerate(outputs))


def norm_lincomb(x, coefficients):
    return lincomb(x, coefficients) / ops.sqrt(ops.sum(ops.square(coefficients), axis=0))


def relun(x, n):
    r = ops.relu(x)
    return ops.where(r >= n, n, r)


def scaled_softsign(x, alpha, beta):
    return alpha * x / (beta + ops.abs(x))


def shilu(x, alpha, beta):
    return alpha * ops.relu(x) + beta


def softer_sigmoid(x):
    x = ops.relu(x)
    return x / (1.0 + x)


def soft_tanh(x):
    above, below = ops.relu(x), ops.relu(-x)
    return above / (1.0 + above) - below / (1.0 + below)


def score_tanh(x):
    x = ops.relu(x)
    return (x - 1.0) / (x + 1.0)


def softermax(x):
    x = ops.relu(x)
    return x / (1e-12 + ops.sum(x, axis=-1, keepdims=True))


COMPOSITIONS = {name: f for name, f in list(globals().items()) if callable(f)}
