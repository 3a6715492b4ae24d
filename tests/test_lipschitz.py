"""Lipschitz bounds of Yat layers."""

import math

import keras
import numpy as np
import pytest

import keras_yat
from keras_yat import lipschitz, lipschitz_epsilon
from tests.helpers import call, draw, to_numpy
from tests.layers.test_yat import LAYERS

SETTINGS = {
    "default": {},
    "kernel": {"normalize": "kernel"},
    "learned epsilon": {"learn_epsilon": True},
    "constant bias": {"constant_bias": -3.0},
    "no bias, no alpha": {"use_bias": False, "alpha": None},
    "negative alpha": {"alpha": -2.0},
    "LoRA": {"lora_rank": 2},
    "ternary": {"kernel_quantizer": "ternary"},
}


def built(name, **arguments):
    kwargs, shape = LAYERS[name]
    layer = getattr(keras_yat, name)(**{**kwargs, **arguments})
    layer.build((None, *shape))
    for seed, variable in enumerate(layer.weights):
        if variable.path.endswith(("bias", "kernel_b")):
            variable.assign(draw(tuple(variable.shape), seed=seed))
    return layer


def slope(neurons, radius, neuron, steps=300):
    """The largest norm of the gradient of one neuron on the ball, by its definition in float64.

    By random search from the prototype on, in steps that shrink, and not by the bound's formula.
    """
    w, b, epsilon = neurons.columns[0][:, neuron], neurons.bias[0][neuron], neurons.epsilon
    rng = np.random.default_rng(0)

    def norms(x):
        difference = x - w
        distance = np.sum(difference**2, axis=-1, keepdims=True) + epsilon
        n = (x @ w)[:, None] + b
        gradient = 2 * n * w / distance - 2 * n**2 * difference / distance**2
        return np.linalg.norm(gradient, axis=-1)

    def inside(x):
        size = np.linalg.norm(x, axis=-1, keepdims=True)
        return x * np.minimum(1.0, radius / np.maximum(size, 1e-30))

    spread = np.geomspace(1e-3, 10.0, 200) * math.sqrt(epsilon)
    best = inside(w + spread[:, None] * rng.normal(size=(200, len(w))))
    for step in range(steps):
        near = 0.3 * 0.98**step * np.linalg.norm(best - w, axis=-1, keepdims=True)
        other = inside(best + near * rng.normal(size=best.shape) / math.sqrt(len(w)))
        best = np.where((norms(other) > norms(best))[:, None], other, best)
    return abs(neurons.alpha) * np.max(norms(best))


@pytest.mark.once
@pytest.mark.parametrize("epsilon", [1e-4, 0.3, 10.0])
@pytest.mark.parametrize("radius", [0.5, 6.0])
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_neuron_is_as_steep_as_its_bound(setting, radius, epsilon):
    """The bound of a neuron is above the steepest slope found, by a few percent.

    It is looser where the prototype is outside of the ball.
    """
    layer = built("YatDense", epsilon=epsilon, **SETTINGS[setting])
    bounds = lipschitz(layer, radius, per_neuron=True)
    assert bounds.shape == (5,)
    for neuron in range(2):
        found = slope(layer.neurons, radius, neuron)
        assert found <= bounds[neuron] <= (1.15 if radius > 1.0 else 1.6) * found, (
            found,
            bounds[neuron],
        )


@pytest.mark.once
def test_it_is_below_the_formula():
    for epsilon in (1e-5, 0.1, 3.0):
        layer = built("YatDense", epsilon=epsilon)
        w, b = layer.neurons.columns[0], layer.neurons.bias[0]
        norm = np.linalg.norm(w, axis=0)
        largest = 2.0 * norm + np.abs(b)
        formula = 2 * largest * norm / epsilon
        formula += 3 * math.sqrt(3) / 8 * largest**2 * epsilon**-1.5
        formula *= layer.neurons.alpha
        assert np.all(lipschitz(layer, 2.0, per_neuron=True) <= formula * (1 + 1e-12))
        assert lipschitz(layer, 2.0) <= np.linalg.norm(formula)


def jacobian_norm(layer, x):
    """The spectral norm of the derivative of a layer at `x`, by differences."""
    size, step = x.size, 1e-3
    moves = step * np.eye(size, dtype="float32").reshape(size, *x.shape)
    y = to_numpy(call(layer, np.concatenate([x + moves, x - moves]))).reshape(2, size, -1)
    return np.linalg.norm((y[0] - y[1]) / (2 * step), 2)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_no_steeper_than_its_bound(name):
    """At random inputs and near prototypes. Inputs of few draws are not the steepest."""
    layer = built(name, epsilon=1.0)
    _, shape = LAYERS[name]
    inputs = [draw(shape, seed=seed) for seed in range(4)]
    if name == "YatDense":
        w = to_numpy(layer.prototypes())
        inputs += [w[:, i] + 0.5 * draw(shape, seed=i) / np.sqrt(6) for i in range(5)]
    radius = max(float(np.linalg.norm(x)) for x in inputs)
    found = max(jacobian_norm(layer, x.astype("float32")) for x in inputs)
    bound = lipschitz(layer, radius)
    assert found <= bound
    assert bound <= {"YatDense": 4.0}.get(name, 60.0) * found


