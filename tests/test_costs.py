"""The counts of `tests/costs.py`: no more work in a training step, and none compiled twice."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import keras_yat
from benchmarks import harness
from tests import costs
from tests.helpers import BACKEND, draw, to_numpy
from tests.models import MODELS, inputs_of

RECORDED = costs.recorded()
# Other versions of Keras and of the backends count a few more, or fewer.
SLACK = 1.1


def test_every_model_is_recorded_on_every_backend():
    backends = ("jax", "tensorflow", "torch")
    assert set(RECORDED) == {(backend, name) for backend in backends for name in MODELS}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_costs_no_more(name):
    """After a change that is worth its cost: `python -m tests.costs --write`."""
    found, before = costs.measured(name), RECORDED[BACKEND, name]
    for count in costs.COUNTS:
        assert found[count] <= before[count] * SLACK, count
        # Lower counts are recorded, so that they stay low.
        assert found[count] >= before[count] / SLACK, count


def test_more_operations_and_more_kept_tensors_are_counted():
    class Twice(keras.layers.Layer):
        def call(self, x):
            return ops.sin(ops.sin(x))

    x = ops.convert_to_tensor(draw((30, 20)))
    once, twice = keras.layers.Activation(ops.sin), Twice()
    calls = [harness.forward_backward(layer, x, x) for layer in (once, twice)]
    fewer, more = (costs.operations(call) for call in calls)
    assert fewer + 3 <= more <= fewer + 6
    assert costs.bytes_kept(twice, x) == 2 * costs.bytes_kept(once, x) == 2 * 4 * 600


class Traced:
    """A model that counts how often its function is traced."""

    def __init__(self, model):
        self.model, self.traces = model, 0
        self.trainable_variables = model.trainable_variables

    def __call__(self, x):
        self.traces += 1
        return self.model(x)


# torch's compiler: in `test_graphs`.
@pytest.mark.backends("jax", "tensorflow")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["per channel", "YatConv2D", "YatLSTM", "attention, causal"])
def test_a_step_is_traced_once(name):
    build, shape = MODELS[name]
    x = ops.convert_to_tensor(inputs_of(shape))
    model = Traced(build())
    upstream = ops.convert_to_tensor(draw((len(x), *model.model.output_shape[1:])))
    call = harness.forward_backward(model, x, upstream)
    before, _ = call()
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)
    after, _ = with_input(call, x + 1.0, model)()
    assert model.traces == 1
    assert not np.allclose(to_numpy(before), to_numpy(after))


def with_input(call, x, model):
    """The same compiled step of another input, and of the weights that `model` has now."""
    if BACKEND == "jax":
        values = [v.value for v in model.trainable_variables]
        return harness.Jitted(call.function, (values, x, call.arguments[2]))
    return functools.partial(call.func, x, *call.args[1:])


def test_gradients_of_long_sums_are_not_taken_in_pieces():
    """Three pieces: a product and a norm of each, and their totals. No more in the gradients."""
    found = []
    for size in (1000, 2500):
        layer, x = keras_yat.YatDense(2), ops.convert_to_tensor(draw((3, size)))
        layer.build(x.shape)
        upstream = ops.convert_to_tensor(draw((3, 2)))
        found.append(costs.operations(harness.forward_backward(layer, x, upstream)))
    # With derived gradients there were 28, 46 and 52 more.
    assert found[1] - found[0] <= {"jax": 18, "tensorflow": 42, "torch": 44}[BACKEND]
