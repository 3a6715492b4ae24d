"""What Keras offers around a model: rematerialization, averages of weights, NNX, Orbax."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_yat
from tests.helpers import BACKEND, ROOT, draw, to_numpy

X, Y = draw((8, 5, 5, 2)), draw((8, 2), 1)


def built(optimizer="sgd", weights=None):
    model = keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            keras_yat.YatConv2D(3, 2),
            keras_yat.Nami(axis=-1),
            keras_yat.YatSeparableConv2D(3, 2),
            keras.layers.Flatten(),
            keras_yat.YatDense(4, learn_epsilon=True),
            keras.layers.Dense(2, activation=keras_yat.Mila()),
        ]
    )
    if weights is not None:
        model.set_weights(weights)
    model.compile(optimizer, "mse")
    return model


def trained(model):
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    return model.get_weights()


def same_training(mode):
    """Losses and weights under a mode of `keras.RematScope` are those without it."""
    plain = built()
    names = [layer.name for layer in plain.layers]
    with keras.RematScope(mode=mode, layer_names=names):
        model = keras.models.clone_model(plain)
    model.set_weights(plain.get_weights())
    model.compile("sgd", "mse")
    for found, expected in zip(trained(model), trained(plain), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# Keras 3.15 itself: "full" fails on TensorFlow, "larger_than" everywhere.
@pytest.mark.backends("jax", "torch")
@pytest.mark.parametrize("mode", ["full", "list_of_layers"])
def test_rematerialization(mode):
    same_training(mode)


# With any layer as the activation of a stock layer it fails on torch, and on JAX the parameters of
# the first trace remain as constants.
@pytest.mark.backends("tensorflow")
def test_rematerialization_of_activations():
    same_training("activations")


def test_averages_of_weights():
    """`use_ema`: the averages of all weights, in their place after `finalize_variable_values`."""
    momentum = 0.5
    model = built(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=momentum))
    model.train_on_batch(X, Y)
    average = [to_numpy(v).copy() for v in model.trainable_variables]  # after the first step
    model.train_on_batch(X, Y)
    pairs = zip(average, model.trainable_variables, strict=True)
    average = [momentum * a + (1.0 - momentum) * to_numpy(v) for a, v in pairs]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable, expected in zip(model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(to_numpy(variable), expected, rtol=1e-4, atol=1e-5)


def test_accumulated_gradients():
    """Two batches are one of twice the size."""
    once = built(keras.optimizers.SGD(0.05))
    start = once.get_weights()
    once.train_on_batch(X, Y)
    twice = built(keras.optimizers.SGD(0.05, gradient_accumulation_steps=2), start)
    for half in (slice(0, 4), slice(4, 8)):
        twice.train_on_batch(X[half], Y[half])
    for found, expected in zip(twice.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# Orbax needs JAX, the backend aside: one is enough.
@pytest.mark.backends("jax")
def test_orbax(tmp_path):
    import orbax.checkpoint

    model = built(keras.optimizers.SGD(name="sgd"))
    trained(model)
    other = keras.models.clone_model(model)  # with the same paths, the last of them from a call
    other.compile(keras.optimizers.SGD(name="sgd"), "mse")
    other(X)
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", model.get_state_tree())
        checkpointer.wait_until_finished()
        other.set_state_tree(checkpointer.restore(tmp_path / "state", other.get_state_tree()))
    np.testing.assert_array_equal(to_numpy(other(X)), to_numpy(model(X)))


NNX = """
import sys
import keras_yat
import numpy as np
from flax import nnx
from tests.test_use_with_keras import built, trained

weights = np.load(sys.argv[1])
model = built(weights=[weights[name] for name in weights])
assert isinstance(model.layers[0], nnx.Module)
np.savez(sys.argv[2], *trained(model))
"""


@pytest.mark.slow
@pytest.mark.backends("jax")
def test_nnx(tmp_path):
    """Keras's layers as modules of Flax train as before."""
    model = built()
    before, after = tmp_path / "before.npz", tmp_path / "after.npz"
    np.savez(before, *model.get_weights())
    done = subprocess.run(
        [sys.executable, "-c", NNX, str(before), str(after)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": BACKEND, "KERAS_NNX_ENABLED": "true"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(after)
    for name, expected in zip(found, trained(model), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6)