def test_windows_overlap():
    """Inputs that are alike in all windows reach the bound of the overlap."""
    for arguments, windows in (
        ({"kernel_size": 3}, 3),
        ({"kernel_size": 3, "strides": 2}, 2),
        ({"kernel_size": 4, "strides": 2}, 2),
        ({"kernel_size": 3, "dilation_rate": 2}, 3),
        ({"kernel_size": 1, "strides": 2}, 1),
    ):
        for cls in (keras_yat.YatConv1D, keras_yat.YatDepthwiseConv1D):
            own = {} if cls is keras_yat.YatDepthwiseConv1D else {"filters": 1}
            layer = cls(**own, **arguments)
            layer.build((None, 12, 1))
            # The entries of a long input that a window has, counted by a sum over windows.
            taps, step = layer.kernel_size[0], layer.strides[0]
            places = [o * step + t * layer.dilation_rate[0] for o in range(30) for t in range(taps)]
            assert layer.neurons.windows == max(np.bincount(places)) == windows
    layer = keras_yat.YatConv1DTranspose(1, 3, strides=2)
    layer.build((None, 4, 1))
    assert layer.neurons.windows == 3
    layer = keras_yat.YatDepthwiseConv2D(4, strides=4, dilation_rate=2)
    layer.build((None, 16, 16, 1))
    assert layer.neurons.windows == 4


@pytest.mark.once
def test_neurons_far_apart_do_not_add_up():
    """An input is near to one of them at most."""
    layer = keras_yat.YatDense(50, epsilon=1e-4)
    layer.build((None, 64))
    neurons = lipschitz(layer, 8.0, per_neuron=True)
    assert np.max(neurons) <= lipschitz(layer, 8.0) <= 1.01 * np.max(neurons)


@pytest.mark.once
def test_an_input_between_two_prototypes():
    """There both neurons are nearly as steep as they can be."""
    height = math.sqrt(1.0 / 3.0)
    w = np.array([[10.0, 10.0], [height, -height]])
    layer = keras_yat.YatDense(2, epsilon=1.0, alpha=None, use_bias=False, kernel_multiplier=1.0)
    layer.build((None, 2))
    layer.kernel.assign(w)
    x = np.array([[10.0], [0.0]])
    n, distance = x.T @ w, np.sum((x - w) ** 2, axis=0) + 1.0
    jacobian = 2 * n * w / distance - 2 * n**2 * (x - w) / distance**2
    found = np.linalg.norm(jacobian, 2)
    (first, _) = lipschitz(layer, 12.0, per_neuron=True)
    assert 1.2 * first < found <= lipschitz(layer, 12.0) <= 1.5 * first


@pytest.mark.once
def test_equal_neurons_add_up():
    layer = keras_yat.YatDense(4, epsilon=1e-2, use_bias=False)
    layer.build((None, 6))
    layer.kernel.assign(np.repeat(draw((6, 1)), 4, axis=1))
    (first, *_) = lipschitz(layer, 3.0, per_neuron=True)
    assert lipschitz(layer, 3.0) == pytest.approx(2.0 * first)


@pytest.mark.once
@pytest.mark.parametrize("name", ["YatDense", "YatConv2D", "YatSeparableConv1D"])
def test_epsilon_of_a_bound(name):
    layer = built(name)
    for bound in (1e-2, 3.0, 1e5):
        epsilon = lipschitz_epsilon(layer, 4.0, bound)
        layer._set_epsilon(epsilon)
        assert lipschitz(layer, 4.0) <= bound
        layer._set_epsilon(0.99 * epsilon)
        assert lipschitz(layer, 4.0) > bound


@pytest.mark.once
def test_prototypes_outside_of_the_ball():
    """There the slopes stay bounded for any epsilon."""
    layer = keras_yat.YatDense(3, use_bias=False)
    layer.build((None, 2))
    layer.kernel.assign(100.0 * np.ones((2, 3)))
    assert lipschitz(layer, 0.01) < 1.0
    assert lipschitz_epsilon(layer, 0.01, 1.0) == 1e-7


@pytest.mark.once
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: keras_yat.YatEmbedding(3, 4), "`layer` must be a dense or convolutional Yat"),
        (lambda: keras.layers.Dense(3), "`layer` must be a dense or convolutional Yat layer"),
        (lambda: keras_yat.YatDense(3), "has no weights yet"),
        (lambda: built("YatDense", normalize="sphere"), "the output jumps at the input 0"),
        (lambda: built("YatDense", activation="mila"), "`layer` must have no activation"),
    ],
)
def test_layers_without_a_bound(layer, message):
    with pytest.raises(ValueError, match=message):
        lipschitz(layer(), 1.0)
    with pytest.raises(ValueError, match=message):
        lipschitz_epsilon(layer(), 1.0, 1.0)


@pytest.mark.once
def test_invalid_numbers():
    layer = built("YatDense")
    for radius in (0.0, -1.0, math.inf, "1"):
        with pytest.raises(ValueError, match="`radius` must be a finite number greater than 0"):
            lipschitz(layer, radius)
    with pytest.raises(ValueError, match="`bound` must be a finite number greater than 0"):
        lipschitz_epsilon(layer, 1.0, 0.0)
